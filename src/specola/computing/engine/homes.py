"""People's homes on the engine's host: made once, owned by one number, never followed anywhere else."""

import contextlib
import os
import stat
from pathlib import Path

from specola.computing.engine.volumes import KEY
from specola.domain.computing import HomeMount
from specola.domain.errors import LaunchError

__all__ = ["Homes"]


class Homes:
    """The folder that holds one folder for each person.

    The folder itself belongs to the platform and is closed to everybody else, so nobody can put a link where a home
    will be; and a home that is no real folder is refused rather than followed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, home: HomeMount) -> Path:
        """Return the folder of a home, made if need be: owned by its number, closed to others.

        An existing home keeps its owner and mode: nothing is changed recursively, nothing is taken away.

        Raises
        ------
        LaunchError
            It is no folder, or it belongs to somebody else.
        """
        if not KEY.fullmatch(home.key):
            raise LaunchError(f"“{home.key}” cannot name a home.", code="home_refused")
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        parent = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._make(parent, home)
        finally:
            os.close(parent)
        return (self._folder / home.key).absolute()

    def _make(self, parent: int, home: HomeMount) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(home.key, mode=0o700, dir_fd=parent)
        try:
            folder = os.open(home.key, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            raise LaunchError("The home is no folder.", hint="Tell an administrator.", code="home_refused") from error
        try:
            self._own(folder, home)
        finally:
            os.close(folder)

    def _own(self, folder: int, home: HomeMount) -> None:
        found = os.fstat(folder)
        if found.st_uid == home.number:
            return
        # A crash between making and giving away leaves a folder of ours, empty: only such a one is given away.
        if found.st_uid != os.geteuid() or os.listdir(folder):
            raise LaunchError(
                f"The home belongs to number {found.st_uid}, not to {home.number}.",
                hint="An administrator can give it back with chown.",
                code="home_refused",
            )
        os.fchown(folder, home.number, home.number)
        os.fchmod(folder, stat.S_IRWXU)
