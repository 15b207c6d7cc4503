"""Where a container's processes listen, as this machine's kernel tells."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from specola.computing.inside.tables import LISTEN, LOOPBACK, address, in_tables, open_ports

__all__ = ["HERE", "Process", "in_lines", "inside", "listeners", "read"]

PROC = Path("/proc")
# How the kernel prints 127.0.0.1 on little-endian machines, and the same in IPv6's form: only from inside.
HERE = frozenset({"0100007F", "0000000000000000FFFF00000100007F"})
TABLES = ("tcp", "tcp6")
# Of the fields of proc_pid_stat(5) after the name, which ends with the last bracket: when the process started.
START = 19


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine that cannot be taken for a later one with its number."""

    number: int
    started: str

    @classmethod
    def find(cls, number: int) -> "Process | None":
        """Return the process of that number, unless it shares this process's own network or cannot be seen.

        A number told by an engine that counts processes otherwise than this process names anything here, and the
        listeners of this host must never be taken for a task's.
        """
        if number <= 0:
            return None
        try:
            if _network(str(number)) == _network("self"):
                return None
            return cls(number, _started(number))
        except OSError:
            return None

    def open_ports(self) -> Mapping[int, bool] | None:
        """Return the ports listened to in its network (see `open_ports`); None: the process is gone."""
        found: list[str] = []
        try:
            for name in TABLES:
                found += _listening(PROC / str(self.number) / "net" / name)
        except OSError:
            return None
        # Asked last: what was read before was its own.
        return open_ports(in_tables(found)) if self.is_there() else None

    def is_there(self) -> bool:
        """Tell whether it has not ended."""
        try:
            return _started(self.number) == self.started
        except OSError:
            return False


def listeners(process: int, port: int) -> frozenset[str] | None:
    """Return the addresses on which a port is listened to in the network of a process; None: that cannot be seen."""
    if process <= 0:
        return None
    try:
        tables = [(PROC / str(process) / "net" / name).read_text(encoding="ascii") for name in TABLES]
    except OSError:
        return None
    return frozenset().union(*(read(table.splitlines()[1:], port) for table in tables))


def read(lines: Iterable[str], port: int) -> frozenset[str]:
    """Read the lines of `/proc/net/tcp` or `tcp6`, without the heading: the addresses on which a port is listened to."""
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        where, _, number = local.partition(":")
        if state == LISTEN and int(number, 16) == port:
            found.add(where)
    return frozenset(found)


def in_lines(lines: Iterable[str], port: int) -> frozenset[str]:
    """Read the lines of both tables, headings among them: the addresses on which a port is listened to."""
    return read((line for line in lines if line.lstrip()[:1].isdigit()), port)


def inside(addresses: Collection[str] | None) -> str:
    """Return where a connection from inside the container goes: loopback, unless only another address is listened to."""
    found = sorted(map(address, addresses or ()), key=str)
    if not found or any(one.is_unspecified or one == LOOPBACK[0] for one in found):
        return str(LOOPBACK[0])
    return str(found[0])


def _listening(table: Path) -> list[str]:
    found = []
    try:
        with table.open(encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                # The kernel tells those that listen first, so thousands of connections need not be read.
                if line.split(None, 4)[3] != LISTEN:
                    break
                found.append(line)
    except FileNotFoundError:
        # A machine without IPv6 has one table. Both are gone together with the process, which is looked at in the end.
        return []
    return found


def _network(process: str) -> int:
    return (PROC / process / "ns" / "net").stat().st_ino


def _started(process: int) -> str:
    stat = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[START]
