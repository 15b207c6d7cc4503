"""Which computing is meant: the one that is named, else the default one."""

from specola.domain.computing import Computing
from specola.domain.errors import ConflictError
from specola.storage.store import Transaction

__all__ = ["place_for"]


async def place_for(tx: Transaction, name: str | None) -> Computing:
    """Return the computing of that name; None: the default one.

    Raises
    ------
    MissingError
        There is none of that name.
    ConflictError
        None was named, and there is none at all.
    """
    if name is not None:
        return await tx.computings.get(name)
    computings = await tx.computings.all()
    if not computings:
        raise ConflictError(
            "This installation has no computing yet.", hint="Start a container engine; it is found by itself."
        )
    return computings[0]
