"""Settings of a computing of kind `engine`: one container engine that speaks the Docker Engine API."""

import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from specola.computing.registries.named import RegistryNames
from specola.hosts.config import HostSettings, Identity

__all__ = ["EngineSettings", "not_a_persons", "usual_sockets"]


def usual_sockets() -> tuple[Path, ...]:
    """Return where Docker and Podman listen unless told otherwise, those of this user first."""
    run = os.environ.get("XDG_RUNTIME_DIR")
    own = [Path(run) / "docker.sock", Path(run) / "podman/podman.sock"] if run and os.geteuid() != 0 else []
    return (*own, Path("/run/docker.sock"), Path("/var/run/docker.sock"), Path("/run/podman/podman.sock"))


class EngineSettings(BaseModel):
    """How one engine is reached and what tasks get there."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: HostSettings | None = None
    """The host that the engine is on, where that is another one: it is reached by SSH."""
    socket: Annotated[str, Field(pattern=r"^(|~?/[!-~ ]{1,100})$")] = ""
    """With `host`, the engine's socket there, a path that may begin with `~/`; empty: the first usual one that the account may use."""
    url: Annotated[str, Field(title="Address")] = ""
    """`unix:///run/podman/podman.sock`, a bare path, or `tcp://host:port`; empty: the first usual socket there is."""
    networks: IPv4Network = IPv4Network("10.213.0.0/16")
    """The pool of addresses that tasks' networks, of 8 addresses each, are taken from in rotation."""
    network_rest: Annotated[float, Field(ge=0)] = 600.0
    """Seconds for which the addresses of an ended task are not given to another."""
    helper: Path = Path("/bin/busybox")
    """The static helper that is placed in each container, as Debian's busybox-static has it."""
    file_server: Path = Path("/usr/lib/openssh/sftp-server")
    """OpenSSH's server of files, which is placed in each container too, as Debian's openssh-sftp-server has it."""
    processes: Annotated[int, Field(ge=16, le=65536)] = 4096
    """The most processes and threads of one task."""
    answer: Annotated[float, Field(gt=0)] = 20.0
    """Seconds to wait for an answer where the caller has no budget of its own."""
    disk_low: Annotated[int, Field(ge=0)] = 5 * 1024**3
    """Bytes; with less than this free where the engine keeps its images, a probe warns."""
    insecure_registries: RegistryNames = ()
    """The registries, `HOST` or `HOST:PORT`, that are asked without TLS, also on this host itself."""
    leave_host_reachable_from_tasks: bool = False
    """True gives up the protection of this host's own listeners from tasks."""

    @field_validator("url")
    @classmethod
    def _url_has_a_known_scheme(cls, value: str) -> str:
        if value.startswith("/"):
            return f"unix://{value}"
        if value and not value.startswith(("unix:///", "tcp://", "http://")):
            raise ValueError("the address of an engine is unix:///PATH or tcp://HOST:PORT")
        return value

    @model_validator(mode="after")
    def _engine_is_in_one_place(self) -> Self:
        if self.host is not None and self.url:
            raise ValueError("an engine is either at a url or at a socket of a host")
        if self.host is None and self.socket:
            raise ValueError("a socket is that of a host; use url for an engine of this machine")
        return self

    @model_validator(mode="after")
    def _pool_is_large_enough(self) -> Self:
        if self.networks.prefixlen > 28:
            raise ValueError("the pool of networks has to hold at least two networks of 8 addresses")
        return self

    @property
    def address(self) -> str:
        """Where the engine is: as set, or the first usual socket that exists."""
        if self.host is not None:
            return f"ssh://{self.host.account}@{self.host.address}:{self.host.port}{self.socket}"
        if self.url:
            return self.url
        sockets = usual_sockets()
        return f"unix://{next((one for one in sockets if one.is_socket()), sockets[-1])}"

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine, so that its networks and folders are ours."""
        return self.address.startswith("unix://")


def not_a_persons(settings: EngineSettings) -> str:
    """Say what in some settings is not a person's to decide who adds an engine for themselves ("": nothing)."""
    usual = EngineSettings.model_fields
    if settings.host is None or settings.host.identity is Identity.LOCAL:
        return "the platform's own machine is used with the platform's own rights"
    if settings.insecure_registries:
        return "registries without TLS are asked by the platform itself"
    if (settings.helper, settings.file_server) != (usual["helper"].default, usual["file_server"].default):
        return "helper and file server are files of the platform's own machine"
    return ""
