"""Failures in a task's life."""

from specola.domain.errors.kinds import Kind, SpecolaError
from specola.domain.errors.requests import ConflictError

__all__ = [
    "ArchiveError",
    "BudgetExhaustedError",
    "LaunchError",
    "NoSpaceError",
    "StateError",
    "TaskNotRunningError",
    "WaitError",
]


class StateError(ConflictError):
    """A task would have to go back in its life."""

    code = "state"

    def __init__(self, task: str, state: str, wanted: str) -> None:
        super().__init__(f"Task {task} is {state} and cannot become {wanted}.", hint="Start it again instead.")


class LaunchError(SpecolaError):
    """The computing refused to start the task, for good; trying again would not help."""

    code = "launch"
    kind = Kind.INVALID

    def __init__(self, sentence: str, *, hint: str = "", code: str = "launch_failed") -> None:
        super().__init__(sentence, hint=hint or "Change what the message names, then run it again.")
        self.reason_code = code


class NoSpaceError(LaunchError):
    """There is no room left on the computing."""

    code = "no_space"

    def __init__(self, computing: str) -> None:
        super().__init__(
            f"There is no space left on the computing “{computing}”.",
            hint="An administrator can remove images and ended tasks, then run it again.",
            code="no_space",
        )


class ArchiveError(SpecolaError):
    """The log of an ended task could not be written to the data folder, or removed from it."""

    code = "archive"
    kind = Kind.UNAVAILABLE

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(
            f"The log {file} could not be kept or removed: {detail}.",
            hint="Make room in the data folder, and check who owns it.",
        )


class BudgetExhaustedError(SpecolaError):
    """An operation used up its time."""

    code = "budget_exhausted"
    kind = Kind.UNAVAILABLE

    def __init__(self, operation: str, seconds: float) -> None:
        super().__init__(
            f"{operation} took longer than {seconds:g} s.", hint="Try again; if it stays, tell an administrator."
        )


class WaitError(SpecolaError):
    """What was waited for did not come within the time that was given."""

    code = "waited"
    kind = Kind.UNAVAILABLE

    def __init__(self, task: str, state: str, seconds: float) -> None:
        super().__init__(
            f"“{task}” is still {state} after {seconds:g} s.",
            hint=f"It goes on by itself; look again: specola show {task}",
        )


class TaskNotRunningError(SpecolaError):
    """Something was to be done inside a task that is not running, or not any more."""

    code = "task_not_running"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("The task is not running.", hint="Start it again, then try once more.")
