"""The connector's hosts, as the worker uses them: by its socket, and by what the record says."""

import asyncio
import getpass
import stat

import pytest

from specola.domain.errors import ComputingUnreachableError
from specola.hosts.relayed import RelayedHosts
from specola.ports.hosts import Host
from tests.support.harness import open_platform
from tests.support.places import until

pytestmark = pytest.mark.anyio

HOST = {"host": {"address": "localhost", "identity": "local"}}


async def works(host: Host) -> bool:
    """Tell whether a host can be asked."""
    try:
        return (await host.run(["echo", "well"])).text == "well\n"
    except ComputingUnreachableError:
        return False


async def test_a_host_is_found_by_the_record_of_its_computing_and_outlives_the_connector() -> None:
    async with open_platform(parts=("web", "connector")) as platform:
        hosts = platform.context.hosts
        assert isinstance(hosts, RelayedHosts)
        host = hosts.host("here", "anybody")
        with pytest.raises(ComputingUnreachableError, match="no computing “here”"):
            await host.run(["true"])
        await platform.services.computings.install("here", title="Here", kind="engine", settings=HOST)
        await until(lambda: works(host))
        assert (await host.run(["id", "-un"])).text.strip() == getpass.getuser()
        assert stat.S_IMODE(platform.settings.hosts_socket.stat().st_mode) == 0o600

        stream = await host.open(["cat"])
        await stream.write(b"before")
        assert await stream.read() == b"before"
        await platform.end("connector")
        with pytest.raises(ConnectionResetError):
            await stream.read()
        await stream.close()
        asking = asyncio.create_task(until(lambda: works(host)))
        platform.begin("connector")
        await asking


async def test_a_computing_without_a_host_says_so() -> None:
    async with open_platform(parts=("web", "connector")) as platform:
        assert platform.context.hosts is not None
        with pytest.raises(ComputingUnreachableError, match="“local” works on no host"):
            await platform.context.hosts.host("local", "anybody").run(["true"])
