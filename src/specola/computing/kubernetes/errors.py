"""The one place where a cluster's errors become ours."""

import contextlib
from collections.abc import AsyncIterator

import httpx

from specola.computing.border import in_one_line, in_time
from specola.computing.kubernetes.kubeconfig import KubeconfigError
from specola.domain.errors import ComputingUnreachableError, LaunchError

__all__ = ["ApiError", "ExpiredError", "PodGoneError", "asking", "refusal"]

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
        raise ComputingUnreachableError(computing, _why(error)) from error
    except KubeconfigError as error:
        raise ComputingUnreachableError(computing, f"its kubeconfig cannot be used: {error}") from error
    except (httpx.HTTPError, OSError, EOFError) as error:
        raise ComputingUnreachableError(computing, in_one_line(str(error) or type(error).__name__)) from error


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
    if "PodSecurity" in message:
        return LaunchError(
            f"The cluster's rules for pods refuse it: {message}.",
            hint="Choose a release that runs as the home's owner (user: home), or an image that does not run as root.",
            code="refused",
        )
    if error.status == 404 and "namespaces" in message:
        return LaunchError(
            f"The cluster does not have the namespace: {message}.",
            hint="An administrator of the computing makes it, with the role of the platform in it.",
            code="namespace_missing",
        )
    if error.status == 403 and error.reason == "Forbidden" and "is forbidden: User" in message:
        return LaunchError(
            f"The platform's account lacks a right there: {message}.",
            hint="An administrator gives it the role that the computing's page names.",
            code="rights",
        )
    return LaunchError(f"The cluster refused: {message}.", code="refused")


def _why(error: ApiError) -> str:
    if error.status == 401:
        return "it does not accept the platform's token or certificate"
    if error.status == 403:
        return f"the platform's account lacks a right ({in_one_line(error.message)})"
    if error.status == 429:
        return "it has too many questions at the moment"
    return f"it is in trouble itself ({error.status}: {in_one_line(error.message or error.reason)})"
