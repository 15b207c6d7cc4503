"""Failures of a request: malformed, denied, missing, in conflict, or beyond a limit."""

from collections.abc import Iterable, Sequence

from specola.domain.errors.kinds import Kind, SpecolaError

__all__ = [
    "ConflictError",
    "CrossOriginError",
    "DefinitionError",
    "DeniedError",
    "InvalidError",
    "LimitError",
    "MissingError",
    "NameTakenError",
    "NotOfferedError",
    "Problem",
    "ScopeError",
]

MOST_NAMED = 12


class InvalidError(SpecolaError):
    """The request itself is wrong; `field` names the part, in dots and indices, when one part is at fault."""

    code = "invalid"
    kind = Kind.INVALID

    def __init__(self, sentence: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(sentence, hint=hint)
        self.field = field


class Problem:
    """One fault of a definition: where (field; line and column from 1, 0 if unknown) and what."""

    __slots__ = ("column", "field", "line", "sentence")

    def __init__(self, field: str, sentence: str, *, line: int = 0, column: int = 0) -> None:
        self.field = field
        self.sentence = sentence
        self.line = line
        self.column = column

    def text(self) -> str:
        """Say it in one line."""
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.field + ': ' if self.field else ''}{self.sentence}"


class DefinitionError(SpecolaError):
    """A software definition is malformed; `problems` has each fault with its line."""

    code = "definition"
    kind = Kind.INVALID

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0].text()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"The definition is not valid: {first}{more}.", hint="Mend the lines named and save again.")
        self.problems = tuple(problems)


class DeniedError(SpecolaError):
    """The person may see this and may not do that to it."""

    code = "denied"
    kind = Kind.DENIED

    def __init__(self, sentence: str, *, hint: str = "Ask an administrator.") -> None:
        super().__init__(sentence, hint=hint)


class ScopeError(DeniedError):
    """The token presented does not cover the operation."""

    code = "scope"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This token does not have the scope “{scope}”.", hint=f"Make a token with the scope “{scope}”."
        )


class CrossOriginError(DeniedError):
    """A browser sent the request on behalf of another site."""

    code = "cross_origin"

    def __init__(self) -> None:
        super().__init__(
            "The request comes from another site.", hint="Use the platform's own pages, or a program with a token."
        )


class MissingError(SpecolaError):
    """There is no such thing, or the person may not see it."""

    code = "missing"
    kind = Kind.MISSING

    def __init__(self, noun: str, name: str, *, hint: str = "") -> None:
        super().__init__(f"There is no {noun} “{name}”.", hint=hint or "Check the name; you see only what you may use.")
        self.noun = noun
        self.name = name


class ConflictError(SpecolaError):
    """The request is right, but not with things as they are now."""

    code = "conflict"
    kind = Kind.CONFLICT


class NameTakenError(ConflictError):
    """Something else has that name already."""

    code = "name_taken"

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"There is already a {noun} “{name}”.", hint="Choose another name.")


class LimitError(SpecolaError):
    """More was asked for than a limit allows."""

    code = "limit"
    kind = Kind.LIMITED

    def __init__(self, what: str, asked: str, limit: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(
            f"You asked for {asked} {what}; at most {limit} is allowed.",
            hint=hint or "Ask for less, or stop a task you no longer need.",
        )
        self.field = field


class NotOfferedError(InvalidError):
    """Something was asked of a computing that it does not have: a partition, a project, an option, a GPU."""

    code = "not_offered"

    def __init__(self, noun: str, asked: str, there: Iterable[str], *, computing: str, field: str) -> None:
        known = list(there)
        more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
        super().__init__(
            f"The computing “{computing}” has no {noun} “{asked[:60]}”.",
            hint=f"It has {', '.join(known[:MOST_NAMED])}{more}."
            if known
            else "Leave it out, or choose another computing.",
            field=field,
        )
