"""Which computings somebody may use, and which one is meant: the one that is named, else the default one."""

from collections.abc import Sequence

from specola.domain.computing import Computing, Intake
from specola.domain.errors import ConflictError, MissingError
from specola.domain.person import Actor
from specola.storage.store import Transaction

__all__ = ["check_takes_tasks", "place_for", "place_for_task", "usable"]


async def usable(tx: Transaction, actor: Actor) -> Sequence[Computing]:
    """Return the computings that the actor may use, the default one first; an administrator all of the platform's."""
    groups = [group.id for group in await tx.groups.of(actor.person.id)]
    found = await tx.computings.all()
    return [one for one in found if one.is_for(actor.person.id, groups) or (one.owner is None and actor.administers)]


async def place_for(tx: Transaction, name: str | None, *, actor: Actor) -> Computing:
    """Return the computing of that name; None: the default one.

    Raises
    ------
    MissingError
        There is none of that name, or the actor may not use it.
    ConflictError
        None was named, and there is none at all.
    """
    computings = await usable(tx, actor)
    if name is not None:
        found = next((one for one in computings if one.name == name), None)
        if found is None:
            raise MissingError("computing", name)
        return found
    if not computings:
        raise ConflictError(
            "There is no computing yet that you may use.",
            hint="An administrator adds one for everybody; you can add one of your own.",
        )
    return computings[0]


async def place_for_task(tx: Transaction, name: str | None, *, actor: Actor) -> Computing:
    """Return the computing for a new task; None: the first one that takes tasks.

    Raises
    ------
    MissingError
        There is none of that name, or the actor may not use it.
    ConflictError
        None was named and there is none, or it takes no new tasks.
    """
    place = await place_for(tx, name, actor=actor)
    if name is None and place.intake is not Intake.OPEN:
        others = await usable(tx, actor)
        place = next((one for one in others if one.intake is Intake.OPEN), place)
    check_takes_tasks(place)
    return place


def check_takes_tasks(computing: Computing) -> None:
    """Make sure that a computing takes new tasks. Raises ConflictError."""
    if computing.intake is Intake.PAUSED:
        raise ConflictError(
            f"The computing “{computing.title}” is paused and takes no new tasks.",
            hint="Choose another computing, or try again later.",
        )
    if computing.intake is Intake.STOPPED:
        raise ConflictError(
            f"The computing “{computing.title}” is stopped: its host shows another key than the one registered.",
            hint="Choose another computing. It is opened again once its key has been checked.",
        )
