"""Links: desktops shown to guests who have no account, to be looked at only."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from specola.clock import Clock
from specola.domain.errors import DeniedError, InvalidError, LimitError, LinkEndedError, MissingError, ScopeError
from specola.domain.link import GUEST, Link, LinkId
from specola.domain.person import Actor, Scope
from specola.domain.software import Protocol
from specola.domain.task import Desired, Task, TaskId
from specola.secrets import hashed
from specola.services.admissions import Shown
from specola.storage.store import Store, Transaction

__all__ = ["LONGEST_LIFE", "MOST_LINKS", "USUAL_LIFE", "Links", "standing"]

USUAL_LIFE = timedelta(hours=24)
SHORTEST_LIFE = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=30)
MOST_LINKS = 20
"""How many good links one task can have."""

ID_LENGTH = 12


class Links:
    """Makes links, lists them and takes them back. Only the owner of a task does; secrets are stored hashed."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def make(self, actor: Actor, task: TaskId, interface: str, *, life: timedelta = USUAL_LIFE) -> Shown[Link]:
        """Make a link to a desktop; its secret is returned this once.

        Parameters
        ----------
        interface
            One of its interfaces, of protocol `rfb`.
        life
            A minute to 30 days; a link made with a token ends with the token at the latest.

        Raises
        ------
        MissingError
            There is no such task or interface.
        DeniedError
            It is another's task.
        ScopeError
            The token does not open tasks, so it cannot let others look at them.
        InvalidError
            The interface is no desktop, the task has ended, or `life` is out of bounds.
        LimitError
            The task has as many links as it may.
        """
        if not SHORTEST_LIFE <= life <= LONGEST_LIFE:
            raise InvalidError("A link lasts at least a minute and at most 30 days.", field="hours")
        secret, now = self._clock.new_secret(), self._clock.now()
        async with self._store.write() as transaction:
            _check_desktop(await _own(transaction, actor, task), interface)
            if await transaction.links.count(task, now=now) >= MOST_LINKS:
                raise LimitError("links", str(MOST_LINKS + 1), str(MOST_LINKS), hint="Take one back first.")
            link = Link(
                id=self._clock.new_id(ID_LENGTH),
                task=task,
                interface=interface,
                person=actor.person.id,
                token=actor.token,
                created=now,
                expires=min([now + life, *await _end_of_token(transaction, actor)]),
            )
            await transaction.links.add(link, secret=hashed(secret))
        return Shown(link, secret)

    async def of(self, actor: Actor, task: TaskId) -> Sequence[Link]:
        """Return the links to a task that are still good, the latest first. Raises MissingError, DeniedError."""
        async with self._store.read() as transaction:
            await _own(transaction, actor, task, reading=True)
            return await transaction.links.of(task, now=self._clock.now())

    async def take_back(self, actor: Actor, task: TaskId, link: LinkId) -> None:
        """Take a link back, and send away whoever looks on by it; silent if it has ended.

        Raises MissingError, DeniedError, ScopeError.
        """
        async with self._store.write() as transaction:
            await _own(transaction, actor, task)
            found = await transaction.links.get(link)
            if found is not None and found.task == task:
                await transaction.links.end(found)

    async def shown_by(self, secret: str) -> Link:
        """Return the link that a guest came with. Raises LinkEndedError."""
        async with self._store.read() as transaction:
            found = await transaction.links.by_secret(hashed(secret))
            if found is None or await standing(transaction, found.id, clock=self._clock) is None:
                raise LinkEndedError
        return found

    async def shown(self, mark: str) -> tuple[Link, Task]:
        """Return the link, and the task, of a guest whom the gateway has let in. Raises LinkEndedError."""
        async with self._store.read() as transaction:
            stands = await standing(transaction, mark.removeprefix(GUEST), clock=self._clock)
        if stands is None:
            raise LinkEndedError
        return stands


async def standing(transaction: Transaction, link: LinkId, *, clock: Clock) -> tuple[Link, Task] | None:
    """Return a link with its task, if guests may look by it at this moment.

    It stands as long as it is not too old, its maker owns the task and is not disabled, the task is wanted, and the token
    that it was made with is there (with which it would have gone).
    """
    found = await transaction.links.get(link)
    if found is None or found.expires <= clock.now():
        return None
    task = (await transaction.tasks.known([found.task])).get(found.task)
    if task is None or not task.is_live or task.desired is not Desired.RUNNING or task.owner != found.person:
        return None
    which = task.release.interface(found.interface)
    if which is None or which.protocol is not Protocol.RFB:
        return None
    person = await transaction.people.get(found.person)
    return None if person.disabled else (found, task)


async def _own(transaction: Transaction, actor: Actor, task: TaskId, *, reading: bool = False) -> Task:
    """Return a task of the actor's own. Raises MissingError, DeniedError, ScopeError."""
    found = (await transaction.tasks.known([task])).get(task)
    if found is None or found.is_deleted or (found.owner != actor.person.id and not actor.administers):
        raise MissingError("task", task)
    if found.owner != actor.person.id:
        raise DeniedError("Only its owner may show a task to others.", hint="Ask the owner.")
    if not reading and not actor.may(Scope.CONNECT):
        raise ScopeError(Scope.CONNECT.value)
    return found


def _check_desktop(task: Task, interface: str) -> None:
    """Make sure that an interface can be shown. Raises MissingError, InvalidError."""
    declared = task.release.interface(interface)
    if declared is None:
        raise MissingError("interface", interface)
    if declared.protocol is not Protocol.RFB:
        raise InvalidError(
            f"“{interface}” is no desktop: it speaks {declared.protocol.value}.",
            hint="Links are made to interfaces of protocol rfb.",
            field="interface",
        )
    if not task.is_live:
        raise InvalidError("The task has ended, so there is nothing to look at.", hint="Run it again first.")


async def _end_of_token(transaction: Transaction, actor: Actor) -> list[datetime]:
    """Return when the actor's token ends, if it is a token that ends."""
    if actor.token is None:
        return []
    tokens = await transaction.sessions.tokens_of(actor.person.id)
    return [one.expires for one in tokens if one.id == actor.token and one.expires]
