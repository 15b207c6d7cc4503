"""Local passwords: argon2id, computed in threads."""

import asyncio
import base64
import os
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from specola.threads import in_thread

__all__ = ["LocalPasswords"]


class LocalPasswords:
    """Keeps passwords as argon2id hashes.

    Parameters
    ----------
    memory
        Memory for one computation, in KiB.
    rounds
        Passes over that memory.
    hasher
        Makes what computes, from `memory_cost`, `time_cost` and `parallelism`.

    Notes
    -----
    The defaults are the second recommendation of RFC 9106, section 4 (64 MiB, 3 passes) on one lane. At most as many
    computations run at once as there are processors, so that many visitors at the door cost time and not memory.
    """

    def __init__(
        self, *, memory: int = 64 * 1024, rounds: int = 3, hasher: type[PasswordHasher] = PasswordHasher
    ) -> None:
        self._hasher = hasher(time_cost=rounds, memory_cost=memory, parallelism=1)
        # What an unknown name is compared with, so that its answer takes as long as a known one's: random bytes in the
        # place of salt and hash, which no password leads to.
        salt, value = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory},t={rounds},p=1${salt}${value}"
        self._places = asyncio.Semaphore(os.cpu_count() or 1)

    async def hash(self, password: str) -> str:
        """Return what is kept of a password; see `Passwords`."""
        async with self._places:
            return await in_thread(self._hasher.hash, _octets(password))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Tell whether a password is the one kept; see `Passwords`."""
        async with self._places:
            right = await in_thread(self._verify, kept or self._nobody, _octets(password))
        return right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Tell whether other parameters are used now; see `Passwords`."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def _octets(password: str) -> bytes:
    # The same characters typed on two keyboards may come composed or not; NFC makes them one (RFC 8265, section 4.2).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
