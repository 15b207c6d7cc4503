"""The host of an engine that is not on this machine: the ways to its API, to its tasks' addresses, to what it says of itself."""

from ipaddress import IPv4Network

from specola.computing.engine.networks import routes_in
from specola.domain.errors import ComputingUnreachableError
from specola.ports.computing import Stream
from specola.ports.hosts import Host

__all__ = ["Remote"]

# A person's own engine before the machine's: what runs without root can do less harm.
SEARCH = """\
own=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
for one in "$own/podman/podman.sock" "$own/docker.sock" /run/podman/podman.sock /run/docker.sock /var/run/docker.sock; do
    if test -S "$one" && test -w "$one"; then printf %s "$one"; exit; fi
done
exit 3
"""
NO_SOCKET = 3


class Remote:
    """An account on the host of an engine.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    socket
        The engine's socket there; empty: it is looked for.
    """

    def __init__(self, *, computing: str, host: Host, socket: str) -> None:
        self._computing = computing
        self._host = host
        self._socket = socket
        self._found = socket
        self._routes: list[IPv4Network] | None = None

    async def api(self) -> Stream:
        """Connect to the engine's API."""
        if not self._found:
            self._found = await self._search()
        try:
            return await self._host.connect(self._found)
        except ConnectionRefusedError as error:
            where, self._found = self._found, self._socket
            why = f"nobody answers at {where}, or the account may not use it"
            raise ComputingUnreachableError(self._computing, why) from error

    async def connect(self, address: str, port: int) -> Stream:
        """Connect to an address that the host reaches. Raises ConnectionRefusedError if nobody accepts there."""
        return await self._host.connect((address, port))

    async def routes(self) -> list[IPv4Network]:
        """Return what the host has routes to; asked once, since an engine looks at its own networks itself."""
        if self._routes is None:
            told = await self._host.run(["cat", "/proc/net/route"])
            self._routes = routes_in(told.text) if told.code == 0 else []
        return self._routes

    async def _search(self) -> str:
        told = await self._host.run(["sh", "-c", SEARCH])
        if told.code == NO_SOCKET:
            raise ComputingUnreachableError(
                self._computing,
                "there is no engine's socket that the account may use; name it in the settings (socket)",
            )
        if told.code or not told.output:
            raise ComputingUnreachableError(self._computing, f"the socket could not be looked for ({told.complaint})")
        return told.text
