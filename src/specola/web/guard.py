"""The guard before every page and call: security headers, and refusal of changes that another site asks for."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from specola.api.origins import is_foreign

__all__ = ["Guard", "content_policy"]

REFUSAL = b"This request came from another site, so it was refused. Open the page again and repeat it there.\n"


def content_policy(*, forms: Iterable[str] = ()) -> str:
    """Return the Content-Security-Policy: everything from here, nothing inline, framed by nobody.

    Parameters
    ----------
    forms
        Origins that a sent form may be redirected to, beside our own: Chromium applies `form-action` to redirects, and
        Start sends its visitor on to the task's origin.
    """
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            " ".join(("form-action 'self'", *forms)),
            "frame-ancestors 'none'",
        )
    )


class Guard:
    """Wraps the whole public application.

    Parameters
    ----------
    url
        The platform's own address.
    domain
        The domain below which tasks are served.
    apart
        Paths below this prefix refuse by themselves, in their own words: the API, with a problem.
    """

    def __init__(self, app: ASGIApp, *, url: str, domain: str, apart: str) -> None:
        self._app = app
        self._url = url
        self._apart = apart
        split = urlsplit(url)
        port = f":{split.port}" if split.port else ""
        self._headers = {
            "Content-Security-Policy": content_policy(forms=[f"{split.scheme}://*.{domain}{port}"]),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        }
        if split.scheme == "https":
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if not scope["path"].startswith(self._apart) and is_foreign(scope, url=self._url):
            await _refuse(send_guarded)
            return
        await self._app(scope, receive, send_guarded)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(REFUSAL)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": REFUSAL})
