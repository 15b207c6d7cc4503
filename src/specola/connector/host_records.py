"""How the hosts of computings are reached, from the records that the directory was told."""

from pydantic import ValidationError

from specola.connector.directory import Directory
from specola.domain.errors import InvalidError
from specola.hosts.config import HostSettings

__all__ = ["host_of"]


async def host_of(directory: Directory, computing: str) -> HostSettings:
    """Return the settings of a computing's host.

    Raises
    ------
    ConnectorUnreachableError
        Nothing has been told yet.
    MissingError
        There is no such computing.
    InvalidError
        Its record names no host, or not in a way that can be read.
    """
    settings = await directory.settings(computing)
    if "host" not in settings:
        raise InvalidError(f"The computing “{computing}” works on no host.", field="settings.host")
    try:
        return HostSettings.model_validate(settings["host"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidError(
            f"The host of the computing “{computing}” is not described well: {where}: {first['msg']}.",
            field=f"settings.host.{where}",
        ) from error
