"""The running platform that the lab's places are added to, as an administrator uses its API."""

import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.machine import ROOT, FailedError, answers

__all__ = ["Platform", "running"]

PROGRAM = ROOT / ".venv/bin/python"
ADDRESS = "from specola.cli.settings import read_settings; print(read_settings().url)"
ANSWER_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform and an administrator's token."""

    url: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what is answered to one question; None: nothing, or there is no such thing.

        Raises
        ------
        FailedError
            It was refused, or nobody answered.
        """
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method)  # noqa: S310 -- the administrator named it
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 -- see above
                content = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise FailedError(f"{self.url} refuses {method} {path}: {_said(error.read())}") from error
        except OSError as error:
            raise FailedError(f"{self.url} does not answer: {error}") from error
        return json.loads(content) if content else None

    def put(self, record: Mapping[str, Any]) -> None:
        """Add a computing, or change it to what its definition says."""
        name = record["computing"]
        if self.ask("GET", f"/computings/{name}") is None:
            self.ask("POST", "/computings", record)
        else:
            self.ask("PUT", f"/computings/{name}", record)

    def answered(self, name: str) -> str:
        """Wait until a computing was asked what it is; return what is serious about it ("": nothing)."""
        end, sentence = time.monotonic() + ANSWER_SECONDS, "it has not answered yet"
        while time.monotonic() < end:
            told = self.ask("GET", f"/computings/{name}") or {}
            if told.get("reachable") and told.get("probe"):
                serious = [one["sentence"] for one in told["probe"]["findings"] if one["serious"]]
                return " ".join(serious)
            time.sleep(0.5)
        return sentence


def _said(content: bytes) -> str:
    try:
        problem = json.loads(content)
    except ValueError:
        return content.decode(errors="replace")[:500]
    return f"{problem.get('detail', '')} {problem.get('hint', '')} {problem.get('problems', '') or ''}".strip()


@contextmanager
def running() -> Iterator[Platform | None]:
    """Have the platform that SPECOLA_URL and SPECOLA_TOKEN name, else that of this clone and this machine; None: none runs.

    On its own machine it gives out a token for the time of the body.
    """
    url, token = os.environ.get("SPECOLA_URL", "").rstrip("/"), os.environ.get("SPECOLA_TOKEN", "").strip()
    if url and token:
        yield Platform(url, token)
        return
    url = (answers([PROGRAM, "-c", ADDRESS]) or "").strip()
    if not url or not _runs(url):
        yield None
        return
    label = f"lab {secrets.token_hex(4)}"
    words: list[str | Path] = [
        PROGRAM,
        "-m",
        "specola",
        "admin",
        "token",
        "admin",
        "--days",
        "1",
        "--label",
        label,
        "--json",
    ]
    told = answers(words)
    if told is None:
        raise FailedError(
            f"{url} runs, but its data folder is not the one that SPECOLA_DATA names (make lab DATA=…). "
            "Or name both: SPECOLA_URL, and an administrator's token as SPECOLA_TOKEN."
        )
    shown = json.loads(told)
    platform = Platform(url, shown["token"])
    try:
        yield platform
    finally:
        platform.ask("DELETE", f"/tokens/{shown['id']}")


def _runs(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/health", timeout=10):  # noqa: S310 -- this machine's own setting
            return True
    except OSError:
        return False
