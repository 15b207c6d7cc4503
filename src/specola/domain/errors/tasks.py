"""Failures in a task's life."""

from specola.domain.errors.kinds import Kind, SpecolaError
from specola.domain.errors.requests import ConflictError, DeniedError

__all__ = [
    "ArchiveError",
    "BudgetExhaustedError",
    "LaunchError",
    "LinkEndedError",
    "NoSpaceError",
    "NotReadyError",
    "RevokedError",
    "StateError",
    "TaskEndedError",
    "TaskNotRunningError",
    "TunnelError",
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


class LinkEndedError(SpecolaError):
    """A link that was given away does not let anybody in any more, or never did."""

    code = "link_ended"
    kind = Kind.MISSING

    def __init__(self) -> None:
        super().__init__(
            "This link is unknown, too old or taken back, or what it showed has ended.",
            hint="Ask whoever gave it to you for another one.",
        )


class TaskNotRunningError(SpecolaError):
    """Something was to be done inside a task that is not running, or not any more."""

    code = "task_not_running"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("The task is not running.", hint="Start it again, then try once more.")


class TaskEndedError(ConflictError):
    """The task can no longer be reached: it has ended, or is being stopped."""

    code = "task_ended"

    def __init__(self, task: str, state: str) -> None:
        super().__init__(f"“{task}” is {state}.", hint="Run it again, and reach that one.")


class NotReadyError(SpecolaError):
    """An interface of a live task cannot be reached yet."""

    code = "not_ready"
    kind = Kind.UNAVAILABLE

    def __init__(self, interface: str, task: str, state: str) -> None:
        super().__init__(
            f"“{interface}” of “{task}” is not ready; the task is {state}.",
            hint=f"Look how far it is: specola show {task}",
        )


class RevokedError(DeniedError):
    """The right to use a task was taken back while it was used."""

    code = "revoked"

    def __init__(self, task: str) -> None:
        super().__init__(f"Your right to use “{task}” has been taken back.", hint="Sign in again: specola login URL")


class TunnelError(SpecolaError):
    """A connection into a task could not be made, or broke off."""

    code = "tunnel"
    kind = Kind.UNAVAILABLE

    def __init__(self, interface: str, sentence: str) -> None:
        super().__init__(f"{interface}: {sentence}", hint="Try again; the task's log may say why.")
