"""The server of files, which is sent into a pod when its files are first wanted: it is too large for what a pod begins with."""

import io
import tarfile
from pathlib import Path

from specola.computing.inside.fileserver import FileServer
from specola.computing.inside.paths import FILES, HELPER
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.names import Place
from specola.computing.kubernetes.session import Session
from specola.domain.errors import LaunchError

__all__ = ["FilePlacer"]

NAMED = (HELPER, "id", "-un")
TEST = (HELPER, "test", "-e", f"{FILES}/.whole")
# It ends by itself once it has all, so that nothing hangs on how the end of its input is told.
UNPACK = (HELPER, "sh", "-c", '"$0" head -c "$1" | "$0" tar -x -f - -C "$2"', HELPER)
PIECE = 256 * 1024


class FilePlacer:
    """Sends the server of files into pods that do not have it yet."""

    def __init__(self, server: FileServer) -> None:
        self._server = server
        self._placed: set[str] = set()

    async def place(self, api: Api, place: Place) -> None:
        """See to it that a pod has the server.

        Raises
        ------
        LaunchError
            This host has none, or the pod does not take it.
        """
        if place.handle in self._placed:
            return
        if await _run(api, place, NAMED) != 0:
            raise LaunchError(
                "This task gives no way to its files: its user has no name in the image, which the server of files needs.",
                hint="Use an image that names its user, or let it run as the owner of its home (user: home).",
                code="no_files",
            )
        if await _run(api, place, TEST) != 0:
            parts = self._server.parts()
            if not parts:
                raise LaunchError(
                    "This task gives no way to its files: the platform's host has no server of files.",
                    hint="An administrator installs openssh-sftp-server there.",
                    code="no_files",
                )
            whole = _archive(parts)
            if await _run(api, place, (*UNPACK, str(len(whole)), FILES), given=whole) != 0:
                raise LaunchError(
                    "This task gives no way to its files: it does not take their server.", code="no_files"
                )
        self._placed.add(place.handle)

    def forget(self, handle: str) -> None:
        """Forget a pod that is no more."""
        self._placed.discard(handle)


def _archive(parts: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        # The last says that all before it are there.
        for name, content in [*((name, file.read_bytes()) for name, file in parts.items()), (".whole", b"")]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


async def _run(api: Api, place: Place, command: tuple[str, ...], *, given: bytes = b"") -> int | None:
    session = await Session.start(api, place, command)
    try:
        for start in range(0, len(given), PIECE):
            await session.write(given[start : start + PIECE])
        if not given:
            await session.end()
        while (await session.read())[1]:
            pass
        return await session.code()
    finally:
        await session.close()
