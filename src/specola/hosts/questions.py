"""What is asked of the connector's hosts, one question for each connection to its socket."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from specola.ports.hosts import Where

__all__ = ["QUESTION", "Accounts", "Beyond", "Connect", "Open", "Question", "Read", "Run", "Write"]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    computing: str


class _OfAccount(_Question):
    account: str


class Run(_OfAccount):
    """Run a command; its input, of `given` bytes, follows."""

    do: Literal["run"] = "run"
    command: tuple[str, ...]
    given: Annotated[int, Field(ge=0)]
    seconds: float


class Open(_OfAccount):
    """Start a command whose input and output follow as frames."""

    do: Literal["open"] = "open"
    command: tuple[str, ...]


class Connect(_OfAccount):
    """Connect to a socket, a port there, or an address that it reaches; its bytes follow as frames."""

    do: Literal["connect"] = "connect"
    where: Where


class Beyond(_OfAccount):
    """Connect to a socket or port of a machine beyond; its bytes follow as frames."""

    do: Literal["beyond"] = "beyond"
    machine: str
    where: str | int


class Read(_OfAccount):
    """Read a file."""

    do: Literal["read"] = "read"
    path: str
    most: Annotated[int, Field(ge=0)]


class Write(_OfAccount):
    """Write a file; its content, of `given` bytes, follows."""

    do: Literal["write"] = "write"
    path: str
    mode: int
    given: Annotated[int, Field(ge=0)]


class Accounts(_Question):
    """Tell whose accounts there are."""

    do: Literal["accounts"] = "accounts"


Question: TypeAlias = Run | Open | Connect | Beyond | Read | Write | Accounts
QUESTION: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="do")])
