"""Our own cookies: how they are read, kept from tasks, and kept from being forged by tasks."""

import re
from collections.abc import Iterable

from specola.gateway.requests import RefusedError

__all__ = ["ENTRY", "NONCE", "may_be_set_by_task", "own_cookies", "set_cookie", "without_own"]

ENTRY = "__Host-specola"
"""Says who the visitor of a task's origin is."""
NONCE = "__Host-specola-nonce"
"""Binds a sign-in to the browser that began it."""
OURS = b"__host-specola"
SAFE = re.compile(rb"[A-Za-z0-9_\-.~]{1,512}")
DOMAIN = re.compile(rb";\s*domain\s*(?:=|;|$)", re.IGNORECASE)


def own_cookies(values: Iterable[bytes]) -> dict[str, str]:
    """Return our cookies among those sent. A sibling can send us a second one of a name, so two are refused."""
    found: dict[str, str] = {}
    for pair in pairs(values):
        name, _, value = pair.partition(b"=")
        for ours in (ENTRY, NONCE):
            if name.strip() == ours.encode():
                if ours in found:
                    raise RefusedError(400, "cookie_twice", f"The cookie {ours} was sent more than once.")
                if SAFE.fullmatch(value.strip()):
                    found[ours] = value.strip().decode("ascii")
    return found


def without_own(value: bytes, also: frozenset[bytes]) -> bytes:
    """Return a Cookie header's value without our cookies and those named in `also`; empty if none is left."""
    kept = [pair for pair in value.split(b";") if not is_ours(pair) and name_of(pair) not in also]
    return b";".join(kept).strip()


def may_be_set_by_task(value: bytes) -> bool:
    """Tell whether a Set-Cookie of a task passes: not with our names, not for a whole domain."""
    return not is_ours(value) and DOMAIN.search(value) is None


def set_cookie(name: str, value: str, *, seconds: int) -> tuple[str, str]:
    """Return the header that sets one of our cookies."""
    return "Set-Cookie", f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def pairs(values: Iterable[bytes]) -> list[bytes]:
    return [pair for value in values for pair in value.split(b";")]


def name_of(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip()


def is_ours(pair: bytes) -> bool:
    # A cookie without a name is sent as its value alone, so `=__Host-specola=x` would come back as ours.
    return pair.lstrip(b" \t=").lower().startswith(OURS)
