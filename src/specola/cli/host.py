"""Commands on the platform's host: its settings, its data folder, and services without a door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from specola.cli.settings import read_settings
from specola.domain.errors import DataFolderError
from specola.factory import Services, open_process
from specola.privileges import drop_to

__all__ = ["open_host", "read_settings"]


@asynccontextmanager
async def open_host() -> AsyncIterator[Services]:
    """Open the services over the data folder of this machine.

    Started as root, this process becomes the platform's user, so that whatever it writes belongs to that user.

    Raises
    ------
    DataFolderError
        There is no installation in the data folder, or this user may not look into it.
    """
    settings = read_settings()
    try:
        there = (settings.data / "secrets" / "key").exists()
    except PermissionError as error:
        raise DataFolderError(settings.data, "this user may not look into it") from error
    if not there:
        raise DataFolderError(settings.data, "it does not hold an installation")
    async with open_process(settings) as context:
        services = Services.of(context)
        drop_to(settings.run_as)
        await services.store.check()
        yield services
