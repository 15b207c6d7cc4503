"""Rights: what an actor needs before a service goes on."""

from specola.domain.accounts import is_name
from specola.domain.errors import ConflictError, DeniedError, MissingError
from specola.domain.person import Actor, Person, Scope
from specola.domain.task import Task
from specola.storage.store import Transaction

__all__ = ["administrator", "by_hand", "may", "named", "not_the_last", "visible_task"]


async def named(transaction: Transaction, name: str) -> Person:
    """Return the person of that name. Raises MissingError; a name that nobody can have is not even looked for."""
    person = await transaction.people.named(name) if is_name(name) else None
    if person is None:
        raise MissingError("person", name)
    return person


async def administrator(transaction: Transaction, actor: Actor) -> None:
    """Make sure, in the transaction itself, that the actor is an administrator: two may just have demoted each other."""
    may(actor, Scope.ADMINISTRATION)
    person = await transaction.people.get(actor.person.id)
    if not person.is_administrator or person.disabled:
        raise DeniedError("Only administrators may do that.")


async def not_the_last(transaction: Transaction, person: Person) -> None:
    """Make sure that somebody administers the installation when this person no longer does. Raises ConflictError."""
    if person.is_administrator and not person.disabled and await transaction.people.administrators() == 1:
        raise ConflictError(
            f"“{person.name}” is the last administrator.", hint="Make somebody else an administrator first."
        )


def may(actor: Actor, scope: Scope) -> None:
    """Make sure that what the actor came with covers `scope`. Raises DeniedError."""
    if not actor.may(scope):
        if actor.token is None:
            raise DeniedError("Only administrators may do that.")
        raise DeniedError(f"This token has no scope “{scope}”.", hint="Use a token made with it.")


def by_hand(actor: Actor, what: str) -> None:
    """Refuse a token: one that got away must not make itself at home."""
    if actor.token is not None:
        raise DeniedError(f"A token cannot {what}.", hint="Sign in to the pages, or use `specola admin` on the host.")


async def visible_task(transaction: Transaction, actor: Actor, name: str) -> Task:
    """Return a task that the actor may see, by id or by name (the latest live one, else the latest). Raises MissingError."""
    task = (await transaction.tasks.known([name])).get(name)
    if task is not None and not task.is_deleted and (task.owner == actor.person.id or actor.administers):
        return task
    named_so = await transaction.tasks.named(actor.person.id, name)
    if not named_so:
        raise MissingError("task", name)
    return next((one for one in named_so if one.is_live), named_so[0])
