"""Secret settings of computings, sealed for the database and put back in their places for those who reach them."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from specola.domain.computing import Computing
from specola.domain.errors import SealError
from specola.domain.settings import with_values
from specola.secrets import Sealer

__all__ = ["open_secrets", "seal_secrets", "whole_settings"]


def seal_secrets(sealer: Sealer, computing: str, secrets: Mapping[str, str]) -> bytes | None:
    """Return secret settings, by path, sealed for the computing of that id; None: there are none."""
    if not secrets:
        return None
    return sealer.seal(json.dumps(dict(secrets)), purpose=f"computing {computing}")


def open_secrets(sealer: Sealer, computing: str, sealed: bytes | None) -> dict[str, str]:
    """Return the secret settings that were sealed. Raises SealError."""
    if sealed is None:
        return {}
    opened: dict[str, str] = json.loads(sealer.open(sealed, purpose=f"computing {computing}"))
    return opened


def whole_settings(sealer: Sealer, computing: Computing, sealed: bytes | None) -> dict[str, Any]:
    """Return all settings of a computing, as its adapter needs them; for worker and connector only.

    Secrets that do not open are left out: one record whose secrets are lost must not keep the others from being reached.
    """
    try:
        return with_values(computing.settings, open_secrets(sealer, computing.id, sealed))
    except SealError as error:
        logger = structlog.stdlib.get_logger("specola.computings")
        logger.warning("settings_not_opened", computing=computing.name, error=error.sentence)
        return dict(computing.settings)
