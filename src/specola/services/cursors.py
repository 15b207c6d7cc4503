"""Cursors: where the next page of a list begins, as an opaque word that cannot be made up."""

import base64
import binascii
from datetime import datetime

from specola.domain.errors import InvalidError, SealError
from specola.domain.task import Task, TaskId
from specola.secrets import Sealer

__all__ = ["read", "write"]


def write(last: Task, *, sealer: Sealer, scope: str | None) -> str:
    """Return the cursor of the page after `last`, for the list of one person (None: everybody's)."""
    sealed = sealer.seal(f"{last.created.isoformat()} {last.id}", purpose=_purpose(scope))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read(cursor: str, *, sealer: Sealer, scope: str | None) -> tuple[datetime, TaskId]:
    """Return creation and id of the task after which the page begins.

    Raises
    ------
    InvalidError
        It was not made here, was changed, or is of another list.
    """
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        created, _, task = sealer.open(sealed, purpose=_purpose(scope)).partition(" ")
    except (ValueError, binascii.Error, SealError) as error:
        raise InvalidError(
            "The cursor is not one of this list.", hint="Begin again without a cursor.", field="cursor"
        ) from error
    return datetime.fromisoformat(created), task


def _purpose(scope: str | None) -> str:
    return f"cursor of tasks of {scope or 'everybody'}"
