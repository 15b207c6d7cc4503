"""The one place where a cluster's errors become ours."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx

from specola.computing.border import in_one_line, in_time
from specola.computing.kubernetes.kubeconfig import KubeconfigError
from specola.domain.errors import ComputingUnreachableError, LaunchError

__all__ = ["ApiError", "ExpiredError", "PodGoneError", "asking", "refusal"]

GIVE_RIGHTS = "An administrator of the cluster gives it the role of the page on Kubernetes."
BELIEVE = (
    "Whoever looks after it puts the certificate of the authority that signed it into the kubeconfig (certificate-authority-data), "
    "and names the server as its certificate does."
)
REACH = "Whoever looks after it checks the server's address in the kubeconfig, and that the platform's host may connect to it."
REFUSED = frozenset({400, 403, 404, 405, 409, 413, 422})


class ApiError(Exception):
    """An answer of the API server that is no success: HTTP status, the API's word for it, and its message."""

    def __init__(self, status: int, reason: str = "", message: str = "", *, again: float | None = None) -> None:
        super().__init__(message or reason or str(status))
        self.status = status
        self.reason = reason
        self.message = message
        self.again = again

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return self.status == 404

    @property
    def is_taken(self) -> bool:
        """Whether the name is in use."""
        return self.status == 409 and self.reason == "AlreadyExists"


class PodGoneError(Exception):
    """The pod is not there (any more), or does not run; callers decide what that means."""


class ExpiredError(Exception):
    """What a watch was to go on from is too old; everything has to be looked at again."""


@contextlib.asynccontextmanager
async def asking(computing: str, *, seconds: float | None = None) -> AsyncIterator[None]:
    """Turn whatever a cluster, or the way to it, does wrong into our errors.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long to wait for answers; None: somebody above watches the time.

    Raises
    ------
    ComputingUnreachableError
        It does not answer, the connection broke, it is in trouble itself, or it does not tell the platform.
    """
    try:
        async with in_time(computing, seconds=seconds):
            yield
    except ApiError as error:
        raise _unreachable(computing, *_why(error)) from error
    except KubeconfigError as error:
        raise _unreachable(
            computing, f"its kubeconfig cannot be used: {error}", "Whoever looks after it mends the kubeconfig."
        ) from error
    except (httpx.HTTPError, OSError, EOFError) as error:
        raise _unreachable(computing, *_broken(error)) from error


def refusal(error: ApiError) -> Exception:
    """Return what a refusal to make a pod means; what the cluster may do another time is left as it is."""
    message = in_one_line(error.message)
    if error.status not in REFUSED or (error.status == 409 and error.reason == "Conflict"):
        return error
    if "exceeded quota" in message:
        return LaunchError(
            f"The cluster's quota has no room for it: {message}.",
            hint="Stop what is no longer needed there, or ask for less.",
            code="quota",
        )
    if "PodSecurityPolicy: unable to admit pod: []" in message:
        return LaunchError(
            f"The cluster has no policy for pods that the platform's account may use: {message}.",
            hint="An administrator of the cluster lets it use a PodSecurityPolicy, such as its restricted one.",
            code="rights",
        )
    if "PodSecurity" in message:
        return LaunchError(
            f"The cluster's rules for pods refuse it: {message}.",
            hint="Choose a release that runs as the home's owner (user: home), or an image that does not run as root.",
            code="refused",
        )
    if error.status == 404 and "namespaces" in message:
        return LaunchError(
            f"The cluster does not have the namespace: {message}.",
            hint="An administrator of the cluster makes it, with the role of the platform in it.",
            code="namespace_missing",
        )
    if error.status == 403 and error.reason == "Forbidden" and "is forbidden: User" in message:
        return LaunchError(
            f"The platform's account lacks a right there: {message}.",
            hint=GIVE_RIGHTS,
            code="rights",
        )
    return LaunchError(f"The cluster refused: {message}.", code="refused")


def _unreachable(computing: str, detail: str, hint: str = "") -> ComputingUnreachableError:
    """Return the error, with the way to mend it where there is one."""
    found = ComputingUnreachableError(computing, detail)
    found.hint = hint or found.hint
    return found


def _why(error: ApiError) -> tuple[str, str]:
    """Say what an answer means, and how it is mended."""
    if error.status == 401:
        return (
            "it does not accept the platform's token or certificate",
            "Whoever looks after it puts a new token into the kubeconfig.",
        )
    if error.status == 403:
        return f"the platform's account lacks a right ({in_one_line(error.message)})", GIVE_RIGHTS
    if error.status < 400 or (error.is_missing and not error.reason):
        return f"what answers there is no API server of a cluster ({error.status})", REACH
    if error.status == 429:
        return "it has too many questions at the moment", ""
    return f"it is in trouble itself ({error.status}: {in_one_line(error.message or error.reason)})", ""


def _broken(error: Exception) -> tuple[str, str]:
    """Say what a connection broke by, and how it is mended."""
    causes = list(_causes(error))
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not believed ({one.verify_message})", BELIEVE
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        told = next((one.strerror for one in causes if isinstance(one, OSError) and one.strerror), str(error))
        return f"no connection to its API server ({in_one_line(told)})", REACH
    return in_one_line(str(error) or type(error).__name__), ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    yield from seen
