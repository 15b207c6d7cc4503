"""What is placed in each container: the helper with its scripts, the file server, the credential."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CREDENTIAL", "FOLDER", "HELPER", "HOME", "TOLD", "Placed"]

FOLDER = "/.specola"
CREDENTIAL = f"{FOLDER}/credential"
HELPER = f"{FOLDER}/busybox"
BEGIN, RUNNER = f"{FOLDER}/begin", f"{FOLDER}/run"
FILES = f"{FOLDER}/files"
TOLD = "told"
HOME = "SPECOLA_HOME"
PARTS = "placed/"
MACHINE = slice(18, 20)


@dataclass(frozen=True)
class Placed:
    """A folder of the node that is seen at `/.specola` in the container."""

    folder: Path

    @classmethod
    def unpack(cls, folder: Path, archive: Path, credential: Path, *, everybody: bool) -> Placed:
        """Lay out what the agent's own file carries, the task's credential, and the pipe by which the start is told.

        Parameters
        ----------
        everybody
            Whether the container's user may be another than this account. On the node the folder is within a closed one.
        """
        folder.mkdir()
        folder.chmod(0o755)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    if name.startswith(PARTS) and _fits(content := packed.read(name)):
                        target = folder / name[len(PARTS) :]
                        target.parent.mkdir(exist_ok=True)
                        target.parent.chmod(0o755)
                        target.write_bytes(content)
                        target.chmod(0o755)
        if credential.exists():
            kept = folder / Path(CREDENTIAL).name
            kept.write_bytes(credential.read_bytes())
            kept.chmod(0o444 if everybody else 0o400)
        os.mkfifo(folder / TOLD, 0o622)
        (folder / TOLD).chmod(0o622)
        return cls(folder)

    @property
    def has_helper(self) -> bool:
        """Whether the helper is there, without which no command can be run in the container."""
        return (self.folder / "busybox").exists()

    @property
    def has_files(self) -> bool:
        """Whether the file server is there."""
        return (self.folder / "files/sftp-server").exists()

    def begin(self, workdir: str, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that tells of the start, and then becomes another."""
        return (HELPER, "sh", BEGIN, workdir or "/", *command) if self.has_helper else command

    @staticmethod
    def run(command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs one in the container that has begun."""
        return (HELPER, "sh", RUNNER, "-", "-", *command)

    @staticmethod
    def server() -> tuple[str, ...]:
        """Return the command of the file server."""
        return (f"{FILES}/loader", "--library-path", FILES, f"{FILES}/sftp-server")


def _fits(content: bytes) -> bool:
    """Tell whether a file can be used on this machine: what is no program, and programs for machines like this one."""
    if not content.startswith(b"\x7fELF"):
        return True
    with open("/proc/self/exe", "rb") as own:
        # elf(5): the kind of machine.
        return own.read(MACHINE.stop)[MACHINE] == content[MACHINE]
