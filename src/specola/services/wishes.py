"""Wishes: what somebody asks for, checked and worked out to the last detail before anything is written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from specola.config import Limits
from specola.domain.computing import Capability, Computing, ImageDetails
from specola.domain.errors import ImageArchitectureError, InvalidError, MissingError
from specola.domain.person import Actor
from specola.domain.placement import Placement
from specola.domain.reference import ImageReference
from specola.domain.software import HomeAccess, Release, Resources
from specola.domain.task import ImageRecord, Task, TaskId, Wish
from specola.ports.connector import Connector
from specola.services.accounts import account_for
from specola.services.definition.checks import environment_name_fault
from specola.services.definition.parameters import choose
from specola.services.drafts import release_of, title_of
from specola.services.limits import resources_for
from specola.services.offered import placement_for
from specola.services.places import place_for_task
from specola.services.software import Catalogue
from specola.storage.store import Transaction

__all__ = ["LONGEST_NAME", "Plan", "check_name", "fingerprint", "plan", "resolve"]

LONGEST_NAME = 60
LONGEST_VALUE = 32768
MOST_VARIABLES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a wish comes to. `image` None: still to be asked of the computing."""

    title: str
    software: str | None
    release: Release
    computing: Computing
    resources: Resources
    placement: Placement
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    image: ImageRecord | None = None
    again_of: TaskId | None = None
    account: str | None = None


def fingerprint(wish: Wish) -> str:
    """Return what tells one wish from another: SHA-256, in hex, of all it says."""
    said = json.dumps(asdict(wish), sort_keys=True, default=_plain)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def check_name(name: str) -> None:
    """Check a task's name, which stands in addresses and command lines. Raises InvalidError."""
    fits = 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()
    if not fits or not name[0].isalnum() or set(name) & set("/\\"):
        raise InvalidError(
            f"“{name[:LONGEST_NAME]}” cannot be the name of a task.",
            hint=f"Use up to {LONGEST_NAME} characters, a letter or digit first, and no slashes.",
            field="name",
        )


async def plan(tx: Transaction, wish: Wish, *, actor: Actor, catalogue: Catalogue, limits: Limits) -> Plan:
    """Work out a wish as far as the database can tell.

    Raises
    ------
    InvalidError
        The wish contradicts itself, or a name, variable or parameter does not fit.
    MissingError, ConflictError
        It names what is not there, or no computing is.
    LimitError, NotOfferedError
        It asks for more than is allowed, or for what the computing does not have.
    AccountMissingError
        Tasks run there with people's own accounts, and the actor has none that was proven.
    """
    _check_one_source(wish)
    if wish.name is not None:
        check_name(wish.name)
    _check_environment(wish.environment)
    if wish.again_of is not None:
        return await _plan_again(tx, wish, actor=actor, limits=limits)
    computing = await place_for_task(tx, wish.computing, actor=actor)
    if wish.software is not None:
        software = await catalogue.find(tx, actor, wish.software)
        release = _release(software.releases, wish.release)
        title, entry = software.title, software.id
    else:
        reference = ImageReference.parse(wish.image or "")
        release = Release(id="", version=reference.tag, image=reference.text)
        title, entry = title_of(reference), None
    placement = placement_for(wish.placement, release, computing=computing, limits=limits)
    return Plan(
        title=title,
        software=entry,
        release=with_home(release, wish.home),
        computing=computing,
        resources=resources_for(
            wish, release.resources, computing=computing, limits=limits, partition=placement.partition
        ),
        placement=placement,
        environment={**release.environment, **wish.environment},
        parameters=choose(release.parameters, wish.parameters),
        account=await account_for(tx, computing, actor.person.id),
    )


async def _plan_again(tx: Transaction, wish: Wish, *, actor: Actor, limits: Limits) -> Plan:
    """Plan exactly what an earlier task was, but for what the wish says itself; its catalogue entry may be gone."""
    earlier = await _earlier(tx, wish.again_of or "", actor)
    computing = await place_for_task(tx, wish.computing or earlier.computing, actor=actor)
    # An image id is this computing's own; elsewhere the image is found by its reference and digest.
    here = computing.name == earlier.computing and earlier.image.id is not None
    same = replace(
        wish,
        cpus=earlier.resources.cpus if wish.cpus is None else wish.cpus,
        memory=earlier.resources.memory if wish.memory is None else wish.memory,
        shm=earlier.resources.shm if wish.shm is None else wish.shm,
        gpus=earlier.resources.gpus if wish.gpus is None else wish.gpus,
        gpu_model=earlier.resources.gpu_model if wish.gpu_model is None else wish.gpu_model,
        placement=_placement_again(wish.placement, earlier, stays=computing.name == earlier.computing),
    )
    placement = placement_for(same.placement, earlier.release, computing=computing, limits=limits)
    return Plan(
        title=earlier.title,
        software=earlier.software,
        release=with_home(replace(earlier.release, digest=earlier.image.digest), wish.home),
        computing=computing,
        resources=resources_for(
            same, earlier.resources, computing=computing, limits=limits, partition=placement.partition
        ),
        placement=placement,
        environment={**earlier.environment, **wish.environment},
        parameters=choose(earlier.release.parameters, {**earlier.parameters, **wish.parameters}),
        image=earlier.image if here else None,
        again_of=earlier.id,
        account=await account_for(tx, computing, actor.person.id),
    )


