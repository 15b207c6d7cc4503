"""Definitions read: from text to a software entry with its releases."""

from dataclasses import dataclass
from datetime import timedelta

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import DefinitionError, Problem
from specola.domain.sizes import parse_size
from specola.domain.software import (
    Activity,
    CredentialUse,
    CredentialWay,
    Health,
    HomeAccess,
    Interface,
    Origin,
    PreStop,
    Protocol,
    Release,
    Resources,
    RunsAs,
    Software,
)
from specola.services.definition import checks
from specola.services.definition.fields import Fields
from specola.services.definition.parameters import read_parameters
from specola.services.definition.tree import compose

__all__ = ["Definition", "read_definition"]

RELEASE_KEYS = (
    "version",
    "image",
    "command",
    "environment",
    "resources",
    "time",
    "pre_stop",
    "user",
    "home",
    "home_access",
    "scratch",
    "capabilities",
    "interfaces",
    "parameters",
)
MEBIBYTE = 1024**2
MOST_INTERFACES = 32
LONGEST_PRE_STOP = timedelta(minutes=10)
LARGEST_PING = 125
"""Bytes; messages up to this size have the shortest head (RFC 6455, 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a definition says; `listed`: its releases stand under `releases:`, so they are all there is."""

    software: Software
    listed: bool


def read_definition(text: str) -> Definition:
    """Return what a definition says.

    Parameters
    ----------
    text
        YAML or JSON, at most 256 KiB.

    Returns
    -------
    Definition
        Its entry is without ids, owner and times, which are the catalogue's to give. A release whose version is not given has
        the version "".

    Raises
    ------
    DefinitionError
        Every fault that was found (at most 100), each with its line and column.
    """
    problems: list[Problem] = []
    fields = Fields(compose(text, problems), "", problems)
    software = _software(fields)
    fields.finish()
    if problems:
        raise DefinitionError(sorted(problems, key=lambda one: (one.line, one.column)))
    return Definition(software=software, listed=fields.has("releases"))


def _software(fields: Fields) -> Software:
    name = fields.required("software", most=200, check=checks.entry_name_fault)
    if fields.has("releases"):
        releases = tuple(_release(one, finish=True) for one in _releases(fields))
    else:
        fields.know("releases")
        releases = (_release(fields, finish=False),)
    return Software(
        id="",
        name=name,
        title=fields.text("title", most=100, check=_one_line) or name,
        description=fields.text("description", most=4000),
        needs_registry=fields.boolean("needs_registry"),
        tags=fields.texts("tags", most=40, check=checks.tag_fault),
        homepage=fields.text("homepage", check=checks.homepage_fault),
        releases=releases,
    )


def _releases(fields: Fields) -> list[Fields]:
    releases = fields.children("releases")
    if not releases:
        fields.fault("releases", "an entry has at least one release")
    fields.refuse(RELEASE_KEYS, "this belongs to a release; write it below “releases”, or leave “releases” out")
    _check_unlike(releases, "version", "two releases have the version")
    return releases


def _release(fields: Fields, *, finish: bool) -> Release:
    parameters = read_parameters(fields)
    known = frozenset(one.name for one in parameters)
    release = Release(
        id="",
        version=fields.text("version", most=60, check=checks.version_fault),
        image=fields.required("image", most=500, check=checks.image_fault).strip(),
        command=fields.texts("command", most=32768, check=checks.command_fault(known)),
        environment=fields.table(
            "environment",
            most=32768,
            name=checks.environment_name_fault,
            value=checks.placeholder_fault(known),
        ),
        resources=_resources(fields),
        time=fields.parsed("time", None, parse_duration),
        pre_stop=_pre_stop(fields, known),
        user=fields.choice("user", RunsAs.IMAGE),
        home=fields.text("home", most=1000, check=checks.mount_fault) or None,
        home_access=fields.choice("home_access", HomeAccess.WRITE),
        scratch=fields.text("scratch", most=1000, check=checks.mount_fault) or None,
        capabilities=fields.texts("capabilities", check=checks.capability_fault),
        interfaces=_interfaces(fields),
        parameters=parameters,
    )
    if release.user is RunsAs.HOME and release.home is None:
        fields.fault("user", "“user: home” needs “home”, the path where the home is mounted")
    if release.home is None and fields.has("home_access"):
        fields.fault("home_access", "this means something only with “home”, the path where the home is mounted")
    if release.home and release.scratch and checks.are_nested(release.home, release.scratch):
        fields.fault("scratch", "home and scratch cannot be mounted in one another")
    if finish:
        fields.finish()
    return release


