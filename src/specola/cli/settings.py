"""Reads the settings of this machine, and nothing more: the processes must not carry what only other commands need."""

from pydantic import ValidationError
from pydantic_settings import SettingsError
from yaml import YAMLError

from specola.config import Settings
from specola.domain.errors import InvalidError

__all__ = ["read_settings"]


def read_settings() -> Settings:
    """Read the settings of this machine.

    Raises
    ------
    InvalidError
        A setting is unknown or not valid; the sentence names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"]) or "settings"
        raise InvalidError(
            f"The setting “{name}” is not valid: {fault['msg']}.",
            hint="Look at the environment (SPECOLA_…) and at specola.yaml in the data folder.",
            field=name,
        ) from error
    except (SettingsError, YAMLError, OSError) as error:
        raise InvalidError(
            f"The settings cannot be read: {error}", hint="Mend specola.yaml in the data folder."
        ) from error
