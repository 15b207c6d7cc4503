"""Cursors: where the next page of a list begins, as an opaque word that cannot be made up."""

import base64
import binascii
from datetime import datetime

from specola.domain.errors import InvalidError, SealError
from specola.secrets import Sealer

__all__ = ["read", "write"]


def write(at: datetime, last: str, *, sealer: Sealer, of: str) -> str:
    """Return the cursor of the page after what happened at `at` and has the id `last`.

    `of` says which list it is, for example "tasks of p123"; the cursor is good for no other.
    """
    sealed = sealer.seal(f"{at.isoformat()} {last}", purpose=f"cursor of {of}")
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read(cursor: str, *, sealer: Sealer, of: str) -> tuple[datetime, str]:
    """Return moment and id of that after which the page begins.

    Raises
    ------
    InvalidError
        It was not made here, was changed, or is of another list.
    """
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, _, last = sealer.open(sealed, purpose=f"cursor of {of}").partition(" ")
    except (ValueError, binascii.Error, SealError) as error:
        raise InvalidError(
            "The cursor is not one of this list.", hint="Begin again without a cursor.", field="cursor"
        ) from error
    return datetime.fromisoformat(at), last
