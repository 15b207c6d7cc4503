"""One connection to the front door: who it is, and which channels it may open."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
)
from typing_extensions import override

from specola.connector.directory import Directory
from specola.connector.ssh.asking import Admitted
from specola.connector.ssh.entrance import Entrance
from specola.connector.ssh.forwards import Forward
from specola.connector.ssh.live import Live, Open
from specola.connector.ssh.sessions import Session
from specola.openssh import fingerprint_of

__all__ = ["Connection", "Visitor"]

MOST_TRIES = 12
"""Keys and passwords that one connection may try; an agent offers all that it holds."""
OPENSSH = "SSH-2.0-OpenSSH"
FAST = (b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com")
SHA1 = b"ssh-rsa"
"""RSA signatures over SHA-1, which asyncssh would take; the keys themselves are fine with SHA-2 (RFC 8332)."""
LAST_WORDS = 0.3
NOT_BACK = "Nothing is forwarded from the task to you (-R); forward to its interfaces (-L)."
CERTIFICATE = b"-cert-v01@openssh.com"


class Connection(asyncssh.SSHServerConnection):
    """asyncssh's connection, which tells the visitor what was presented and when it takes nothing more."""

    visitor: "Visitor"

    @override
    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        if msg and _first(signature) == SHA1:
            return False
        admitted = await self.visitor.recognise(key_data)
        if admitted is None:
            return False
        # A certificate names a person, and the user's name here is a task's: so it is checked for the person.
        good = await super().validate_public_key(admitted.name, key_data, msg, signature)
        if good and msg:
            self.visitor.entrance.admitted = admitted
        return good

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        # asyncssh puts an empty packet before each one, which protects ciphers that we do not offer (RFC 4251, 9.3.1).
        if pkttype != asyncssh.constants.MSG_IGNORE:
            super().send_packet(pkttype, *args, handler=handler)

    @override
    def _send_kexinit(self) -> None:
        # The client's order decides, and OpenSSH's own begins with ciphers that take two or three times the work of
        # the one it has further down. It is offered that one alone; others are offered all.
        if self.get_extra_info("client_version", "").startswith(OPENSSH):
            self._enc_algs = list(FAST)
        super()._send_kexinit()

    @override
    def pause_writing(self) -> None:
        self.visitor.entrance.writable.clear()

    @override
    def resume_writing(self) -> None:
        self.visitor.entrance.writable.set()


class Visitor(asyncssh.SSHServer):
    """Decides what one connection may do, by asking for each thing.

    Parameters
    ----------
    users
        The binary public key of the authority that certifies people.
    known, ended
        Called when the visitor has signed in, and when the connection has ended.
    """

    entrance: Entrance

    def __init__(
        self,
        *,
        live: Live,
        directory: Directory,
        users: bytes,
        known: Callable[["Visitor"], None],
        ended: Callable[["Visitor"], None],
    ) -> None:
        self.signed_in = False
        self._live = live
        self._directory = directory
        self._users = users
        self._on_known = known
        self._on_ended = ended
        self._recognised: dict[bytes, Admitted] = {}
        self._tries = 0
        self._opened: Open | None = None

    # -- signing in -------------------------------------------------------------------------------------------------

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, Connection), "the door makes them"
        conn.visitor = self
        self._connection = conn
        address = str(conn.get_extra_info("peername", ("",))[0])
        self.entrance = Entrance(live=self._live, directory=self._directory, address=address)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.entrance.leave()
        if self._opened is not None:
            self.entrance.end(self._opened)
        self._on_ended(self)

    @override
    def begin_auth(self, username: str) -> bool:
        self.entrance.task = username
        return True

    @override
    def public_key_auth_supported(self) -> bool:
        return True

    @override
    def password_auth_supported(self) -> bool:
        return True

    @override
    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True  # recognised before it is checked: see Connection

    @override
    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == self._users

    @override
    async def validate_password(self, username: str, password: str) -> bool:
        self._try()
        self.entrance.admitted = await self.entrance.admit({"token": password, "address": self.entrance.address})
        return self.entrance.admitted is not None

    async def recognise(self, blob: bytes) -> Admitted | None:
        """Return whose key or certificate this is; whether they hold the private key is not known yet."""
        if blob in self._recognised:
            return self._recognised[blob]
        self._try()
        comer = _comer(blob)
        admitted = await self.entrance.admit(comer) if comer else None
        if admitted is not None:
            self._recognised[blob] = admitted
        return admitted

    @override
    def auth_completed(self) -> None:
        self.signed_in = True
        self._recognised.clear()
        self._opened = self.entrance.open("connection", close=self._take_back)
        self._on_known(self)

    # -- channels ---------------------------------------------------------------------------------------------------

    @override
    def session_requested(self) -> Session:
        self._reserve()
        return Session(self.entrance)

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Coroutine[Any, Any, Forward]:
        self._reserve()
        return self._forward(dest_host, dest_port)

    @override
    def unix_connection_requested(self, dest_path: str) -> bool:
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Sockets of the task are not forwarded; its interfaces are."
        )

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        self._say(NOT_BACK)
        return False

    @override
    def unix_server_requested(self, listen_path: str) -> bool:
        self._say(NOT_BACK)
        return False

    def hang_up(self, sentence: str) -> None:
        """End the connection, telling why."""
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, sentence)

    # ---------------------------------------------------------------------------------------------------------------

    async def _forward(self, host: str, port: int) -> Forward:
        try:
            return await Forward.dial(self.entrance, host, port)
        except BaseException:
            self.entrance.release()
            raise

    def _try(self) -> None:
        self._tries += 1
        if self._tries > MOST_TRIES:
            raise asyncssh.PermissionDenied("Too many keys and passwords were tried.")

    def _reserve(self) -> None:
        if not self.entrance.reserve():
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, "This connection has as many channels as it may have."
            )

    def _say(self, sentence: str) -> None:
        """Tell the client something beside its channels; it shows it, or not."""
        self._connection.send_debug(sentence, always_display=True)

    def _take_back(self, sentence: str) -> None:
        # The channels, which stand on the same marks, say their last words first.
        asyncio.get_running_loop().call_later(LAST_WORDS, self.hang_up, sentence)


def _comer(blob: bytes) -> dict[str, object] | None:
    """Return how `web` is asked about a key or a certificate; None: it is neither."""
    algorithm = _first(blob)
    if not algorithm.endswith(CERTIFICATE):
        return {"fingerprint": fingerprint_of(blob)}
    try:
        read = load_ssh_public_identity(algorithm + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(read, SSHCertificate):
        return None
    key = read.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return {"serial": read.serial, "fingerprint": fingerprint_of(base64.b64decode(key.split()[1]))}


def _first(blob: bytes) -> bytes:
    """Return the first string of a structure of SSH (RFC 4251, section 5)."""
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")]
