"""What an engine is told to create for one task: a pure function from a launch to the body of the request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from specola.computing.engine.farewell import write_pre_stop
from specola.computing.engine.names import ARCHITECTURE, PORTS, REFERENCE, Names
from specola.computing.engine.quirks import Quirks
from specola.computing.engine.volumes import Mount
from specola.computing.inside.paths import CREDENTIAL, FOLDER
from specola.domain.computing import Launch
from specola.domain.errors import LaunchError
from specola.domain.software import RunsAs

__all__ = ["ALLOWED", "Plan", "check", "create_body", "home_of"]

ALLOWED = frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE"})
# A home on, or in, one of these would break or expose the container; engines also put files of their own into the last two.
RESERVED = ("/proc", "/sys", "/dev", f"/{FOLDER}", "/etc", "/run")
# A home over one of these would hide the image's programs; in them is room for one.
PROGRAMS = ("/bin", "/sbin", "/lib", "/lib64", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/var")
CPU = 10**9
VARIABLE = re.compile(r"[^=\0\s][^=\0\n]*")
VARIABLE_BYTES = 128 * 1024
ENVIRONMENT_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was found out before a container is created.

    Parameters
    ----------
    image_id, architecture
        The image that will run.
    user
        `number:number` for a home's owner; empty for the image's own.
    home, scratch
        What is mounted; None: nothing.
    address
        The container's address in its own network; None: the engine chooses (rootless).
    publish
        Whether ports are published on the loopback, since the container's own address cannot be reached.
    """

    image_id: str
    architecture: str
    user: str
    home: Mount | None
    scratch: Mount | None
    address: str | None
    publish: bool
    processes: int
    quirks: Quirks = field(default_factory=Quirks)


def check(launch: Launch) -> None:
    """Refuse what no container of ours may have, whoever allowed it before. Raises LaunchError."""
    beyond = sorted(set(launch.capabilities) - ALLOWED)
    if beyond:
        raise LaunchError(
            f"The capabilities {', '.join(beyond)} are not given to tasks.",
            hint=f"Declare only what is needed of {', '.join(sorted(ALLOWED))}.",
            code="capability_refused",
        )
    if launch.resources.gpus:
        raise LaunchError("This computing gives no GPUs to tasks.", code="no_gpus")
    _check_environment(launch.environment)
    if launch.home is not None:
        _check_mount(launch.home.path, "home")
    if launch.scratch is not None:
        _check_mount(launch.scratch, "scratch")


def _check_environment(environment: Mapping[str, str]) -> None:
    """Refuse what no program could be started with, which engines only tell in words of their own."""
    sizes = {name: len(f"{name}={value}".encode()) for name, value in environment.items()}
    for name, size in sizes.items():
        # One string may have 128 KiB (execve(2), MAX_ARG_STRLEN).
        if not VARIABLE.fullmatch(name) or "\0" in environment[name] or size >= VARIABLE_BYTES:
            raise LaunchError(
                f"“{name[:80]}” cannot be a variable of a program's environment: its name is odd or its value too long.",
                code="environment_refused",
            )
    if sum(sizes.values()) > ENVIRONMENT_BYTES:
        raise LaunchError(
            f"The variables have {sum(sizes.values())} bytes together; a program takes {ENVIRONMENT_BYTES}.",
            hint="Put large values into a file in the home.",
            code="environment_refused",
        )


def _check_mount(wanted: str, what: str) -> None:
    path = wanted.rstrip("/")
    if not path.startswith("/") or any(part in {"", ".", ".."} for part in path.split("/")[1:]):
        raise LaunchError(f"The {what} cannot be mounted at “{wanted}”.", code=f"{what}_refused")
    if path in PROGRAMS or any(path == one or path.startswith(f"{one}/") for one in RESERVED):
        raise LaunchError(f"The {what} cannot be mounted over “{wanted}”.", code=f"{what}_refused")


def create_body(launch: Launch, plan: Plan, names: Names) -> dict[str, Any]:
    """Return the body of the request that creates the container.

    Everything dangerous is left out rather than filtered: there is no way to name a device, a host path other than the
    home, a host namespace, the engine's socket or another seccomp profile.
    """
    name = names.of(launch.task)
    ports = sorted({interface.port for interface in launch.interfaces})
    labels = names.labels(launch.task) | {
        PORTS: ",".join(map(str, ports)),
        ARCHITECTURE: plan.architecture,
        REFERENCE: launch.reference,
        **write_pre_stop(launch.pre_stop),
    }
    body: dict[str, Any] = {
        "Image": plan.image_id,
        "Hostname": launch.task,
        "Env": [f"{key}={value}" for key, value in _environment(launch, plan).items()],
        "Labels": labels,
        "ExposedPorts": {f"{port}/tcp": {} for port in ports},
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _host_config(launch, plan, name, ports),
        "NetworkingConfig": {"EndpointsConfig": {name: _endpoint(plan)}},
    }
    if launch.command:
        body["Cmd"] = list(launch.command)
    if plan.user:
        body["User"] = plan.user
    return body


def _host_config(launch: Launch, plan: Plan, name: str, ports: list[int]) -> dict[str, Any]:
    resources = launch.resources
    config: dict[str, Any] = {
        "NetworkMode": name,
        "CapDrop": ["ALL"],
        "CapAdd": list(launch.capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": plan.processes,
        "Memory": resources.memory,
        # Equal to memory: no swap.
        "MemorySwap": resources.memory,
        "NanoCpus": int(resources.cpus * CPU),
        "ShmSize": resources.shm,
        "IpcMode": "private",
        "RestartPolicy": {"Name": "no"},
        # Without a limit a task that writes without end fills the host's disk. (Podman takes it for its k8s-file.)
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "64m"}},
        # A port below 1024 is nothing special in a network of one's own. IPv6 is not routed here, and its link-local
        # addresses would be a way past the rules that keep the host's listeners from tasks.
        "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv6.conf.all.disable_ipv6": "1"},
        **plan.quirks.host_config,
    }
    config["Mounts"] = [mount.body() for mount in (plan.home, plan.scratch) if mount is not None]
    if plan.publish:
        config["PortBindings"] = {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in ports}
    return config


def _endpoint(plan: Plan) -> dict[str, Any]:
    return {"IPAMConfig": {"IPv4Address": plan.address}} if plan.address else {}


def _environment(launch: Launch, plan: Plan) -> Mapping[str, str]:
    """Return the variables: the person's if it runs as the home's owner, then the release's, then ours."""
    person: dict[str, str] = {}
    if launch.user is RunsAs.HOME:
        person = {"HOME": home_of(launch, mounted=plan.home is not None), "USER": launch.owner, "LOGNAME": launch.owner}
    ours = {"SPECOLA_TASK": launch.task, "SPECOLA_CREDENTIAL_FILE": CREDENTIAL}
    return person | dict(launch.environment) | ours


def home_of(launch: Launch, *, mounted: bool) -> str:
    """Return the folder that is the home of a task that runs as a home's owner."""
    return launch.home.path if launch.home is not None and mounted else "/tmp"  # noqa: S108 -- in the container
