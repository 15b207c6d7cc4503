"""What is placed in each container before it starts: its credential, the helper with its scripts, the file server."""

import gzip
import io
import tarfile
from pathlib import Path

from specola.computing.inside.elf import made_for
from specola.computing.inside.fileserver import FileServer, readable
from specola.computing.inside.paths import CREDENTIAL, FILES, FOLDER, HELPER, SCRIPTS

__all__ = ["Parcel", "helper_machine"]

ACCOUNTS = "/etc/passwd"
# A tar ends with two empty blocks.
END = bytes(2 * tarfile.BLOCKSIZE)

HEAD = 64
LEVEL = 6

Stamp = tuple[str, int, int]


def helper_machine(helper: Path) -> str:
    """Return the architecture that the helper is made for; empty: there is none."""
    if not readable(helper):
        return ""
    with helper.open("rb") as file:
        return made_for(file.read(HEAD))


class Parcel:
    """Makes the tar that is unpacked into a container. What all containers get is read again only when it has changed.

    Parameters
    ----------
    helper
        The static program; where it is missing, or not everybody may read it, containers get the credential alone.
    files
        The file server; where a part of it is missing, containers do without.
    """

    def __init__(self, *, helper: Path, files: FileServer) -> None:
        self._helper = helper
        self._files = files
        self._stamps: tuple[Stamp, ...] = ()
        self._parts: dict[str, Path] = {}
        self._common = b""
        self._packed = b""
        self._made_for = ""

    def archive(
        self, credential: str, *, owner: int, group: int, machine: str, accounts: str | None = None, pack: bool = False
    ) -> io.BytesIO:
        """Return the tar for one container.

        Parameters
        ----------
        credential
            The task's secret, which only `owner` and `group`, the numbers of the container's user, can read.
        machine
            The architecture of the engine; programs that are made for another are left out.
        accounts
            The list of users that the container gets in place of its image's; None: it keeps that.
        pack
            Whether it has a long way to go, and is compressed (RFC 1952; one part after another is one whole).
        """
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            _folder(tar, FOLDER)
            _add(tar, CREDENTIAL, credential.encode(), mode=0o400, owner=owner, group=group)
            if accounts is not None:
                _add(tar, ACCOUNTS, accounts.encode(), mode=0o644)
            end = tar.offset
        own, common = buffer.getvalue()[:end], self._shared()
        if machine != self._made_for:
            common = b""
        if not pack:
            return io.BytesIO(own + common + END)
        return io.BytesIO(gzip.compress(own) + (self._packed if common else b"") + gzip.compress(END))

    def _shared(self) -> bytes:
        """Return the entries that are the same for every container."""
        stamps = tuple(map(_stamp, (self._helper, self._files.program, *self._parts.values())))
        if stamps != self._stamps or not self._common:
            self._parts = self._files.parts()
            self._stamps = tuple(map(_stamp, (self._helper, self._files.program, *self._parts.values())))
            self._common = self._pack()
            self._packed = gzip.compress(self._common, LEVEL)
            self._made_for = helper_machine(self._helper)
        return self._common

    def _pack(self) -> bytes:
        if not readable(self._helper):
            return b""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            _add(tar, HELPER, self._helper.read_bytes(), mode=0o755)
            for path, script in SCRIPTS.items():
                _add(tar, path, script.read_bytes(), mode=0o755)
            if self._parts:
                _folder(tar, FILES)
            for name, file in self._parts.items():
                _add(tar, f"{FILES}/{name}", file.read_bytes(), mode=0o755)
            end = tar.offset
        return buffer.getvalue()[:end]


def _stamp(file: Path) -> Stamp:
    """Return what changes when a file does."""
    try:
        seen = file.stat()
    except OSError:
        return (str(file), 0, 0)
    return (str(file), seen.st_mtime_ns, seen.st_mode)


def _folder(tar: tarfile.TarFile, path: str) -> None:
    info = tarfile.TarInfo(path.removeprefix("/"))
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(info)


def _add(tar: tarfile.TarFile, path: str, data: bytes, *, mode: int, owner: int = 0, group: int = 0) -> None:
    info = tarfile.TarInfo(path.removeprefix("/"))
    info.size, info.mode, info.uid, info.gid = len(data), mode, owner, group
    tar.addfile(info, io.BytesIO(data))
