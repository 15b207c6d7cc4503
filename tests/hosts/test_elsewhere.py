"""What a person names as a host does not lead into the platform's own machine, and cannot fill its memory."""

from collections.abc import AsyncIterator

import asyncssh
import pytest
from typing_extensions import override

from specola.connector.proving import MOST, _newest
from specola.domain.errors import ComputingUnreachableError, MachineUnreachableError
from specola.hosts.config import MachineSettings
from specola.hosts.dialling import Patience, dial
from specola.hosts.scanning import host_keys
from specola.ports.hosts import SshIdentity

pytestmark = pytest.mark.anyio


class Machine:
    """An SSH server on this machine that lets everybody in."""

    def __init__(self) -> None:
        self.came = 0
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0

    def settings(self, address: str = "127.0.0.1") -> MachineSettings:
        """Return how it is reached."""
        return MachineSettings(address=address, port=self.port, keys=(self.key.export_public_key().decode().strip(),))


def identity() -> SshIdentity:
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    return SshIdentity(account="ann", private_key=key)


async def talk(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    for _ in range(64):
        process.stdout.write(b"x" * 65536)
        await process.stdout.drain()
    process.stdout.write(b"end")
    process.exit(0)


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    """A machine that is this one."""
    found = Machine()

    class Door(asyncssh.SSHServer):
        @override
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            found.came += 1

        @override
        def begin_auth(self, username: str) -> bool:
            return False

    async with asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[found.key], server_factory=Door, process_factory=talk, encoding=None
    ) as server:
        found.port = server.get_port()
        yield found


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
async def test_nobody_is_led_into_this_machine(machine: Machine, address: str) -> None:
    settings = machine.settings(address)
    with pytest.raises(ComputingUnreachableError, match="platform's own machine"):
        await dial("own", settings, identity(), patience=Patience(), elsewhere=True)
    with pytest.raises(MachineUnreachableError, match="platform's own machine"):
        await host_keys(settings, elsewhere=True)
    assert machine.came == 0


async def test_a_jump_host_does_not_help(machine: Machine) -> None:
    far = MachineSettings(address="192.0.2.7", keys=machine.settings().keys, jump=machine.settings())
    with pytest.raises(ComputingUnreachableError, match="platform's own machine"):
        await dial("own", far, identity(), patience=Patience(), elsewhere=True)
    assert machine.came == 0


async def test_administrators_name_any_machine(machine: Machine) -> None:
    dialled = await dial("all", machine.settings(), identity(), patience=Patience())
    dialled.abort()
    assert len(await host_keys(machine.settings())) == 1


async def test_of_what_a_host_writes_the_end_is_kept(machine: Machine) -> None:
    dialled = await dial("all", machine.settings(), identity(), patience=Patience())
    try:
        output = await _newest(dialled.connection, "id")
    finally:
        dialled.abort()
    assert len(output) <= MOST
    assert output.endswith(b"xend")
