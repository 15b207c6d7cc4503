"""How a command ends: one table from kind to exit code, and every failure in a sentence and a hint."""

from collections.abc import Mapping
from typing import Any

import click

from specola.domain.errors import Kind, Problem, SpecolaError

__all__ = ["EXIT_CODES", "AnsweredError", "TaskFailedError", "exit_code_of"]

OURS = 1
INTERRUPTED = 130
EXIT_CODES: Mapping[Kind, int] = {
    Kind.INVALID: 2,
    Kind.UNAUTHENTICATED: 3,
    Kind.DENIED: 3,
    Kind.MISSING: 4,
    Kind.CONFLICT: 5,
    # Like a conflict, it passes when something else is changed first: fewer tasks, or a later try.
    Kind.LIMITED: 5,
    Kind.UNAVAILABLE: 6,
}
KINDS_BY_STATUS: Mapping[int, Kind] = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.DENIED,
    404: Kind.MISSING,
    405: Kind.INVALID,
    409: Kind.CONFLICT,
    413: Kind.INVALID,
    415: Kind.INVALID,
    422: Kind.INVALID,
    429: Kind.LIMITED,
    502: Kind.UNAVAILABLE,
    503: Kind.UNAVAILABLE,
    504: Kind.UNAVAILABLE,
}


class AnsweredError(Exception):
    """The platform answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """What went wrong."""
        return str(self.problem.get("detail") or f"The platform answered with status {self.status}.")

    @property
    def hint(self) -> str:
        """What to do next."""
        return str(self.problem.get("hint") or "")

    @property
    def lines(self) -> list[str]:
        """Each fault, where there are several."""
        faults = self.problem.get("problems") or []
        return [
            Problem(fault.get("field", ""), fault.get("sentence", ""), line=fault.get("line", 0)).text()
            for fault in faults
        ]

    @property
    def exit_code(self) -> int:
        """The exit code of its kind; what is no kind is a bug of ours."""
        kind = KINDS_BY_STATUS.get(self.status)
        return EXIT_CODES[kind] if kind else OURS


class TaskFailedError(Exception):
    """The task that was waited for has failed."""


def exit_code_of(error: BaseException) -> int:
    """Say on standard error what went wrong, and return the exit code for it."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else OURS
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            click.echo("", err=True)
            return INTERRUPTED
        case click.ClickException():
            error.show()
            return EXIT_CODES[Kind.INVALID]
        case AnsweredError():
            _say(error.sentence, error.hint, error.lines if len(error.lines) > 1 else [])
            return error.exit_code
        case SpecolaError():
            _say(error.sentence, error.hint, [])
            return EXIT_CODES[error.kind]
        case TaskFailedError():
            return OURS
        case _:
            raise error


def _say(sentence: str, hint: str, lines: list[str]) -> None:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {sentence}", err=True)
    for text in lines:
        click.echo(f"  {text}", err=True)
    if hint:
        click.echo(click.style(hint, dim=True), err=True)
