"""Failures at the SSH front door."""

from specola.domain.errors.kinds import Kind, SpecolaError
from specola.domain.errors.requests import ConflictError, DeniedError

__all__ = ["PortRefusedError", "TaskClosedError", "WebUnreachableError"]


class TaskClosedError(ConflictError):
    """A task is one's own and cannot be entered, since it does not run yet or not any more."""

    code = "task_closed"

    def __init__(self, task: str, sentence: str, *, hint: str) -> None:
        super().__init__(f"“{task}” cannot be entered. {sentence}", hint=hint)


class PortRefusedError(DeniedError):
    """A forwarded connection would lead somewhere else than to an interface of the task."""

    code = "port_refused"

    def __init__(self, host: str, port: int, offered: str) -> None:
        super().__init__(
            f"{host[:100]!r} port {port} is not an interface of this task.",
            hint=f"Forward to localhost and one of its ports: {offered or 'it has none'}.",
        )


class WebUnreachableError(SpecolaError):
    """The process `web` cannot be asked; it is restarting, or not there."""

    code = "web_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The platform is restarting.", hint="Try again in a few seconds.")
