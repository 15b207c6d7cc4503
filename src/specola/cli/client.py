"""The platform's API as commands use it, on the standard library alone: it is loaded by every command."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from specola import __version__
from specola.cli import credentials
from specola.cli.failures import AnsweredError
from specola.domain.errors import PlatformUnreachableError

__all__ = ["Client", "connected", "part"]

SECONDS = 30.0
JSON_LINES = "application/x-ndjson"


def part(name: str) -> str:
    """Return a name as one part of a path."""
    return quote(name, safe="")


def connected() -> "Client":
    """Return a client of the platform that this machine is signed in to."""
    kept = credentials.load()
    return Client(kept.url, kept.token)


class Client:
    """Speaks to one platform as one person.

    Parameters
    ----------
    url
        The platform's address, without a slash at the end.
    token
        A personal token; it goes nowhere but to this address, since redirections are not followed.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, seconds: float = SECONDS) -> Any:
        """Read a value."""
        return self.call("GET", path, query=query, seconds=seconds)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
    ) -> Any:
        """Ask once and return the answer: a value, the text of another kind of answer, or None.

        Raises
        ------
        AnsweredError
            The platform answered with a problem.
        PlatformUnreachableError
            There was no answer.
        """
        with self._ask(method, path, query=query, body=body, headers=headers, seconds=seconds) as answer:
            content = answer.read()
            if not content:
                return None
            if "json" in answer.headers.get("Content-Type", ""):
                return json.loads(content)
            return content.decode()

    def lines(self, path: str, query: Mapping[str, Any] | None = None, *, seconds: float = SECONDS) -> Iterator[Any]:
        """Yield the values of an endless answer; `seconds` is the longest silence."""
        headers = {"Accept": JSON_LINES}
        with self._ask("GET", path, query=query, body=None, headers=headers, seconds=seconds) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    @contextmanager
    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
        seconds: float,
    ) -> Iterator[http.client.HTTPResponse]:
        wanted = {key: _word(value) for key, value in (query or {}).items() if value is not None}
        address = f"{self.url}/api/v1{path}{'?' + urlencode(wanted) if wanted else ''}"
        sent = {
            "Authorization": f"Bearer {self.token}",
            "User-Agent": f"specola/{__version__}",
            "Accept": "application/json",
        }
        data = None
        if body is not None:
            # Text is a definition; everything else goes as JSON.
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            sent["Content-Type"] = "application/yaml" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(address, data=data, headers={**sent, **(headers or {})}, method=method)  # noqa: S310 - http and https only, see clean_url
        with self._reaching(), self._opener.open(request, timeout=seconds) as answer:
            if answer.status >= 300:
                raise AnsweredError(answer.status, _problem(answer))
            yield answer

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what the network does into one failure."""
        try:
            yield
        except TimeoutError as error:
            raise PlatformUnreachableError(self.url, "it takes too long") from error
        except urllib.error.URLError as error:
            reason = error.reason
            detail = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
            raise PlatformUnreachableError(self.url, detail) from error
        except BrokenPipeError:
            # Our own output's reader has gone; the network speaks through URLError.
            raise
        except (ConnectionError, http.client.HTTPException) as error:
            raise PlatformUnreachableError(self.url, "the connection broke off") from error


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(answer: http.client.HTTPResponse) -> Mapping[str, Any]:
    if answer.status < 400:
        where = answer.headers.get("Location", "elsewhere")
        return {"detail": f"The platform sends us to {where}.", "hint": "Sign in with that address: specola login URL"}
    try:
        value = json.loads(answer.read())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
