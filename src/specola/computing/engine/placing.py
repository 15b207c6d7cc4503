"""What is placed in each container before it starts: its credential, the helper with its scripts, the file server."""

import gzip
import io
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True)
class _Common:
    """What is the same for every container: of which files it was made, for which architecture, as it is and compressed."""

    stamps: tuple[Stamp, ...] = ()
    parts: Mapping[str, Path] = field(default_factory=dict)
    made_for: str = ""
    tar: bytes = b""
    packed: bytes = b""


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
        self._common = _Common()
        # Containers are prepared in threads, several at the same time.
        self._lock = threading.Lock()

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
        own, common = buffer.getvalue()[:end], self._shared(pack=pack)
        if machine != common.made_for:
            common = _Common()
        if not pack:
            return io.BytesIO(own + common.tar + END)
        return io.BytesIO(gzip.compress(own) + common.packed + gzip.compress(END))

    def _shared(self, *, pack: bool) -> _Common:
        """Return the entries that are the same for every container."""
        with self._lock:
            common = self._common
            if self._stamps(common.parts) != common.stamps or not common.tar:
                parts = self._files.parts()
                machine = helper_machine(self._helper)
                common = _Common(self._stamps(parts), parts, machine, self._made(parts))
            if pack and not common.packed:
                common = replace(common, packed=gzip.compress(common.tar, LEVEL))
            self._common = common
            return common

    def _stamps(self, parts: Mapping[str, Path]) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, (self._helper, self._files.program, *parts.values())))

    def _made(self, parts: Mapping[str, Path]) -> bytes:
        if not readable(self._helper):
            return b""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            _add(tar, HELPER, self._helper.read_bytes(), mode=0o755)
            for path, script in SCRIPTS.items():
                _add(tar, path, script.read_bytes(), mode=0o755)
            if parts:
                _folder(tar, FILES)
            for name, file in parts.items():
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
