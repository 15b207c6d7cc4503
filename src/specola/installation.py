"""The data folder of one installation: where its id is, and what all computings of it share."""

from specola.clock import Clock
from specola.computing.kinds import Context
from specola.config import Settings
from specola.domain.errors import DataFolderError
from specola.hosts.relayed import RelayedHosts

__all__ = ["computing_context", "installation_id"]


def installation_id(settings: Settings) -> str:
    """Return the random id that everything of this installation carries on its computings.

    Raises
    ------
    DataFolderError
        The folder holds no installation.
    """
    try:
        found = (settings.data / "installation").read_text().strip()
    except OSError as error:
        raise DataFolderError(settings.data, error.strerror or "it cannot be read") from error
    if not found:
        raise DataFolderError(settings.data, "its file “installation” is empty")
    return found


def computing_context(settings: Settings, clock: Clock) -> Context:
    """Return what every computing of this installation shares; hosts are reached by the connector, which holds the ways."""
    return Context(
        installation=installation_id(settings),
        data=settings.data,
        clock=clock,
        hosts=RelayedHosts(settings.hosts_socket),
        platform=settings.url,
    )
