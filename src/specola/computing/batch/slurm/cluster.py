"""What a cluster is: its version, its partitions, what an account may book on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from specola.computing.batch.slurm.commands import PLAIN
from specola.computing.batch.slurm.fields import BREAK, count, duration, gpus, rows
from specola.domain.placement import GpuKind, Partition

__all__ = ["Associations", "Configuration", "Nodes", "Version"]

# sinfo(1): name, open, nodes, CPUs, megabytes, CPUs allocated/idle/other/all, resources, longest and usual time.
NODES = ("%P", "%a", "%D", "%c", "%m", "%C", "%G", "%l", "%L")


@dataclass(frozen=True, slots=True)
class Version:
    """Which Slurm it is."""

    def argv(self) -> list[str]:
        """Return the command."""
        return [*PLAIN[:2], "sinfo", "--version"]

    def read(self, text: str) -> str:
        """Return the number of `slurm 24.11.5`."""
        return text.strip().rpartition(" ")[2]


@dataclass(frozen=True, slots=True)
class Configuration:
    """`scontrol show config`: how the cluster is set up."""

    def argv(self) -> list[str]:
        """Return the command."""
        return [*PLAIN[:2], "scontrol", "show", "config"]

    def kill_wait(self, text: str) -> timedelta:
        """Return how long a job has between SIGTERM and SIGKILL."""
        found = re.search(r"^KillWait\s*=\s*(\d+)", text, re.MULTILINE)
        return timedelta(seconds=int(found[1]) if found else 30)


@dataclass(frozen=True, slots=True)
class Nodes:
    """`sinfo`: the partitions, one line for each kind of node in them."""

    def argv(self) -> list[str]:
        """Return the command."""
        return [*PLAIN, "sinfo", "--noheader", f"--format={BREAK.join(NODES)}"]

    def read(self, text: str) -> tuple[Partition, ...]:
        """Return the partitions, in the cluster's own order."""
        lines: dict[str, list[Sequence[str]]] = {}
        for fields in rows(text, len(NODES)):
            lines.setdefault(fields[0], []).append(fields)
        return tuple(_partition(name, some) for name, some in lines.items())


@dataclass(frozen=True, slots=True)
class Associations:
    """`sacctmgr`: what an account may book its use on."""

    account: str

    def argv(self) -> list[str]:
        """Return the command."""
        what = ["show", "associations", f"user={self.account}", "format=Account"]
        return [*PLAIN[:2], "sacctmgr", "--noheader", "--parsable2", "--readonly", *what]

    def read(self, text: str) -> tuple[str, ...]:
        """Return the names, each once."""
        return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _partition(name: str, lines: Sequence[Sequence[str]]) -> Partition:
    idle = sum(int(part) for line in lines if (part := _idle(line[5])))
    return Partition(
        name=name.removesuffix("*"),
        is_default=name.endswith("*"),
        is_open=lines[0][1] == "up",
        nodes=sum(count(line[2]) for line in lines),
        cpus=max(count(line[3]) for line in lines),
        memory=max(count(line[4]) for line in lines) * 1024**2,
        idle=idle,
        gpus=tuple(_kinds(lines)),
        longest=duration(lines[0][7]),
        usual=duration(lines[0][8]),
    )


def _idle(text: str) -> str:
    parts = text.split("/")
    return parts[1] if len(parts) == 4 and parts[1].isdecimal() else ""


def _kinds(lines: Sequence[Sequence[str]]) -> Iterator[GpuKind]:
    """Yield the kinds of GPU; the count is that of all nodes together."""
    found: dict[str, int] = {}
    for line in lines:
        for model, number in gpus(line[6]):
            found[model] = found.get(model, 0) + number * count(line[2])
    yield from (GpuKind(model=model, count=number) for model, number in found.items())
