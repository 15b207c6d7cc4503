"""Settings of a computing of kind `batch`: a host by SSH, and what starts jobs there."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from specola.computing.registries.named import RegistryNames
from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError
from specola.domain.sizes import format_size, parse_size
from specola.hosts.config import HostSettings, Identity

__all__ = ["BatchSettings", "NetworkMode", "RuntimeChoice", "SchedulerKind", "WayChoice", "not_a_persons"]

PATH = re.compile(r"(?:~|/)[A-Za-z0-9_.@+,=/{}~-]*", re.ASCII)
PROGRAM = re.compile(r"/?[A-Za-z0-9_.+-]+(?:/[A-Za-z0-9_.+-]+)*", re.ASCII)
ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?", re.ASCII)
PLACES = frozenset({"account"})


def _duration(text: str) -> str:
    """Check a duration as people write it."""
    try:
        return format_duration(parse_duration(text)) if text.strip() else ""
    except InvalidError as error:
        raise ValueError(f"{error.sentence} {error.hint}") from error


def _size(text: str) -> str:
    """Check a size as people write it."""
    try:
        return format_size(parse_size(text))
    except InvalidError as error:
        raise ValueError(f"{error.sentence} {error.hint}") from error


Duration = Annotated[str, AfterValidator(_duration)]
Size = Annotated[str, AfterValidator(_size)]


class SchedulerKind(StrEnum):
    """What starts tasks there."""

    SLURM = "slurm"
    NONE = "none"


class RuntimeChoice(StrEnum):
    """What runs containers on the nodes."""

    AUTO = "auto"
    APPTAINER = "apptainer"
    PODMAN = "podman"


class NetworkMode(StrEnum):
    """Whether tasks reach out."""

    OUTBOUND = "outbound"
    NONE = "none"


class WayChoice(StrEnum):
    """How tasks on nodes are reached."""

    AUTO = "auto"
    RELAY = "relay"
    FORWARD = "forward"
    OUTWARD = "outward"


class BatchSettings(BaseModel):
    """How a cluster, or a host without a container engine, is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: HostSettings = Field(
        title="Host", description="The machine that jobs are handed in on: a cluster's login node, or the host itself."
    )
    scheduler: SchedulerKind = Field(
        SchedulerKind.SLURM,
        title="Scheduler",
        description="What starts tasks: Slurm, or none, where each task is a process of its account on the host itself.",
    )
    runtime: RuntimeChoice = Field(
        RuntimeChoice.AUTO,
        title="Container runtime",
        description="What runs containers on the nodes; auto: the first of Apptainer and Podman that a test finds.",
    )
    folder: str = Field(
        "~/.specola",
        title="Folder",
        description="Where the platform keeps its files, on a file system that login and compute nodes share; ~ is the "
        "account's home, {account} its name.",
    )
    home: str = Field(
        "~/specola-home",
        title="Homes",
        description="The folder that tasks get as their home; ~ alone is the account's own home. It is made if it is missing.",
    )
    scratch: str = Field(
        "",
        title="Scratch",
        description="The node's folder for files that are gone with the task, for example /scratch or "
        "/scratch/{account}; empty: the node's own folder for temporary files.",
    )
    images: str = Field(
        "",
        title="Images",
        description="Where an account's converted images are kept, on the shared file system, for example "
        "/scratch/{account}/images; empty: in the folder above.",
    )
    network: NetworkMode = Field(
        NetworkMode.OUTBOUND, title="Network", description="Whether tasks reach out, or only are reached."
    )
    way: WayChoice = Field(
        WayChoice.AUTO,
        title="Way to tasks",
        description="relay: by a step of the task's own job; forward: by SSH through the login node to the compute node, "
        "which is quicker, but breaks off when another job of the account ends there; auto: relay, and forward where there "
        "is no step to be had; outward: by what the task's agent opens to the platform, alone.",
    )
    outward: bool = Field(
        False,
        title="Agents dial out",
        description="Whether the agents of tasks open connections to the platform, for sites where it cannot reach them: "
        "compute nodes need a way to the platform's own address, by HTTPS.",
    )
    platform_url: str = Field(
        "",
        title="Platform, as nodes see it",
        description="The platform's https address for agents that dial out; empty: the one that people use.",
    )
    platform_authority: str = Field(
        "",
        title="Platform's authority",
        description="Certificates, as PEM, that alone vouch for the platform's where agents dial out; empty: those that the "
        "nodes trust.",
    )
    proxy: str = Field(
        "",
        title="Proxy",
        description="The site's proxy, http://HOST:PORT, through which agents dial out; empty: none.",
    )
    partition: str = Field(
        "", title="Partition", description="Where tasks run that name none, and the platform's own small jobs."
    )
    project: str = Field("", title="Booked on", description="What use is booked on where a task names nothing.")
    time: Duration = Field(
        "",
        title="Time",
        description="How long a task may run that names no time, for example 8h; empty: the partition's own default.",
    )
    clean_stop: Duration = Field(
        "1m",
        title="Clean stop",
        description="How long before its time limit a task is asked to end, so that it can save its work; empty: it is not.",
    )
    question_interval: Annotated[float, Field(ge=0.2, le=600)] = Field(
        10.0,
        title="Question interval",
        description="Seconds between two questions to the scheduler, of each account, whatever the number of its tasks.",
    )
    answer: Annotated[float, Field(gt=0, le=600)] = Field(
        20.0, title="Patience", description="Seconds to wait for an answer of the host or its scheduler."
    )
    overhead: Size = Field(
        "128MiB",
        title="Overhead",
        description="Memory that a job gets beside what its task asks for, for what looks after the task.",
    )
    image_memory: Size = Field(
        "2GiB",
        title="Memory for images",
        description="Memory of the job that fetches and converts an image.",
    )
    image_time: Duration = Field(
        "1h", title="Time for images", description="The time limit of the job that fetches an image."
    )
    image_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        30,
        title="Days of images",
        description="For how many days a converted image is kept that no task uses; 0: until somebody removes it.",
    )
    insecure_registries: RegistryNames = Field(
        (),
        title="Registries without TLS",
        description="Registries, HOST or HOST:PORT, that are asked without TLS, here and from the nodes.",
    )
    python: str = Field(
        "python3", title="Python", description="The Python on the nodes, 3.9 or newer: a name on their path, or a path."
    )
    path: tuple[str, ...] = Field(
        (),
        title="Path",
        description="Folders with the scheduler's programs, and with those that run containers, beside the usual ones.",
    )

    @property
    def usual_time(self) -> timedelta | None:
        """How long a task may run that names no time; None: the scheduler knows."""
        return parse_duration(self.time) if self.time else None

    @property
    def before_limit(self) -> timedelta:
        """How long before its time limit a task is asked to end."""
        return parse_duration(self.clean_stop) if self.clean_stop else timedelta()

    @property
    def dials_out(self) -> bool:
        """Whether agents open connections to the platform."""
        return self.outward or self.way is WayChoice.OUTWARD

    @field_validator("platform_url", "proxy")
    @classmethod
    def _addresses_are_plain(cls, value: str, info: ValidationInfo) -> str:
        schemes = ("http",) if info.field_name == "proxy" else ("https", "http")
        parts = urlsplit(value)
        if not value:
            return value
        if ADDRESS.fullmatch(value) is None or parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"write {schemes[0]}://HOST:PORT, without a name or a password in it")
        if parts.scheme == "http" and info.field_name != "proxy" and parts.hostname != "127.0.0.1":
            raise ValueError("agents dial out by TLS: write https://HOST:PORT")
        return value

    @field_validator("platform_authority")
    @classmethod
    def _authority_is_certificates(cls, value: str) -> str:
        try:
            if value:
                load_pem_x509_certificates(value.encode("ascii"))
        except ValueError as error:
            raise ValueError("write certificates as PEM: -----BEGIN CERTIFICATE-----…") from error
        return value

    @field_validator("folder", "home", "scratch", "images")
    @classmethod
    def _paths_are_whole(cls, value: str) -> str:
        if value and (PATH.fullmatch(value) is None or ".." in value.split("/")):
            raise ValueError("a path is absolute, or begins with ~/, and has letters, digits and _ . @ + , = - only")
        if set(re.findall(r"{([^}]*)}", value)) - PLACES:
            raise ValueError("a path may contain {account} and nothing else in braces")
        return value

    @field_validator("path")
    @classmethod
    def _folders_of_programs_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if PATH.fullmatch(one) is None or not one.startswith("/") or "{" in one:
                raise ValueError(f"“{one}” is no absolute path of a folder")
        return value

    @field_validator("python")
    @classmethod
    def _python_is_a_program(cls, value: str) -> str:
        if PROGRAM.fullmatch(value) is None:
            raise ValueError("write python3.11, or the absolute path of it")
        return value

    @field_validator("partition", "project")
    @classmethod
    def _words_are_plain(cls, value: str) -> str:
        if value and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", value) is None:
            raise ValueError("a name has letters, digits and _ . + - only")
        return value


def not_a_persons(settings: BatchSettings) -> str:
    """Say what in some settings is not a person's to decide who adds a computing for themselves ("": nothing)."""
    if settings.host.identity is Identity.LOCAL:
        return "the platform's own machine is used with the platform's own rights"
    if settings.insecure_registries:
        return "registries without TLS are asked by the platform itself"
    return ""
