"""What changes in a cluster, as it tells it: one watch that goes on where it broke off, or begins anew where it must."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError, ExpiredError
from specola.computing.kubernetes.names import Place

__all__ = ["changes", "handle_of"]

# A server ends a watch after its time; which is then asked for again from where it was.
SECONDS = 240
# So that a server that ends each at once is not asked without end.
PAUSE = 0.2
GONE = 410
LONGEST = 16 * 1024**2


async def changes(api: Api, path: str, selector: str) -> AsyncIterator[str]:
    """Yield the handle of each pod that may have changed, from now on, until the cluster cannot be asked.

    Where what has happened meanwhile can no longer be told, each pod that is there may have changed, and so may each that
    was there before.
    """
    known: set[str] = set()
    version, is_first = "", True
    while True:
        if not version:
            pods, version = await api.pages(path, [("labelSelector", selector)])
            seen = {handle_of(one) for one in pods}
            for handle in [] if is_first else sorted(seen | known):
                yield handle
            known, is_first = seen, False
        try:
            async for kind, pod in _events(api, path, selector, version):
                version = str(pod["metadata"]["resourceVersion"])
                if kind == "BOOKMARK":
                    continue
                handle = handle_of(pod)
                known = known - {handle} if kind == "DELETED" else known | {handle}
                yield handle
        except ExpiredError:
            version = ""
        await asyncio.sleep(PAUSE)


async def _events(api: Api, path: str, selector: str, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    query = [
        ("labelSelector", selector),
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", str(SECONDS)),
        ("resourceVersion", version),
    ]
    try:
        async with api.stream(path, query) as pieces:
            rest = b""
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > LONGEST:
                    raise EOFError("the cluster's answer has no end")
                for line in lines:
                    yield _read(json.loads(line))
    except ApiError as error:
        if error.status == GONE:
            raise ExpiredError from error
        raise


def _read(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, told = str(event.get("type")), event.get("object") or {}
    if kind == "ERROR":
        if told.get("code") == GONE:
            raise ExpiredError
        raise ApiError(int(told.get("code") or 500), str(told.get("reason") or ""), str(told.get("message") or ""))
    return kind, told


def handle_of(pod: dict[str, Any]) -> str:
    """Return the handle of a pod."""
    return Place(pod["metadata"]["namespace"], pod["metadata"]["name"]).handle
