"""Where a request comes from: the platform's own pages, a program, or another site."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["SESSION_COOKIE", "is_foreign"]

SESSION_COOKIE = "__Host-specola-session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_foreign(scope: Scope, *, url: str) -> bool:
    """Tell whether a request that changes something was caused by another site.

    Browsers say so themselves in Sec-Fetch-Site (Fetch Metadata Request Headers, W3C), older ones by Origin. A client
    that sends neither is no browser; it is refused only if it comes with a session, which programs have no use for.

    Parameters
    ----------
    url
        The platform's own address.
    """
    if scope["method"] in SAFE:
        return False
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is not None:
        return origin not in _own_origins(headers, url)
    return SESSION_COOKIE in headers.get("cookie", "")


def _own_origins(headers: Headers, url: str) -> set[str]:
    split = urlsplit(url)
    # The gateway lets only our own names through, so the host that was asked for is one of ours.
    scheme = headers.get("x-forwarded-proto", split.scheme)
    host = headers.get("x-forwarded-host", headers.get("host", ""))
    return {f"{split.scheme}://{split.netloc}", f"{scheme}://{host}"}
