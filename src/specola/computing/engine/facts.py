"""What an engine is: product, size, rootless or not, what it lacks; and the findings a probe makes of it."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from specola.computing.engine.config import EngineSettings
from specola.computing.engine.firewall import Firewall
from specola.computing.engine.observing import moment
from specola.computing.engine.placing import helper_machine
from specola.computing.engine.quirks import Quirks
from specola.computing.inside.fileserver import FileServer, readable
from specola.computing.registries.facts import architecture
from specola.domain.computing import Capability, Finding, Probe

__all__ = ["Facts", "findings"]

PODMAN = "Podman Engine"
GIB = 1024**3
MOST_SKEW = 5.0
ALWAYS = frozenset(
    {
        Capability.LOGS,
        Capability.USAGE,
        Capability.WATCH,
        Capability.IMAGES,
        Capability.PORTS,
        Capability.HOMES,
        Capability.SCRATCH,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an engine tells of itself."""

    product: str
    version: str
    machine: str
    cpus: int
    memory: int
    rootless: bool
    folder: Path
    limits_memory: bool
    limits_processes: bool
    limits_cpus: bool
    images: int | None = None
    skew: float | None = None

    @classmethod
    def read(
        cls, version: Mapping[str, Any], info: Mapping[str, Any], *, between: tuple[datetime, datetime] | None = None
    ) -> "Facts":
        """Read the answers to `/version` and `/info`; the latter was asked for and answered `between` two moments."""
        names = {one.get("Name") for one in version.get("Components") or []}
        security = info.get("SecurityOptions") or []
        is_podman = PODMAN in names
        # On cgroup version 2 Podman looks for the files of version 1, and says that it cannot limit what it can:
        # what it cannot is shown by the starts that it refuses.
        silent = is_podman and str(info.get("CgroupVersion") or "") != "1"
        return cls(
            product="podman" if is_podman else "docker",
            version=str(version.get("Version") or ""),
            machine=architecture(str(version.get("Arch") or info.get("Architecture") or "")),
            cpus=int(info.get("NCPU") or 0),
            memory=int(info.get("MemTotal") or 0),
            rootless=bool(info.get("Rootless")) or any("rootless" in one for one in security),
            folder=Path(str(info.get("DockerRootDir") or "/")),
            limits_memory=silent or bool(info.get("MemoryLimit")),
            limits_processes=silent or bool(info.get("PidsLimit")),
            limits_cpus=silent or bool(info.get("CpuCfsQuota")),
            images=int(info["Images"]) if info.get("Images") is not None else None,
            skew=_skew(moment(info.get("SystemTime")), between),
        )

    @property
    def quirks(self) -> Quirks:
        """What it says itself that it cannot limit; asked for a limit all the same, some engines start nothing."""
        there = {"cpu": self.limits_cpus, "memory": self.limits_memory, "pids": self.limits_processes}
        return Quirks(no_controllers=tuple(name for name, limited in there.items() if not limited))

    def without(self, quirks: Quirks) -> "Facts":
        """Return the facts, with what a refused start has shown of limits."""
        missing = quirks.no_controllers
        return replace(
            self,
            limits_cpus=self.limits_cpus and "cpu" not in missing,
            limits_memory=self.limits_memory and "memory" not in missing,
            limits_processes=self.limits_processes and "pids" not in missing,
        )

    @property
    def is_podman(self) -> bool:
        """Whether it is Podman, which asks the bridge for names and calls some events otherwise."""
        return self.product == "podman"

    def protects(self, settings: EngineSettings, firewall: Firewall) -> bool:
        """Tell whether this host's listeners are kept from tasks."""
        return (
            settings.is_local
            and not self.rootless
            and firewall.possible
            and not settings.leave_host_reachable_from_tasks
        )

    def takes_folders(self, settings: EngineSettings) -> bool:
        """Tell whether homes are folders of this machine: the engine sees them, and this process gives them their owners."""
        return settings.is_local and not self.rootless and os.geteuid() == 0

    def probe(
        self, settings: EngineSettings, firewall: Firewall, *, neighbours: Sequence[str] = (), complaint: str = ""
    ) -> Probe:
        """Return what a probe tells.

        Parameters
        ----------
        neighbours
            The installations that take networks from the same addresses.
        complaint
            What the engine said when it did not run a trial container.
        """
        abilities = set(ALWAYS)
        if helper_machine(settings.helper) == self.machine:
            abilities |= {Capability.EXECUTE, Capability.TERMINAL, Capability.TELL}
            if FileServer(settings.file_server).is_there:
                abilities.add(Capability.FILES)
        if settings.is_local and not self.rootless:
            abilities.add(Capability.DIRECT_TCP)
        if self.protects(settings, firewall):
            abilities.add(Capability.ISOLATION)
        return Probe(
            product=self.product,
            version=self.version,
            architectures=(self.machine,),
            cpus=float(self.cpus),
            memory=self.memory,
            capabilities=frozenset(abilities),
            images=self.images,
            skew=self.skew,
            findings=(*_trial(complaint), *findings(self, settings, firewall, neighbours)),
        )


