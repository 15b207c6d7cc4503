"""Computings: the places that run containers, as people see them."""

from collections.abc import Mapping, Sequence
from typing import Any

from specola.clock import Clock
from specola.domain.computing import Computing, Probe
from specola.domain.errors import DeniedError, MissingError
from specola.domain.person import Actor
from specola.ports.connector import Connector
from specola.storage.store import Store

__all__ = ["Computings"]


class Computings:
    """Everything that is done with computings. Their settings are shown to administrators only."""

    def __init__(self, *, store: Store, clock: Clock, connector: Connector) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector

    async def list(self, actor: Actor) -> Sequence[Computing]:
        """Return the computings the actor may use, the default one first."""
        async with self._store.read() as tx:
            return [_shown(one, actor) for one in await tx.computings.all()]

    async def get(self, actor: Actor, name: str) -> Computing:
        """Return one computing. Raises MissingError."""
        async with self._store.read() as tx:
            return _shown(await tx.computings.get(name), actor)

    async def test(self, actor: Actor, name: str) -> Probe:
        """Probe a computing now.

        Raises
        ------
        MissingError
            There is no such computing.
        ComputingUnreachableError, ConnectorUnreachableError
            It, or the connector, does not answer.
        """
        computing = await self.get(actor, name)
        return await self._connector.probe(computing.name)

    async def install(self, name: str, *, title: str, kind: str, settings: Mapping[str, Any]) -> Computing:
        """Add or renew a computing that the settings name. Called at start; nothing is written if nothing changed."""
        wanted = Computing(
            id=self._clock.new_id(), name=name, title=title, kind=kind, settings=settings, created=self._clock.now()
        )
        async with self._store.write() as tx:
            known = next((one for one in await tx.computings.all() if one.name == name), None)
            if known is None or _record(known) != _record(wanted):
                await tx.computings.save(wanted)
            return await tx.computings.get(name)

    async def orphans(self, actor: Actor) -> Mapping[str, Sequence[str]]:
        """Return, by computing, the task ids found there with our label and without a record.

        Raises
        ------
        DeniedError
            The actor does not administer the installation.
        """
        _check_administers(actor)
        async with self._store.read() as tx:
            return {one.name: list(await tx.computings.orphans(one.name)) for one in await tx.computings.all()}

    async def remove_orphan(self, actor: Actor, computing: str, task: str) -> None:
        """Want an unrecorded task of ours removed; the worker does it.

        Raises
        ------
        DeniedError
            The actor does not administer the installation.
        MissingError
            It is not among the orphans of that computing.
        """
        _check_administers(actor)
        async with self._store.write() as tx:
            place = await tx.computings.get(computing)
            if not await tx.computings.want_removed(place.name, task):
                raise MissingError("unrecorded task", task)


def _check_administers(actor: Actor) -> None:
    if not actor.administers:
        raise DeniedError("Only administrators may see and remove unrecorded tasks.")


def _shown(computing: Computing, actor: Actor) -> Computing:
    # Settings say how the platform reaches a place: sockets, hosts, accounts.
    if actor.administers:
        return computing
    return Computing(
        id=computing.id,
        name=computing.name,
        title=computing.title,
        kind=computing.kind,
        state=computing.state,
        created=computing.created,
    )


def _record(computing: Computing) -> tuple[str, str, dict[str, Any]]:
    return computing.title, computing.kind, dict(computing.settings)
