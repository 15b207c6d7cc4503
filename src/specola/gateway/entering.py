"""Signing in to a task's origin: a nonce, the platform's `/authorize`, a code that is spent once, a cookie."""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from specola.clock import Clock
from specola.gateway.answers import redirect
from specola.gateway.asking import Internal
from specola.gateway.cookies import ENTRY, NONCE, set_cookie
from specola.gateway.hosts import TaskOrigin
from specola.gateway.requests import Head, RefusedError

__all__ = ["ENTER", "Entering"]

ENTER = b"/.specola/enter"
NONCE_SECONDS = 600
NONCE_FORM = re.compile(r"[A-Za-z0-9_\-]{43}")
LOCAL_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path of the same origin: one slash, then no second one, no backslash, no control character."""


class Entering:
    """Both steps of the hand-off that happen on a task's origin."""

    def __init__(self, *, internal: Internal, clock: Clock, platform: str) -> None:
        self._internal = internal
        self._clock = clock
        self._platform = platform

    def begin(self, head: Head, place: TaskOrigin, cookies: Mapping[str, str], *, last: bool) -> bytes:
        """Send a visitor to the platform; the nonce is kept if there is one, so that several tabs can sign in at once."""
        nonce = cookies.get(NONCE, "")
        if not NONCE_FORM.fullmatch(nonce):
            nonce = self._clock.new_secret()
        path = head.target.decode("ascii")
        query = urlencode(
            {
                "task": place.task,
                "interface": place.interface,
                "nonce": fingerprint(nonce),
                "path": path if LOCAL_PATH.fullmatch(path) else "/",
            }
        )
        cookie = set_cookie(NONCE, nonce, seconds=NONCE_SECONDS)
        return redirect(f"{self._platform}/authorize?{query}", [cookie], last=last)

    async def finish(self, head: Head, place: TaskOrigin, cookies: Mapping[str, str], *, last: bool) -> bytes:
        """Spend the code and let the browser in; raises RefusedError, InternalError."""
        code = parse_qs(head.target.partition(b"?")[2].decode("ascii")).get("code", [""])[0]
        nonce = cookies.get(NONCE, "")
        if head.method != b"GET" or not code or not nonce:
            raise late("This sign-in was not begun in this browser, or its time has run out.")
        status, answer = await self._internal.post(
            "/redeem",
            {"code": code, "nonce": fingerprint(nonce), "task": place.task, "interface": place.interface},
        )
        if status != 200:
            raise late(str(answer.get("sentence") or "This sign-in is no longer valid."), str(answer.get("hint") or ""))
        path = str(answer.get("path") or "/")
        cookie = set_cookie(ENTRY, str(answer["cookie"]), seconds=int(answer["seconds"]))
        return redirect(path if LOCAL_PATH.fullmatch(path) else "/", [cookie], last=last)


def fingerprint(nonce: str) -> str:
    """Return what the platform learns of a nonce."""
    return hashlib.sha256(nonce.encode()).hexdigest()


def late(sentence: str, hint: str = "") -> RefusedError:
    """Make the error of a sign-in that cannot be finished."""
    return RefusedError(403, "sign_in", sentence, hint=hint or "Open the application again.")