def findings(
    facts: Facts, settings: EngineSettings, firewall: Firewall, neighbours: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Return what is missing or doubtful, the worst first."""
    found = [
        *_protection(facts, settings, firewall),
        *_limits(facts),
        *_things(facts, settings),
        *_clock(facts),
        *_room(facts, settings),
        *_company(settings, neighbours),
    ]
    return tuple(sorted(found, key=lambda one: not one.serious))


def _trial(complaint: str) -> list[Finding]:
    if not complaint:
        return []
    return [
        Finding(
            code="no_start",
            sentence=f"The engine answers but started no trial container: {complaint}.",
            hint="Try “docker run” or “podman run” by hand on the engine's host.",
            serious=True,
        )
    ]


def _company(settings: EngineSettings, neighbours: Sequence[str]) -> list[Finding]:
    if not neighbours:
        return []
    return [
        Finding(
            code="networks_shared",
            sentence=f"Another installation on this host ({', '.join(neighbours)}) takes its tasks' networks from "
            f"{settings.networks} too, so its packet filter rules also hold for tasks of this one.",
            hint="Set another pool (networks) in the settings of one engine; if the other installation is gone, "
            "remove its rules as docs/operator/engine.md says.",
        )
    ]


def _protection(facts: Facts, settings: EngineSettings, firewall: Firewall) -> list[Finding]:
    if facts.rootless:
        return [
            Finding(
                code="rootless",
                sentence="This engine runs without root: tasks' ports are reachable by all users of its host.",
                hint="Use a rootful engine where people share the host.",
                serious=True,
            )
        ]
    if settings.leave_host_reachable_from_tasks:
        return [
            Finding(
                code="host_reachable",
                sentence="Tasks can reach everything that listens on this host, since the settings leave it so.",
                hint="Remove leave_host_reachable_from_tasks from the engine's settings.",
                serious=True,
            )
        ]
    if settings.host is not None:
        return [
            Finding(
                code="no_firewall",
                sentence="Tasks can reach everything that listens on the engine's host: nothing is changed there as root.",
                hint="Put the packet filter rules in place that docs/operator/ssh-hosts.md has, as root of that host.",
            )
        ]
    if not (settings.is_local and firewall.possible):
        return [
            Finding(
                code="no_firewall",
                sentence="Tasks can reach everything that listens on the engine's host.",
                hint="Run Specola as root on the engine's own host, with the package iptables installed.",
                serious=True,
            )
        ]
    return []


def _limits(facts: Facts) -> list[Finding]:
    limits = {"memory": facts.limits_memory, "processes": facts.limits_processes, "CPUs": facts.limits_cpus}
    missing = [name for name, there in limits.items() if not there]
    if not missing:
        return []
    return [
        Finding(
            code="no_limits",
            sentence=f"This engine cannot limit {', '.join(missing)}: one task can take all there is.",
            hint="Enable the missing cgroup controllers on the engine's host.",
            serious=True,
        )
    ]


def _skew(told: datetime | None, between: tuple[datetime, datetime] | None) -> float | None:
    """Return by how many seconds a clock is ahead of ours; what it told is as old as half the way there and back."""
    if told is None or between is None:
        return None
    asked, answered = between
    return round((told - asked - (answered - asked) / 2).total_seconds(), 3)


def _clock(facts: Facts) -> list[Finding]:
    if facts.skew is None or abs(facts.skew) < MOST_SKEW:
        return []
    return [
        Finding(
            code="clock_skew",
            sentence=f"The clock of the engine's host is {abs(facts.skew):.0f} s {'ahead of' if facts.skew > 0 else 'behind'} ours, "
            "so times in logs and the ends of tasks are told wrongly.",
            hint="Have both keep the time by NTP (chrony or systemd-timesyncd).",
        )
    ]


def _things(facts: Facts, settings: EngineSettings) -> list[Finding]:
    helper = helper_machine(settings.helper)
    if helper and helper != facts.machine:
        return [
            Finding(
                code="helper_architecture",
                sentence=f"The static helper {settings.helper} is made for {helper} and this engine runs {facts.machine}: no commands, "
                "terminals or files in tasks.",
                hint="Set the engine's helper and file_server to programs of its own architecture.",
                serious=True,
            )
        ]
    if not readable(settings.helper):
        return [
            Finding(
                code="no_helper",
                sentence=f"The static helper {settings.helper} is missing: no commands, terminals or files in tasks.",
                hint="Install the package busybox-static, or set the engine's helper.",
            )
        ]
    if not FileServer(settings.file_server).is_there:
        return [
            Finding(
                code="no_file_server",
                sentence=f"The server of files {settings.file_server} is missing: no SFTP into tasks.",
                hint="Install the package openssh-sftp-server, or set the engine's file_server.",
            )
        ]
    return []


def _room(facts: Facts, settings: EngineSettings) -> list[Finding]:
    if not settings.is_local or not facts.folder.exists():
        return []
    free = shutil.disk_usage(facts.folder).free
    if free >= settings.disk_low:
        return []
    return [
        Finding(
            code="disk_low",
            sentence=f"Only {free / GIB:.1f} GiB are free where the engine keeps images and containers.",
            hint="Remove images and ended containers that nobody needs.",
            serious=True,
        )
    ]
