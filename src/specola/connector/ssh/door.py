"""The front door itself: listens, limits who is not known yet, and shows a key that is certified anew in time."""

import asyncio
import base64
import logging
from collections import Counter
from dataclasses import dataclass
from typing import cast

import asyncssh
import structlog
from typing_extensions import override

from specola.authorities.ssh import HOST_LIFE, SshAuthority
from specola.clock import Clock
from specola.connector.directory import Directory
from specola.connector.ssh.live import Live
from specola.connector.ssh.visitor import Connection, Visitor

__all__ = ["FrontDoor", "Place"]

LOGIN_SECONDS = 30.0
SILENCE = 30.0
MISSED = 3
"""A client that answers none of so many questions, `SILENCE` seconds apart, is gone."""
BUSY_PAUSE = 2.0
RENEWAL = HOST_LIFE.total_seconds() / 3
BACKLOG = 512
MOST_UNKNOWN = 128
MOST_UNKNOWN_OF_ONE = 16
"""Connections that have not signed in yet: of all, and of one address."""
WINDOW = 4 * 1024 * 1024
LARGEST_PACKET = 64 * 1024

KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
)
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the front door listens (port 0: any), and the names that its certificate is good for."""

    host: str
    port: int
    names: tuple[str, ...]


class FrontDoor:
    """Serves SSH at one address. A port that is taken is told of and tried again; nothing else suffers from it."""

    def __init__(
        self, place: Place, *, authority: SshAuthority, live: Live, directory: Directory, clock: Clock
    ) -> None:
        self._place = place
        self._authority = authority
        self._live = live
        self._directory = directory
        self._clock = clock
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._visitors: set[Visitor] = set()
        self._unknown: Counter[str] = Counter()
        self._listening = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def port(self) -> int:
        """Return the port, once it is listened at."""
        await self._listening.wait()
        assert self._server is not None, "it listens"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until cancelled; open connections end then."""
        # It tells of every packet's fate; what matters of it is told by us.
        logging.getLogger("asyncssh").setLevel(logging.ERROR)
        try:
            await self._certify()
            self._server = await self._listen()
            self._listening.set()
            self._logger.info("ssh_listening", host=self._place.host, port=await self.port())
            while True:
                await asyncio.sleep(RENEWAL)
                await self._certify()
        finally:
            if self._server is not None:
                self._server.close()
            for visitor in list(self._visitors):
                visitor.hang_up("The platform's front door is restarting.")
            # One turn of the loop, in which the goodbyes are sent.
            await asyncio.sleep(0)

    async def _listen(self) -> asyncio.Server:
        told = False
        while True:
            try:
                return await asyncio.get_running_loop().create_server(
                    lambda: Porter(self), self._place.host, self._place.port, backlog=BACKLOG
                )
            except OSError as error:
                if not told:
                    self._logger.warning(
                        "ssh_port_taken",
                        host=self._place.host,
                        port=self._place.port,
                        error=error.strerror or str(error),
                        hint="End what listens there, or name another address by SPECOLA_SSH_BIND. It is tried again.",
                    )
                told = True
            await asyncio.sleep(BUSY_PAUSE)

    async def _certify(self) -> None:
        key = self._authority.host_key(self._place.names, now=self._clock.now())
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            server_factory=self._visitor,
            server_host_keys=[(asyncssh.import_private_key(key.private), asyncssh.import_certificate(key.certificate))],
            server_version="Specola",
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            compression_algs=None,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=SILENCE,
            keepalive_count_max=MISSED,
            kbdint_auth=False,
            gss_host=None,
            x11_forwarding=False,
            agent_forwarding=False,
            line_editor=False,
            encoding=None,
            window=WINDOW,
            max_pktsize=LARGEST_PACKET,
            config=None,
        )

    # -- used by Porter ---------------------------------------------------------------------------------------------

    def admits(self, address: str) -> bool:
        """Take note of a connection that comes; tell whether there is room for one more unknown."""
        if self._unknown[address] >= MOST_UNKNOWN_OF_ONE or self._unknown.total() >= MOST_UNKNOWN:
            self._logger.warning("ssh_crowded", address=address, unknown=self._unknown.total())
            return False
        self._unknown[address] += 1
        return True

    def connection(self) -> Connection:
        """Return a connection for somebody who has come."""
        assert self._options is not None, "it listens only with a key"
        return Connection(asyncio.get_running_loop(), self._options)

    def _visitor(self) -> Visitor:
        users = base64.b64decode(self._authority.users.split()[1])
        visitor = Visitor(live=self._live, directory=self._directory, users=users, known=self._known, ended=self._ended)
        self._visitors.add(visitor)
        return visitor

    def _known(self, visitor: Visitor) -> None:
        self._forget_unknown(visitor.entrance.address)

    def _ended(self, visitor: Visitor) -> None:
        self._visitors.discard(visitor)
        if not visitor.signed_in:
            self._forget_unknown(visitor.entrance.address)

    def _forget_unknown(self, address: str) -> None:
        self._unknown[address] -= 1
        if self._unknown[address] <= 0:
            del self._unknown[address]


class Porter(asyncio.Protocol):
    """Receives a connection, and sends it away or hands it on before a byte is read."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # It is a TCP connection; uvloop's transports do not say so by their class.
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer or not self._door.admits(str(peer[0])):
            transport.abort()
            return
        connection = self._door.connection()
        transport.set_protocol(connection)
        connection.connection_made(transport)
