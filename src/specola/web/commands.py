"""Ready command lines for interfaces that are no HTTP: a client at once, or a port on one's own machine."""

from collections.abc import Mapping
from dataclasses import dataclass

from specola.domain.software import Interface, Protocol
from specola.domain.task import Task

__all__ = ["CommandLine", "command_lines"]

HERE = "127.0.0.1"
FIRST_UNPRIVILEGED = 1024
UNPRIVILEGED_START = 8000

# What stands behind `specola connect … --`; the variables that a client reads by itself are set there.
CLIENTS: Mapping[Protocol, str] = {
    Protocol.RFB: "vncviewer {host}::{port}",
    Protocol.POSTGRES: "psql",
    Protocol.MYSQL: "mysql -u root",
    Protocol.REDIS: "redis-cli -h {host} -p {port}",
    Protocol.GRPC: "grpcurl -plaintext {host}:{port} list",
    Protocol.TCP: "nc {host} {port}",
}
# What is run beside `specola forward`, by hand.
FORWARDED: Mapping[Protocol, str] = {
    Protocol.RFB: "vncviewer {host}::{port}",
    Protocol.SSH: "ssh -p {port} {host}",
    Protocol.POSTGRES: "psql -h {host} -p {port} -U postgres",
    Protocol.MYSQL: "mysql -h {host} -P {port} -u root -p",
    Protocol.REDIS: "redis-cli -h {host} -p {port} --askpass",
    Protocol.GRPC: "grpcurl -plaintext {host}:{port} list",
    Protocol.TCP: "nc {host} {port}",
}


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command to paste, and what it does."""

    words: str
    text: str


def command_lines(task: Task, interface: Interface) -> tuple[CommandLine, ...]:
    """Return the ways to an interface with the command line, the shortest first; none for those of browsers.

    Notes
    -----
    The task stands there by its id, since a name may have spaces, and belong to another task tomorrow.
    """
    protocol, name = interface.protocol, interface.name
    if protocol not in FORWARDED:
        return ()
    if protocol is Protocol.SSH:
        proxy = f"specola connect {task.id} {name} --stdio"
        first = CommandLine("Sign in to its server", f'ssh -o ProxyCommand="{proxy}" {task.id}')
    else:
        first = CommandLine("Run a client", f"specola connect {task.id} {name} -- {CLIENTS[protocol]}")
    # Said in both lines, so that the second fits the first whatever else listens there; below 1024 only root may.
    port = interface.port if interface.port >= FIRST_UNPRIVILEGED else UNPRIVILEGED_START + interface.port
    return (
        first,
        CommandLine("Have it on a port of your machine", f"specola forward {task.id} {name}:{port}"),
        CommandLine("and then, in another terminal", FORWARDED[protocol].format(host=HERE, port=port)),
    )
