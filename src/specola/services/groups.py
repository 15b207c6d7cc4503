"""Groups: people who may use the same things, and who says who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from specola.clock import Clock
from specola.domain.accounts import tidy, valid_name
from specola.domain.errors import DeniedError, MissingError, NameTakenError
from specola.domain.group import Group
from specola.domain.person import Actor, Person, PersonId, Scope
from specola.services.rights import administrator, by_hand, may, named
from specola.storage.store import Store, Transaction

__all__ = ["Gathered", "Groups"]

LONGEST_TITLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A group with the people in it, by name."""

    group: Group
    people: Sequence[Person]

    @property
    def managers(self) -> Sequence[Person]:
        """Those who manage it."""
        return [person for person in self.people if person.id in self.group.managers]


class Groups:
    """Everything that is done with groups. Administrators make and remove them; managers say who is in theirs.

    One sees the groups one belongs to; the others are missing.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, actor: Actor) -> Sequence[Gathered]:
        """Return the groups one belongs to, an administrator all of them, by name."""
        may(actor, Scope.READ)
        async with self._store.read() as tx:
            groups = await (tx.groups.all() if actor.administers else tx.groups.of(actor.person.id))
            people = await _people(tx)
        return [_gathered(group, people) for group in groups]

    async def get(self, actor: Actor, name: str) -> Gathered:
        """Return a group. Raises MissingError: there is none, or one is not in it."""
        may(actor, Scope.READ)
        async with self._store.read() as tx:
            return _gathered(await _visible(tx, actor, name), await _people(tx))

    async def create(self, actor: Actor, name: str, *, title: str = "") -> Gathered:
        """Make a group without members. Administrators only.

        Raises
        ------
        InvalidError, NameTakenError
            The name is none (2 to 32 lower-case letters, digits and hyphens), or another group has it.
        """
        group = Group(
            id=self._clock.new_id(),
            name=valid_name(name),
            title=tidy(title, LONGEST_TITLE) or name,
            created=self._clock.now(),
        )
        async with self._store.write() as tx:
            await administrator(tx, actor)
            if any(one.name == name for one in await tx.groups.all()):
                raise NameTakenError("group", name)
            await tx.groups.add(group)
        return Gathered(group=group, people=())

    async def retitle(self, actor: Actor, name: str, title: str) -> Gathered:
        """Give a group another title (up to 100 characters). Raises MissingError, DeniedError."""
        async with self._store.write() as tx:
            group = await _managed(tx, actor, name)
            wanted = tidy(title, LONGEST_TITLE) or group.name
            await tx.groups.retitle(group, wanted)
            return _gathered(replace(group, title=wanted), await _people(tx))

    async def join(self, actor: Actor, name: str, person: str, *, manages: bool = False) -> Gathered:
        """Make somebody a member, or change whether they manage the group, which only administrators do.

        Raises
        ------
        MissingError
            There is no such group or person.
        DeniedError
            The actor does not manage the group.
        """
        async with self._store.write() as tx:
            group = await _managed(tx, actor, name)
            joining = await named(tx, person)
            if manages != (joining.id in group.managers) and not actor.administers:
                raise DeniedError("Only administrators say who manages a group.")
            await tx.groups.join(group, joining.id, manages=manages)
            return _gathered(await tx.groups.get(group.name), await _people(tx))

    async def leave(self, actor: Actor, name: str, person: str) -> Gathered:
        """Take somebody out of a group; silent if they are not in it. Anybody may leave.

        Raises
        ------
        MissingError, DeniedError
            There is no such group or person; the actor does not manage the group.
        """
        async with self._store.write() as tx:
            if person == actor.person.name and not actor.administers:
                by_hand(actor, "leave groups")
                group = await _visible(tx, actor, name)
            else:
                group = await _managed(tx, actor, name)
            leaving = await named(tx, person)
            await tx.groups.leave(group, leaving.id)
            return _gathered(await tx.groups.get(group.name), await _people(tx))

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove a group; what it could use stays, and its members lose it. Administrators only. Raises MissingError."""
        async with self._store.write() as tx:
            await administrator(tx, actor)
            await tx.groups.remove(await tx.groups.get(name))


async def _visible(tx: Transaction, actor: Actor, name: str) -> Group:
    group = await tx.groups.get(name)
    if not actor.administers and actor.person.id not in group.members:
        raise MissingError("group", name)
    return group


async def _managed(tx: Transaction, actor: Actor, name: str) -> Group:
    """Return a group that the actor manages; a manager's token does not, whatever its scopes."""
    group = await _visible(tx, actor, name)
    if actor.administers:
        return group
    if actor.person.id not in group.managers:
        raise DeniedError("Only its managers change a group.", hint="Ask one of them, or an administrator.")
    by_hand(actor, "change groups")
    return group


async def _people(tx: Transaction) -> Mapping[PersonId, Person]:
    return {person.id: person for person in await tx.people.all()}


def _gathered(group: Group, people: Mapping[PersonId, Person]) -> Gathered:
    return Gathered(group=group, people=[person for key, person in people.items() if key in group.members])
