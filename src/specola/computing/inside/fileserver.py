"""OpenSSH's server of files as this machine has it, with the loader and the libraries that it needs anywhere else."""

import stat
from collections.abc import Iterable
from pathlib import Path

from specola.computing.inside.elf import Needs, read

__all__ = ["LOADER", "SERVER", "FileServer", "readable"]

SERVER = "sftp-server"
LOADER = "loader"
# Where the loader of a system looks by itself, beside the folder that it lies in.
LIBRARIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


class FileServer:
    """Finds the parts of the server by reading them: nothing is run, since the path may come from outside."""

    def __init__(self, program: Path) -> None:
        self.program = program

    @property
    def is_there(self) -> bool:
        """Whether all of it is on this machine."""
        return bool(self.parts())

    def parts(self) -> dict[str, Path]:
        """Return each part by the name it has in a container; nothing if one is missing.

        A task gets no file that not everybody may read anyway.
        """
        needs = _needs(self.program)
        if needs is None or not needs.loader or not readable(Path(needs.loader)):
            return {}
        loader = Path(needs.loader).resolve()
        found = {SERVER: self.program, LOADER: loader}
        wanted = list(needs.libraries)
        while wanted:
            name = wanted.pop()
            # The loader is a library too, and knows itself.
            if name in found or name == Path(needs.loader).name:
                continue
            file = _library(name, (str(loader.parent), *LIBRARIES))
            more = _needs(file) if file is not None else None
            if file is None or more is None:
                return {}
            found[name] = file
            wanted += more.libraries
        return found


def readable(file: Path) -> bool:
    """Tell whether this is a file that everybody on this machine may read."""
    return file.is_file() and bool(file.stat().st_mode & stat.S_IROTH)


def _library(name: str, folders: Iterable[str]) -> Path | None:
    if "/" in name:
        return None
    return next((file for folder in folders if readable(file := Path(folder) / name)), None)


def _needs(file: Path) -> Needs | None:
    return read(file.read_bytes()) if readable(file) else None
