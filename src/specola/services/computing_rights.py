"""Rights on the records of computings: who may change one, and what a person may say in their own."""

from collections.abc import Sequence

from specola.domain.computing import Audience, Computing
from specola.domain.errors import ConflictError, DeniedError, LimitError
from specola.domain.person import Actor, PersonId
from specola.domain.task import Desired, Task
from specola.ports.kinds import CheckedSettings
from specola.services.definition.computings import ComputingDefinition

__all__ = ["check_few", "check_may_change", "check_own", "check_removable", "is_own", "may_change"]


MOST_OWN = 20


def may_change(actor: Actor, computing: Computing) -> bool:
    """Tell whether the actor may change a record: one's own, or one of the platform's as an administrator."""
    return actor.administers if computing.owner is None else computing.owner == actor.person.id


def check_may_change(actor: Actor, computing: Computing) -> None:
    """Make sure that the actor may change a record. Raises DeniedError."""
    if not may_change(actor, computing):
        raise DeniedError(f"Only administrators may see and change how “{computing.title}” is reached.")


def is_own(actor: Actor, definition: ComputingDefinition) -> bool:
    """Tell whether a new record is to be the actor's own, to be used by them alone.

    Raises
    ------
    DeniedError
        It is to be for others, and the actor is no administrator.
    """
    if definition.audience is Audience.OWNER:
        return True
    if definition.audience is not None and not actor.administers:
        raise DeniedError(
            "Only administrators add computings for others.", hint="Leave “audience” out to add it for yourself."
        )
    return not actor.administers


def check_own(checked: CheckedSettings) -> None:
    """Make sure that a person may decide all that is said in a record of their own. Raises DeniedError."""
    if checked.own:
        raise DeniedError(
            f"You cannot add this computing for yourself: {checked.own.rstrip('.')}.",
            hint="Ask an administrator to add it.",
        )


def check_few(person: PersonId, computings: Sequence[Computing]) -> None:
    """Make sure that one more computing of a person's own is not too many: each is asked all the time. Raises LimitError."""
    own = sum(one.owner == person for one in computings)
    if own >= MOST_OWN:
        raise LimitError(
            "computings of your own", str(own + 1), str(MOST_OWN), hint="Remove one that you no longer need."
        )


def check_removable(computing: Computing, tasks: Sequence[Task]) -> None:
    """Make sure that nothing is lost when a record goes.

    A computing that does not answer cannot be cleared: there it is enough that every task was asked to stop.

    Parameters
    ----------
    tasks
        Those of the computing that are not settled.

    Raises
    ------
    ConflictError
        Live tasks are there, or something of ended ones that can still be cleared away.
    """
    answers = computing.state.asked is not None and computing.state.unreachable_since is None
    live = [task for task in tasks if task.is_live and (answers or task.desired is Desired.RUNNING)]
    if live:
        tasks_are = "a live task is" if len(live) == 1 else f"{len(live)} live tasks are"
        raise ConflictError(
            f"“{computing.title}” cannot be removed: {tasks_are} there.",
            hint="Pause it, so that no more are started, and stop those that are there.",
        )
    if tasks and answers:
        raise ConflictError(
            f"“{computing.title}” cannot be removed yet: ended tasks are still being cleared away there.",
            hint="Try again in a moment.",
        )
