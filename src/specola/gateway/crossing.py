"""Who may ask with a cookie: the task's own pages, and people who come by an address; nobody else's pages."""

from specola.gateway.requests import Head, RefusedError

__all__ = ["check_crossing", "is_navigation"]

SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS"))
OWN_SITES = ((b"same-origin",), (b"none",))


def check_crossing(head: Head, origin: str) -> None:
    """Let a request pass that is authorised by a cookie, or raise RefusedError.

    Parameters
    ----------
    head
        The request as it came, before anything is rewritten.
    origin
        The task's own origin.

    Notes
    -----
    Fetch metadata, where a browser sends it, cannot be forged by a page, so it decides; `same-site` is a sibling task
    and as foreign as any other. Without it, upgrades and unsafe methods need the task's own Origin. A sandboxed frame
    has Origin `null` and site `cross-site`; a task's own page with `Referrer-Policy: no-referrer` has Origin `null`
    and site `same-origin`, and passes. (W3C Fetch Metadata Request Headers; Fetch, "Origin header".)
    """
    origins = head.values.get(b"origin", ())
    sites = head.values.get(b"sec-fetch-site", ())
    own = origins == (origin.encode("ascii"),)
    if sites:
        if sites in OWN_SITES:
            allowed = own or not origins or (origins == (b"null",) and head.upgrade is None)
        else:
            allowed = len(sites) == 1 and not origins and is_top_level_get(head)
    elif head.upgrade is not None or head.method not in SAFE_METHODS:
        allowed = own
    else:
        allowed = own or not origins
    if not allowed:
        raise RefusedError(
            403,
            "cross_origin",
            "Another site asked for this in your name.",
            hint="Open the task's own address in the browser; programs send a token in the Authorization header.",
        )


def is_top_level_get(head: Head) -> bool:
    """Tell whether a whole page is being opened by a plain GET."""
    return (
        head.method == b"GET"
        and head.upgrade is None
        and head.values.get(b"sec-fetch-mode") == (b"navigate",)
        and head.values.get(b"sec-fetch-dest") == (b"document",)
    )


def is_navigation(head: Head) -> bool:
    """Tell whether a person waits for a page: only then is a redirect or a page an answer."""
    if b"sec-fetch-mode" in head.values or b"sec-fetch-dest" in head.values:
        return is_top_level_get(head)
    return (
        head.method == b"GET"
        and head.upgrade is None
        and b"x-requested-with" not in head.values
        and any(b"text/html" in value.lower() for value in head.values.get(b"accept", ()))
    )
