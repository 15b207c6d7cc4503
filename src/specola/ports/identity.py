"""The identity port: how a password is kept and compared."""

from typing import Protocol

__all__ = ["Passwords"]


class Passwords(Protocol):
    """Turns passwords into what may be kept, and compares."""

    async def hash(self, password: str) -> str:
        """Return what is kept of a password: a salted, slow hash that names its own parameters."""

    async def matches(self, password: str, kept: str | None) -> bool:
        """Tell whether `password` is the one that `kept` was made of.

        Parameters
        ----------
        kept
            None, where there is no such account or it has no password: the answer is False, after as much work.
        """

    def is_outdated(self, kept: str) -> bool:
        """Tell whether `kept` was made with weaker parameters than those used now."""
