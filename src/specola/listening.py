"""Serving an ASGI application on a Unix socket, as `web` and `connector` do."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from specola.privileges import hand_over

__all__ = ["Listener", "bind", "listener"]

GRACE_SECONDS = 1
BACKLOG = 2048


class Listener(uvicorn.Server):
    """One application on one socket; signals are the process's, not its."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(app: ASGIApp) -> Listener:
    """Return a server of `app` that ends within seconds even while streams are open."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nobody but our own processes can open the socket, so what they say of the visitor is believed.
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # Everything is imported now: after privileges were dropped it might no longer be readable.
    config.load()
    return Listener(config)


def bind(path: Path, *, owner: str | None = None) -> socket.socket:
    """Return a listening socket at `path`, which replaces an earlier process's at one stroke.

    Parameters
    ----------
    path
        At most 107 bytes (unix(7)).
    owner
        The user who may connect besides root; None: the one this process runs as.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The kernel gives the file the socket's own mode; a chmod by name could be led elsewhere meanwhile.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(os.fspath(draft))
        if owner is not None:
            hand_over(draft, owner)
        listening.listen(BACKLOG)
        listening.setblocking(False)
        draft.rename(path)
    except BaseException:
        listening.close()
        draft.unlink(missing_ok=True)
        raise
    return listening
