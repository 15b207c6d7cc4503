"""The data folder made ready: folders and their owners, the installation's id, its keys, its tables."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specola.authorities.accounts import make_authority
from specola.authorities.ssh import SshAuthority
from specola.authorities.tls import TlsAuthority
from specola.clock import Clock
from specola.config import Settings
from specola.domain.errors import DataFolderError, PlatformRunningError
from specola.lifetime import held
from specola.privileges import account_of, hand_over
from specola.secrets import Sealer
from specola.storage import migrate

__all__ = ["alone", "prepare"]

SOCKET_PATH = 107
"""The longest path of a Unix socket in bytes (unix(7)); the longest of ours is a stream's."""
LONGEST_STREAM = "run/streams/.000000000000.65535.sock.4194304"


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Make the data folder if need be, and hold it for the body.

    Raises
    ------
    DataFolderError
        It cannot be made or used.
    PlatformRunningError
        Another `specola up` holds it.
    """
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.run.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DataFolderError(settings.data, error.strerror or "it cannot be made") from error
    lock = settings.data / "up.lock"
    with held(lock) as ours:
        if not ours:
            raise PlatformRunningError(settings.data, lock.read_text().strip())
        yield


async def prepare(settings: Settings, clock: Clock) -> None:
    """Make everything in the data folder that the processes expect; silent where it is there.

    Raises
    ------
    DataFolderError
        The folder cannot be used.
    UserMissingError
        Started as root, and the machine has no user `run_as`.
    """
    _check(settings)
    # Homes have their own owners, so everybody may pass through, and nobody may list them.
    folders = {".": 0o711, "run": 0o700, "run/streams": 0o700, "secrets": 0o700, "logs": 0o700, "database": 0o700}
    try:
        for name, mode in folders.items():
            folder = settings.data / name
            folder.mkdir(mode=mode, exist_ok=True)
            _close_to_others(folder, mode)
        (settings.data / "homes").mkdir(mode=0o711, exist_ok=True)
        _name(settings.data / "installation", clock)
        sealer = Sealer.make(settings.data / "secrets" / "key")
        installation = (settings.data / "installation").read_text().strip()
        TlsAuthority.make(settings.data / "secrets" / "authority", sealer, installation=installation, now=clock.now())
        SshAuthority(settings.data / "secrets", sealer).make()
        make_authority(settings.data, sealer)
        await migrate.upgrade(settings.database)
        _give(settings)
    except OSError as error:
        raise DataFolderError(settings.data, f"{error.filename or ''} {error.strerror}".strip()) from error


def _check(settings: Settings) -> None:
    """Find out now what would otherwise be a riddle in a process that cannot say it."""
    longest = len(os.fsencode(settings.data / LONGEST_STREAM))
    if longest > SOCKET_PATH:
        raise DataFolderError(
            settings.data, f"its path is {longest - SOCKET_PATH} bytes too long for the sockets below it"
        )
    if os.geteuid() != 0:
        return
    account = account_of(settings.run_as)
    for parent in settings.data.resolve().parents:
        facts = parent.stat()
        passable = facts.st_mode & stat.S_IXOTH or (
            facts.st_mode & stat.S_IXUSR if facts.st_uid == account.pw_uid else 0
        )
        if not passable and account.pw_uid != 0:
            raise DataFolderError(settings.data, f"the user “{settings.run_as}” may not pass through {parent}")


def _give(settings: Settings) -> None:
    """Give to the unprivileged user what `web` and `gateway` read and write."""
    if os.geteuid() != 0:
        return
    for name in ("run", "secrets", "logs", "database", "installation"):
        hand_over(settings.data / name, settings.run_as)
    # What is in the data folder itself is root's: specola.yaml, which says who that user is, and where root writes.
    os.chown(settings.data, 0, 0)


def _close_to_others(folder: Path, mode: int) -> None:
    """Set a folder's mode; a link in its place is refused."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(opened, mode)
    finally:
        os.close(opened)


def _name(path: Path, clock: Clock) -> None:
    """Give the installation its random id, once."""
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.write_text(clock.new_id(12) + "\n")
        draft.rename(path)