def _resources(fields: Fields) -> Resources:
    usual = Resources()
    below = fields.child("resources")
    if below is None:
        return usual
    resources = Resources(
        cpus=below.number("cpus", low=0.01, high=4096) or usual.cpus,
        memory=below.parsed("memory", usual.memory, parse_size),
        shm=below.parsed("shm", usual.shm, parse_size),
        gpus=below.whole("gpus", usual.gpus, low=0, high=64),
        gpu_model=below.text("gpu_model", most=64, check=checks.gpu_model_fault),
    )
    if resources.gpu_model and not resources.gpus:
        below.fault("gpu_model", "a model of GPU needs “gpus”, how many of it")
    if resources.memory < 16 * MEBIBYTE:
        below.fault("memory", "a task needs at least 16MiB of memory")
    below.finish()
    return resources


def _pre_stop(fields: Fields, known: frozenset[str]) -> PreStop | None:
    """Read a list, which is the command, or a table with `command` and `time`."""
    if fields.is_list("pre_stop"):
        command = fields.texts("pre_stop", most=32768, check=checks.command_fault(known))
        return PreStop(command=command) if command else None
    below = fields.child("pre_stop")
    if below is None:
        return None
    usual = PreStop(command=())
    pre_stop = PreStop(
        command=below.texts("command", most=32768, check=checks.command_fault(known)),
        time=below.parsed("time", usual.time, parse_duration),
    )
    if not pre_stop.command:
        below.fault("", "“command” is missing")
    if pre_stop.time > LONGEST_PRE_STOP:
        below.fault("time", f"this may take at most {format_duration(LONGEST_PRE_STOP)}")
    below.finish()
    return pre_stop


def _interfaces(fields: Fields) -> tuple[Interface, ...]:
    below = fields.children("interfaces")
    if len(below) > MOST_INTERFACES:
        fields.fault("interfaces", f"this has {len(below)} items; at most {MOST_INTERFACES} are allowed")
        below = below[:MOST_INTERFACES]
    interfaces = tuple(_interface(one) for one in below)
    _check_unlike(below, "name", "two interfaces have the name")
    return interfaces


def _interface(fields: Fields) -> Interface:
    if not fields.has("port"):
        fields.fault("", "“port” is missing")
    interface = Interface(
        name=fields.required("name", check=checks.interface_name_fault),
        port=fields.whole("port", 1, low=1, high=65535),
        protocol=fields.choice("protocol", Protocol.HTTP, never=(Protocol.TERMINAL,)),
        open=fields.text("open", "/", check=checks.request_path_fault),
        credential=_credential(fields),
        health=_health(fields),
        activity=_activity(fields),
        origin=fields.choice("origin", Origin.KEEP),
    )
    if not interface.protocol.opens_in_browser:
        for key in ("open", "credential", "health", "activity", "origin"):
            if fields.has(key) and fields.text_of(key) != "none":
                fields.fault(key, f"this means something for http and https only, not for {interface.protocol}")
        interface = Interface(name=interface.name, port=interface.port, protocol=interface.protocol)
    fields.finish()
    return interface


def _credential(fields: Fields) -> CredentialUse | None:
    if fields.text_of("credential") == "none":
        fields.text("credential")
        return None
    below = fields.child("credential")
    if below is None:
        return None
    uses = [(way, below.text(way.value)) for way in CredentialWay if below.has(way.value)]
    for way in CredentialWay:
        below.know(way.value)
    below.finish()
    if len(uses) != 1:
        fields.fault("credential", "write one of header, basic, query, cookie, or the word none")
        return None
    way, template = uses[0]
    sentence = checks.credential_fault(way, template) if template else None
    if sentence is not None:
        below.fault(way.value, sentence)
    return CredentialUse(way=way, template=template)


def _health(fields: Fields) -> Health | None:
    below = fields.child("health")
    if below is None:
        return None
    usual = Health()
    health = Health(
        path=below.text("path", usual.path, check=checks.request_path_fault),
        expect=below.text("expect", usual.expect, check=checks.expect_fault),
    )
    below.finish()
    return health


def _activity(fields: Fields) -> Activity:
    below = fields.child("activity")
    if below is None:
        return Activity()
    usual = Activity()
    activity = Activity(
        ignore=below.texts("ignore", check=checks.ignored_fault),
        pings=below.whole("pings", usual.pings, low=0, high=LARGEST_PING),
    )
    below.finish()
    return activity


def _check_unlike(many: list[Fields], key: str, sentence: str) -> None:
    seen: set[str] = set()
    for one in many:
        word = one.text_of(key)
        if word and word in seen:
            one.fault(key, f"{sentence} “{word[:60]}”")
        seen.add(word)


def _one_line(text: str) -> str | None:
    return "this has to be one line" if "\n" in text else None
