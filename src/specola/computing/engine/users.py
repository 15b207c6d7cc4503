"""Which numbers a container's processes will have, and what its list of users says of them."""

import contextlib
import io
import tarfile
from dataclasses import dataclass, replace

from aiodocker import Docker
from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine
from specola.computing.engine.errors import is_missing
from specola.computing.engine.images import Image
from specola.domain.computing import Launch
from specola.domain.errors import LaunchError

__all__ = ["Account", "Numbers", "Users", "lowered"]

ACCOUNTS = "/etc/passwd"
MOST = 1024**2
# Below are an image's own users; above, what newuidmap(1) usually does not map.
LEAST, LARGEST = 1000, 65_000


@dataclass(frozen=True, slots=True)
class Numbers:
    """A user and a group, as the kernel knows them."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Account:
    """A user as a system's list has it: name, numbers, home. No shell is named: which there is, nobody knows here."""

    name: str
    numbers: Numbers
    home: str

    def line(self) -> str:
        """Return its line of passwd(5)."""
        return f"{self.name}:x:{self.numbers.user}:{self.numbers.group}:{self.name}:{self.home}:\n"


def lowered(launch: Launch) -> Launch:
    """Return a launch with the number of its person brought within reach of an engine without root.

    Such an engine has 65536 numbers to give (subuid(5)), and people's begin above. They keep their distance from each other.
    """
    home = launch.home if launch.home is None else replace(launch.home, number=_within(launch.home.number))
    return replace(launch, number=_within(launch.number), home=home)


def _within(number: int) -> int:
    return number if number <= LARGEST else LEAST + number % (LARGEST + 1 - LEAST)


class Users:
    """Finds the numbers of images' users; those that are names stand in a file of the image, which is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Numbers] = {}
        self._lists: dict[str, str | None] = {}

    async def of(self, engine: Engine, image: Image, *, scratch: str) -> Numbers:
        """Return the numbers that the image's own user has.

        Parameters
        ----------
        scratch
            The name of a container that may be made to read the file, is never started, and is removed.

        Raises
        ------
        LaunchError
            The image names a user that it does not have.
        """
        user, _, group = image.user.partition(":")
        if not user:
            return Numbers(0, 0)
        if user.isdecimal() and (group.isdecimal() or not group):
            return Numbers(int(user), int(group or 0))
        if image.id not in self._known:
            self._known[image.id] = _look_up(image.user, await _passwd(engine, image.id, scratch))
        return self._known[image.id]

    async def with_account(self, engine: Engine, image: Image, account: Account, *, container: str) -> str | None:
        """Return a container's list of users with one more, or None if it stays as it is.

        Many programs refuse to work for a number that the list does not know, OpenSSH's among them.

        Parameters
        ----------
        container
            A container of that image, to read its list from.
        """
        if image.id not in self._lists:
            self._lists[image.id] = await _read(engine, container)
        known = self._lists[image.id]
        if known is None or any(line.split(":")[2:3] == [str(account.numbers.user)] for line in known.splitlines()):
            return None
        root = Account("root", Numbers(0, 0), "/root").line() if not known and account.numbers.user else ""
        return f"{known}{'' if known.endswith(chr(10)) or not known else chr(10)}{root}{account.line()}"


async def _passwd(engine: Engine, image: str, scratch: str) -> str:
    """Read an image's list of users."""
    await _delete(engine.docker, scratch)
    await engine.docker.containers.create({"Image": image, "Cmd": ["never-started"], "User": "0"}, name=scratch)
    try:
        return await _read(engine, scratch) or ""
    finally:
        await _delete(engine.docker, scratch)


async def _read(engine: Engine, container: str) -> str | None:
    """Read a container's list of users: empty if it has none, None if it has one that no image has (a link, a huge file)."""
    try:
        async with engine.stream(f"containers/{container}/archive", {"path": ACCOUNTS}) as content:
            tar = b""
            while len(tar) < MOST and (piece := await content.read(MOST)):
                tar += piece
            return _text(tar)
    except DockerError as error:
        if is_missing(error):
            return ""
        raise


def _text(tar: bytes) -> str | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            member = opened.next()
            file = opened.extractfile(member) if member is not None and member.isreg() else None
            return file.read().decode() if file else None
    except (tarfile.TarError, UnicodeDecodeError):
        return None


async def _delete(docker: Docker, name: str) -> None:
    try:
        await docker.containers.container(name).delete(force=True)
    except DockerError as error:
        if not is_missing(error):
            raise


def _look_up(user: str, passwd: str) -> Numbers:
    name, _, group = user.partition(":")
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and name in {fields[0], fields[2]}:
            with contextlib.suppress(ValueError):
                return Numbers(int(fields[2]), int(group) if group.isdecimal() else int(fields[3]))
    if name.isdecimal():
        return Numbers(int(name), 0)
    raise LaunchError(
        f"The image runs as “{name}”, a user that it does not have.",
        hint="Choose another image, or declare that it runs as the home's owner (user: home).",
        code="image_user",
    )
