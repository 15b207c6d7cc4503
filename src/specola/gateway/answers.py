"""What the gateway itself answers: a page for people, JSON for programs, a redirect where one signs in."""

import html
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from specola.gateway.requests import RefusedError

__all__ = ["json_answer", "message", "page_answer", "redirect", "refusal"]

Header = tuple[str, str]

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem }}
h1 {{ font-size: 1.25rem }} p {{ margin: .5rem 0 }} .code {{ opacity: .6; font-size: .875rem }}
</style></head><body><main><h1>{sentence}</h1><p>{hint}</p><p><a href="{link}">{action}</a></p>
<p class="code">{status} · {code}</p></main></body></html>
"""
SAFETY: tuple[Header, ...] = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


def message(status: int, headers: Iterable[Header], body: bytes = b"", *, last: bool, bare: bool = False) -> bytes:
    """Return a whole answer; `last`: the connection ends with it; `bare`: its body is left out (HEAD)."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body)}", "Cache-Control: no-store"]
    if last:
        lines.append("Connection: close")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + (b"" if bare else body)


def json_answer(
    status: int, body: Mapping[str, Any], headers: Iterable[Header] = (), *, last: bool, bare: bool = False
) -> bytes:
    """Return an answer for a program."""
    content = json.dumps(body, ensure_ascii=False).encode()
    all_headers = (("Content-Type", "application/problem+json"), *headers)
    return message(status, all_headers, content, last=last, bare=bare)


def page_answer(error: RefusedError, *, link: str = "", action: str = "Try again", last: bool) -> bytes:
    """Return an answer for a person: what is wrong, what to do, where to go."""
    text = PAGE.format(
        title=html.escape(error.sentence),
        sentence=html.escape(error.sentence),
        hint=html.escape(error.hint),
        link=html.escape(link, quote=True),
        action=html.escape(action),
        status=error.status,
        code=html.escape(error.code),
    )
    headers = (("Content-Type", "text/html; charset=utf-8"), *SAFETY)
    return message(error.status, headers, text.encode(), last=last)


def refusal(error: RefusedError, *, last: bool, bare: bool = False, headers: Iterable[Header] = ()) -> bytes:
    """Return a refusal for a program."""
    body = {"status": error.status, "code": error.code, "sentence": error.sentence, "hint": error.hint}
    return json_answer(error.status, body, headers, last=last, bare=bare)


def redirect(location: str, headers: Iterable[Header] = (), *, last: bool) -> bytes:
    """Send a browser elsewhere by GET."""
    return message(303, (("Location", location), ("Referrer-Policy", "no-referrer"), *headers), last=last)