def _placement_again(wanted: Placement, earlier: Task, *, stays: bool) -> Placement:
    """Return how it was queued, but for what the wish says itself; elsewhere only the time means anything."""
    before = earlier.placement
    return Placement(
        time=wanted.time or before.time,
        partition=wanted.partition if wanted.partition is not None or not stays else before.partition,
        project=wanted.project if wanted.project is not None or not stays else before.project,
        options={**(before.options if stays else {}), **wanted.options},
    )


async def _earlier(tx: Transaction, name: str, actor: Actor) -> Task:
    earlier = (await tx.tasks.known([name])).get(name)
    if earlier is None or earlier.is_deleted or not (earlier.owner == actor.person.id or actor.administers):
        raise MissingError("task", name)
    return earlier


async def resolve(planned: Plan, *, wish: Wish, connector: Connector) -> Plan:
    """Find out exactly which image a plan means, asking the computing only if the record does not say it.

    Raises
    ------
    ImageUnknownError, ImageUnreachableError, ImageArchitectureError
        The image cannot be run there.
    ConnectorUnreachableError, ComputingUnreachableError
        It could not be found out.
    """
    if planned.image is not None:
        return planned
    probe = planned.computing.state.probe
    reference = _reference(planned, wish)
    if probe is not None and Capability.IMAGES not in probe.capabilities:
        image = ImageRecord(reference=_there(planned, planned.release), digest=planned.release.digest)
        return replace(planned, image=image)
    details = await connector.inspect_image(planned.computing.name, planned.computing.offer.found_at(reference).text)
    _check_platform(planned, details)
    release = planned.release
    if wish.image is not None:
        release = replace(release_of(reference, details), resources=release.resources)
    image = ImageRecord(
        reference=_there(planned, release), digest=details.digest, id=details.id, architecture=details.architecture
    )
    return replace(planned, release=release, image=image)


def with_home(release: Release, access: HomeAccess | None) -> Release:
    """Return a release as somebody wants it who says what it may do with their home.

    Raises
    ------
    InvalidError
        It mounts no home.
    """
    if access is None or (release.home is None and access is HomeAccess.NONE):
        return release
    if release.home is None:
        raise InvalidError(
            "This software does not say where your home is mounted, so it gets none.",
            hint="Leave the choice out, or add “home” to its definition.",
            field="home",
        )
    return replace(release, home_access=access)


def _reference(planned: Plan, wish: Wish) -> ImageReference:
    reference = ImageReference.parse(planned.release.image)
    if wish.again_of is not None and planned.release.digest and not reference.digest:
        return replace(reference, tag="", digest=planned.release.digest)
    return reference


def _there(planned: Plan, release: Release) -> str:
    """Return by which name the computing gets a release's image."""
    return planned.computing.offer.found_at(ImageReference.parse(release.image)).text


def _check_platform(planned: Plan, details: ImageDetails) -> None:
    probe = planned.computing.state.probe
    if details.operating_system not in {"", "linux"}:
        raise ImageArchitectureError(planned.release.image, [details.operating_system], ["linux"])
    if probe is not None and probe.architectures and details.architecture not in {"", *probe.architectures}:
        has = details.architectures or (details.architecture,)
        raise ImageArchitectureError(planned.release.image, has, probe.architectures)


def _check_one_source(wish: Wish) -> None:
    given = [one for one in (wish.software, wish.image, wish.again_of) if one]
    if len(given) != 1:
        raise InvalidError(
            "Say what to start: one of software, image and an earlier task.",
            hint="Name a software of the catalogue, or give an image's reference.",
            field="software",
        )
    if wish.release is not None and not wish.software:
        raise InvalidError("Only a software has releases.", hint="Leave the release out.", field="release")


def _check_environment(environment: Mapping[str, str]) -> None:
    if len(environment) > MOST_VARIABLES:
        raise InvalidError(
            f"{len(environment)} variables are too many; at most {MOST_VARIABLES} are allowed.",
            hint="Put them into a file in your home.",
            field="environment",
        )
    for name, value in environment.items():
        sentence = environment_name_fault(name)
        if sentence is None and (len(value) > LONGEST_VALUE or "\x00" in value):
            sentence = f"the value of {name} is longer than {LONGEST_VALUE} characters, or has a NUL"
        if sentence is not None:
            raise InvalidError(
                f"The environment does not fit: {sentence}.",
                hint="Change the variable's name or value.",
                field=f"environment.{name[:60]}",
            )


def _release(releases: tuple[Release, ...], wanted: str | None) -> Release:
    if wanted is None:
        return releases[0]
    for release in releases:
        if wanted in {release.id, release.version}:
            return release
    raise MissingError("release", wanted, hint=f"There are {', '.join(one.version for one in releases)}.")
