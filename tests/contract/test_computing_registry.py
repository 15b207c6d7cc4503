"""Images from a real registry: described before they run, fetched with progress, run by digest."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiodocker.exceptions import DockerError

from specola.domain.computing import Phase
from specola.domain.errors import (
    ImageArchitectureError,
    ImageUnknownError,
    ImageUnreachableError,
    LaunchError,
    RegistryRefusedError,
)
from specola.ports.computing import HasImages
from tests.support.images import ARM_IMAGE, TEST_IMAGE
from tests.support.places import EnginePlace, Reports, budget
from tests.support.ports import REGISTRY_PORTS, free_port
from tests.support.registry import RunningRegistry, run_registry, slowed

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

# Images that no engine has got by another way, nor by the same tests in another process.
PULLED = replace(
    TEST_IMAGE,
    reference=f"localhost/pulled/box-{os.getpid()}:1",
    config={**TEST_IMAGE.config, "Labels": {"kind": "pulled"}},
    ballast=8_000_000,
    seed=os.getpid(),
)
MOVED = replace(
    TEST_IMAGE,
    reference=f"localhost/pulled/box-{os.getpid()}:1",
    config={**TEST_IMAGE.config, "Labels": {"kind": "moved"}},
    ballast=8_000_000,
    seed=os.getpid(),
)
PULLED_ARM = replace(ARM_IMAGE, reference=f"localhost/pulled/arm-{os.getpid()}:1", ballast=1, seed=os.getpid())


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    folder = tmp_path / "images"
    folder.mkdir()
    async with run_registry(folder) as one:
        yield one


@pytest.fixture
async def bare(local_engine: EnginePlace) -> AsyncIterator[EnginePlace]:
    """An engine that has none of the images that these tests fetch."""
    await forget(local_engine)
    yield local_engine
    for handle in (await local_engine.computing.discover()).values():
        await local_engine.computing.remove(handle)
    await forget(local_engine)


async def forget(place: EnginePlace) -> None:
    for image in (PULLED, MOVED, PULLED_ARM):
        try:
            await place.engine.docker.images.delete(image.id, force=True)
        except DockerError as error:
            if error.status != 404:
                raise


async def test_image_is_described_by_its_registry(bare: EnginePlace, registry: RunningRegistry) -> None:
    assert isinstance(bare.computing, HasImages)
    digest = await registry.push(PULLED)
    details = await bare.computing.inspect_image(registry.name(PULLED), budget())
    assert (details.source, details.cached) == ("registry", False)
    assert (details.digest, details.id) == (digest, PULLED.id)
    assert (details.architecture, details.ports) == ("amd64", (8000,))
    assert details.command[0] == "httpd"
    assert details.environment == {"PATH": "/bin"}
    assert details.labels == {"kind": "pulled"}
    assert details.size > 500_000


async def test_image_is_fetched_with_progress_in_bytes_and_known_afterwards(
    bare: EnginePlace, registry: RunningRegistry
) -> None:
    digest = await registry.push(PULLED)
    reports = Reports()
    launch = replace(bare.web(), reference=registry.name(PULLED))
    handle = await bare.launch(launch, reports)
    steps = [one for one in reports.told if one.code == "image_pull"]
    done = [one.done or 0 for one in steps]
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == (steps[-1].total or 0)
    assert (await bare.observe(handle)).image_id == PULLED.id
    assert isinstance(bare.computing, HasImages)
    details = await bare.computing.inspect_image(launch.reference, budget())
    assert (details.source, details.cached, details.id) == ("engine", True, PULLED.id)
    assert details.digest == digest


async def test_bytes_of_a_slow_pull_are_told_while_they_come(bare: EnginePlace, registry: RunningRegistry) -> None:
    await registry.push(PULLED)
    reports = Reports()
    # Podman tells bytes once a second.
    async with slowed(registry, rate=3_000_000) as slow:
        await bare.launch(replace(bare.web(), reference=slow.name(PULLED)), reports)
    steps = [one for one in reports.told if one.code == "image_pull"]
    between = [one for one in steps if one.total and 0 < (one.done or 0) < one.total]
    assert between
    assert between[-1].total is not None
    assert between[-1].total > PULLED.ballast
    assert steps[-1].done == steps[-1].total


async def test_digest_is_run_even_after_its_tag_has_moved(bare: EnginePlace, registry: RunningRegistry) -> None:
    digest = await registry.push(PULLED)
    await registry.push(MOVED)
    launch = replace(bare.web(), reference=registry.name(PULLED), digest=digest)
    handle = await bare.launch(launch)
    assert (await bare.observe(handle)).image_id == PULLED.id


async def test_record_that_no_registry_can_serve_any_more_is_not_run_with_something_else(
    bare: EnginePlace, registry: RunningRegistry
) -> None:
    await registry.push(MOVED)
    launch = replace(bare.web(), reference=registry.name(PULLED), image_id=PULLED.id)
    with pytest.raises(LaunchError) as caught:
        await bare.launch(launch)
    assert caught.value.reason_code == "image_changed"
    assert await bare.computing.discover() == {}


async def test_image_for_another_machine_is_refused(bare: EnginePlace, registry: RunningRegistry) -> None:
    await registry.push(PULLED_ARM)
    with pytest.raises(ImageArchitectureError):
        await bare.launch(replace(bare.web(), reference=registry.name(PULLED_ARM)))
    assert await bare.computing.discover() == {}


async def test_image_that_the_registry_does_not_have_is_unknown(bare: EnginePlace, registry: RunningRegistry) -> None:
    assert isinstance(bare.computing, HasImages)
    name = f"127.0.0.1:{registry.port}/nobody/nothing:1"
    with pytest.raises(ImageUnknownError):
        await bare.computing.inspect_image(name, budget())
    with pytest.raises(ImageUnknownError):
        await bare.launch(replace(bare.web(), reference=name))


async def test_registry_that_wants_an_account_shows_nothing(bare: EnginePlace, tmp_path: Path) -> None:
    async with run_registry(tmp_path, accounts=True) as closed:
        assert isinstance(bare.computing, HasImages)
        name = closed.name(PULLED)
        with pytest.raises(ImageUnknownError):
            await bare.computing.inspect_image(name, budget())
        with pytest.raises(ImageUnknownError):
            await bare.launch(replace(bare.web(), reference=name))


async def test_registry_that_is_down_is_told_as_such(bare: EnginePlace) -> None:
    assert isinstance(bare.computing, HasImages)
    # A port that is taken and not listened on: nobody answers there, and no other test can come to listen.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port(REGISTRY_PORTS)))
        name = f"127.0.0.1:{taken.getsockname()[1]}/nobody/nothing:1"
        with pytest.raises(ImageUnreachableError):
            await bare.computing.inspect_image(name, budget())
        with pytest.raises(ImageUnreachableError):
            await bare.launch(replace(bare.web(), reference=name))


async def test_pull_cut_short_is_mended_by_the_next_launch(bare: EnginePlace, registry: RunningRegistry) -> None:
    await registry.push(PULLED)
    launch = replace(bare.web(), reference=registry.name(PULLED))
    with pytest.raises(asyncio.CancelledError):
        await bare.launch(launch, Reports(stop_after="image_pull"))
    assert (await bare.observe(await bare.launch(launch))).phase is Phase.RUNNING


async def test_registry_on_this_host_that_nobody_named_is_asked_neither_by_us_nor_by_the_engine(
    bare: EnginePlace, registry: RunningRegistry
) -> None:
    await registry.push(PULLED)
    strict = bare.open_without_registries()
    assert isinstance(strict, HasImages)
    launch = replace(bare.web(), reference=registry.name(PULLED))
    with pytest.raises(RegistryRefusedError):
        await strict.inspect_image(launch.reference, budget())
    with pytest.raises(RegistryRefusedError):
        await strict.launch(launch, report=Reports(), budget=budget())
    handle = await bare.launch(launch)
    await bare.computing.remove(handle)
    # What the engine has is used under whatever name it has it.
    assert (await strict.inspect_image(launch.reference, budget())).cached
    assert handle == await strict.launch(launch, report=Reports(), budget=budget())
    assert (await bare.observe(handle)).phase is Phase.RUNNING
