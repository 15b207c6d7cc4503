"""What a machine needs so that containers start there, and where that is remembered."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiodocker.exceptions import DockerError

__all__ = ["Memory", "Quirks", "lacking"]

# Podman without root on a host that does not delegate all controllers to users, as crun puts it.
NO_CONTROLLER = re.compile(r"controller [`'\"]?(cpu|memory|pids)\b[^:]*not available|\b(cpu|memory|pids)\.max\b")
UNLIMITED = {"cpu": {"NanoCpus": 0}, "memory": {"Memory": 0, "MemorySwap": 0}, "pids": {"PidsLimit": 0}}
NO_LIMITS = ("rlimit", "ulimit")
NO_INIT = ("container-init binary not found", "lookup init binary", "docker-init")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a machine needs that ordinary machines do not; found out by a start that failed, never assumed."""

    limits: bool = False
    """The engine may not raise limits above this process's own, so each container names them."""
    no_init: bool = False
    """The engine has no program to run as process 1."""
    no_controllers: tuple[str, ...] = ()
    """What the engine cannot limit, and refuses to be asked for: of `cpu`, `memory`, `pids`."""

    def __or__(self, other: "Quirks") -> "Quirks":
        """Return what both together need."""
        return Quirks(
            limits=self.limits or other.limits,
            no_init=self.no_init or other.no_init,
            no_controllers=tuple(sorted({*self.no_controllers, *other.no_controllers})),
        )

    @property
    def host_config(self) -> dict[str, Any]:
        """Return what they add to a container's host configuration."""
        limits = (("nofile", 1024, 4096), ("nproc", 4096, 8192))
        told = [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in limits]
        config: dict[str, Any] = {"Init": not self.no_init} | ({"Ulimits": told} if self.limits else {})
        for controller in self.no_controllers:
            config |= UNLIMITED[controller]
        return config


def lacking(error: DockerError, quirks: Quirks) -> Quirks | None:
    """Return the quirk that a refused create or start asks for; None if it was refused for something else."""
    message = error.message.lower()
    if any(word in message for word in NO_LIMITS) and not quirks.limits:
        return Quirks(limits=True)
    if any(word in message for word in NO_INIT) and not quirks.no_init:
        return Quirks(no_init=True)
    controller = NO_CONTROLLER.search(message)
    if controller is not None and (name := controller[1] or controller[2]) not in quirks.no_controllers:
        return Quirks(no_controllers=(name,))
    return None


@dataclass(frozen=True, slots=True)
class Memory:
    """A file that outlives this process, so that what was found out once costs no failed start again.

    Parameters
    ----------
    engine
        The engine's address: another engine may need something else.
    """

    file: Path
    engine: str

    def read(self) -> Quirks | None:
        """Return what was found out; None if nothing was yet."""
        try:
            told = json.loads(self.file.read_text(encoding="utf-8"))
            if told["engine"] != self.engine:
                return None
            missing = tuple(one for one in UNLIMITED if one in told.get("no_controllers", ()))
            return Quirks(limits=bool(told["limits"]), no_init=bool(told["no_init"]), no_controllers=missing)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, quirks: Quirks) -> None:
        """Remember."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps({"engine": self.engine, **asdict(quirks)}) + "\n", encoding="utf-8")
        draft.replace(self.file)
