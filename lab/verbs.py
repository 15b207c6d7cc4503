"""What is done with a place made of machines: it is brought up, mended, told a new authority, looked at, and removed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lab.ground import GROUND
from lab.keys import Keys
from lab.place import Place, Status, Tells
from lab.root import alone, prepare
from lab.ssh import prepare_trust

__all__ = ["Verbs"]

Up = TypeVar("Up", bound=Tells)


@dataclass(frozen=True, slots=True)
class Verbs(Generic[Up]):
    """The verbs of one place; one at a time on this machine, and each may be repeated.

    Parameters
    ----------
    name, machines
        What the place and its machines are called.
    base
        Makes what its machines begin with, once for this machine, and returns its folder.
    bring
        Brings it up on such a folder, or mends what of it does not run.
    """

    name: str
    machines: tuple[str, ...]
    base: Callable[[], Path]
    bring: Callable[[Place, Path], Up]

    def up(self, ground: Path = GROUND) -> Up:
        """Bring it up, or mend what of it does not run; return it.

        Raises
        ------
        FailedError
            This machine cannot have it; the text tells why.
        """
        prepare()
        base = self.base()
        with alone(self.name):
            return self.bring(self._place(ground), base)

    def down(self, ground: Path = GROUND) -> None:
        """End it with all that runs there, and remove all that it had; also if it is half up, or down."""
        with alone(self.name):
            self._place(ground).remove()

    def status(self, ground: Path = GROUND) -> Status:
        """Return how it is."""
        return self._place(ground).status()

    def trust(self, authority: str, ground: Path = GROUND) -> None:
        """Have all its SSH servers accept certificates of one more authority, as a site does that takes up a platform.

        Parameters
        ----------
        authority
            Its public key, as one line.
        """
        place = self._place(ground)
        with alone(self.name):
            keys = Keys(place.folder / "keys")
            keys.trust(authority)
            for name in place.machines:
                prepare_trust(place.machine(name), keys)

    def _place(self, ground: Path) -> Place:
        return Place(self.name, ground, self.machines)
