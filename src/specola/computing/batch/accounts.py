"""The accounts that tasks run as, and where the platform's files are in each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from specola.computing.batch.config import BatchSettings
from specola.computing.batch.names import Paths
from specola.computing.registries.facts import architecture
from specola.domain.computing import HomeMount, Launch
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.hosts.config import Identity
from specola.ports.hosts import Host, Hosts

__all__ = ["Account", "Accounts"]

ASK = 'printf "%s\\n" "$HOME" "$(id -un)" "$(uname -m)"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account on the host of a computing.

    Parameters
    ----------
    name
        What handles call it.
    user
        What the machine calls it.
    machine
        The architecture of the host, in registries' words.
    """

    name: str
    user: str
    machine: str
    host: Host
    paths: Paths


class Accounts:
    """Finds accounts, and learns once of each where its home is.

    Parameters
    ----------
    computing
        The computing's name, as hosts and errors call it.
    """

    def __init__(self, *, computing: str, settings: BatchSettings, hosts: Hosts | None, installation: str) -> None:
        self._computing = computing
        self._settings = settings
        self._hosts = hosts
        self._installation = installation
        self._known: dict[str, Account] = {}
        self._learning: dict[str, asyncio.Lock] = {}

    @property
    def is_shared(self) -> bool:
        """Whether all people's tasks run as one account."""
        return self._settings.host.identity in {Identity.SHARED, Identity.LOCAL}

    async def names(self) -> Sequence[str]:
        """Return the accounts that tasks may run as."""
        if self.is_shared:
            return (self._settings.host.account,)
        return await self._reach().accounts(self._computing)

    def of_launch(self, launch: Launch) -> str:
        """Return the account that a task runs as.

        Raises
        ------
        LaunchError
            Its owner has none there.
        """
        if self.is_shared:
            return self._settings.host.account
        if not launch.account:
            raise LaunchError(
                f"You have no account on “{self._computing}” yet.",
                hint="Link your account there to the platform, then run it again.",
                code="account_missing",
            )
        return launch.account

    def host(self, name: str) -> Host:
        """Return an account's way to the host."""
        return self._reach().host(self._computing, name)

    async def get(self, name: str) -> Account:
        """Return an account, asking the host about it the first time."""
        async with self._learning.setdefault(name, asyncio.Lock()):
            known = self._known.get(name)
            if known is None:
                known = self._known[name] = await self._learn(name)
            return known

    def home(self, account: Account, mount: HomeMount) -> str:
        """Return the folder that is a person's home in their tasks; where people share an account, each has one of their own."""
        path = self._path(self._settings.home, account.paths.home, account.user)
        return f"{path}/{mount.key}" if self.is_shared else path

    def scratch(self, account: Account) -> str:
        """Return where tasks have their scratch on a node; empty: the node's own folder for temporary files."""
        return self._path(self._settings.scratch, account.paths.home, account.user) if self._settings.scratch else ""

    async def _learn(self, name: str) -> Account:
        host = self.host(name)
        done = await host.run(["sh", "-c", ASK], seconds=self._settings.answer)
        home, user, machine = [*done.text.splitlines(), "", "", ""][:3]
        if done.code != 0 or not home.startswith("/") or not user:
            raise ComputingUnreachableError(self._computing, f"the account “{name}” has no home there")
        folder = self._path(self._settings.folder, home, user)
        images = self._path(self._settings.images, home, user) if self._settings.images else f"{folder}/images"
        paths = Paths(installation=self._installation, folder=folder, images=images, home=home)
        return Account(name=name, user=user, machine=architecture(machine), host=host, paths=paths)

    def _path(self, rule: str, home: str, user: str) -> str:
        whole = home + rule[1:] if rule.startswith("~") else rule
        return whole.replace("{account}", user).rstrip("/")

    def _reach(self) -> Hosts:
        if self._hosts is None:
            raise ComputingUnreachableError(self._computing, "this process reaches no hosts")
        return self._hosts
