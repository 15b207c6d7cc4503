"""Asking for a task: what a wish comes to, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from specola.computing.memory.images import image
from specola.domain.computing import ComputingState
from specola.domain.errors import (
    ConflictError,
    ImageArchitectureError,
    ImageUnknownError,
    InvalidError,
    LimitError,
    MissingError,
    NameTakenError,
    SpecolaError,
)
from specola.domain.offer import Offer
from specola.domain.software import HomeAccess, Software
from specola.domain.task import Desired, TaskState, Wish
from tests.support.services import Installation, open_installation

pytestmark = pytest.mark.anyio

GIB = 1024**3
WEB = "example.test/web:1"
ENTRY = """
software: web
title: Web page
version: "1"
image: example.test/web:1
environment: {GREETING: hello, TOKEN: "{credential}"}
resources: {cpus: 2, memory: 1GiB}
interfaces:
  - {name: web, port: 8000}
parameters:
  - {name: depth, title: Depth, kind: number, default: 3, minimum: 1, maximum: 9}
  - {name: band, choices: [g, r, i]}
"""


@pytest.fixture(autouse=True)
async def entry(house: Installation) -> Software:
    return await house.catalogue.add(house.ada, ENTRY)


async def test_a_software_becomes_a_queued_task_with_its_image_on_record(house: Installation) -> None:
    task = await house.tasks.request(Wish(software="web"), actor=house.ada)
    details, _ = house.world.images[WEB]
    assert task.state is TaskState.QUEUED
    assert task.desired is Desired.RUNNING
    assert task.name == task.title == "Web page"
    assert (task.image.reference, task.image.digest, task.image.id) == (WEB, details.digest, details.id)
    assert task.image.architecture == "amd64"
    assert [one.name for one in task.interfaces] == ["web"]
    assert task.parameters == {"depth": "3", "band": "g"}
    assert await house.tasks.get(house.ada, task.id) == task
    assert [one.code for one in await house.tasks.events(house.ada, task.id)] == ["requested"]


async def test_an_image_becomes_a_task_with_its_exposed_ports_as_interfaces(house: Installation) -> None:
    house.world.know(image("example.test/lab/my-desktop:2", ports=(5901, 8080)))
    task = await house.tasks.request(Wish(image="example.test/lab/my-desktop:2"), actor=house.bob)
    assert task.software is None
    assert task.title == "My desktop"
    assert {one.name: one.port for one in task.release.interfaces} == {"desktop": 5901, "web": 8080}


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(software="web", image=WEB),
        Wish(image="UPPER/Case"),
        Wish(image=WEB, release="1"),
        Wish(software="web", name="a/b"),
        Wish(software="web", name=" padded"),
        Wish(software="web", name="x" * 61),
        Wish(software="web", environment={"1ST": "x"}),
        Wish(software="web", environment={"SPECOLA_DATA": "/"}),
        Wish(software="web", environment={"A": "nul\x00"}),
        Wish(software="web", parameters={"dept": "1"}),
        Wish(software="web", parameters={"depth": "10"}),
        Wish(software="web", parameters={"depth": "nan"}),
        Wish(software="web", parameters={"band": "z"}),
        Wish(software="web", cpus=0),
        Wish(software="web", cpus=float("nan")),
        Wish(software="web", memory=1024),
        Wish(software="web", memory=GIB, shm=2 * GIB),
        Wish(software="web", shm=-1),
    ],
)
async def test_a_wish_that_makes_no_sense_is_invalid(house: Installation, wish: Wish) -> None:
    with pytest.raises(InvalidError) as caught:
        await house.tasks.request(wish, actor=house.ada)
    assert caught.value.sentence.endswith(".")
    assert caught.value.hint
    assert (await house.tasks.list(house.ada)).tasks == []


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        (Wish(software="nothing"), MissingError),
        (Wish(software="web", release="9"), MissingError),
        (Wish(software="web", computing="elsewhere"), MissingError),
        (Wish(again_of="k3f9x2ab4c"), MissingError),
        (Wish(image="example.test/nothing:1"), ImageUnknownError),
        (Wish(software="web", cpus=5), LimitError),
        (Wish(software="web", memory=17 * GIB), LimitError),
    ],
)
async def test_a_wish_for_what_is_not_there_or_too_much_is_refused(
    house: Installation, wish: Wish, kind: type[SpecolaError]
) -> None:
    with pytest.raises(kind):
        await house.tasks.request(wish, actor=house.ada)


async def test_what_the_release_wants_is_lowered_to_what_is_allowed(house: Installation) -> None:
    small = house.limited(cpus=0.5, memory=512 * 1024**2)
    task = await small.tasks.request(Wish(software="web"), actor=house.ada)
    assert task.resources.cpus == 0.5
    assert task.resources.memory == 512 * 1024**2


async def test_an_image_is_had_from_the_mirror_of_its_computing(house: Installation) -> None:
    _ = await house.catalogue.add(house.ada, ENTRY.replace("web", "here").replace("example.test/here", "localhost/web"))
    async with house.store.write() as tx:
        local = await tx.computings.get("here")
        await tx.computings.save(replace(local, offer=Offer(mirrors={"localhost": "example.test"})))
    task = await house.tasks.request(Wish(software="here"), actor=house.ada)
    assert (task.release.image, task.image.reference) == ("localhost/web:1", WEB)
    again = await house.tasks.request(Wish(again_of=task.id), actor=house.ada)
    assert again.image == task.image


async def test_gpus_are_refused_in_plain_words(house: Installation) -> None:
    await house.catalogue.add(house.ada, "software: gpu\nimage: example.test/web:1\nresources: {gpus: 1}\n")
    with pytest.raises(LimitError, match="GPUs") as caught:
        await house.tasks.request(Wish(software="gpu"), actor=house.ada)
    assert "here" in caught.value.hint


async def test_an_image_for_another_processor_is_refused_before_anything_starts(house: Installation) -> None:
    house.world.know(image("example.test/arm:1", architecture="arm64"))
    probe = await house.computings.test(house.ada, "here")
    async with house.store.write() as tx:
        await tx.computings.save_state("here", ComputingState(asked=house.clock.now(), probe=probe))
    with pytest.raises(ImageArchitectureError, match="arm64"):
        await house.tasks.request(Wish(image="example.test/arm:1"), actor=house.ada)


async def test_without_a_computing_nothing_can_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with open_installation(tmp_path_factory.mktemp("empty"), empty=True) as bare:
        with pytest.raises(ConflictError, match="no computing"):
            await bare.tasks.request(Wish(image=WEB), actor=bare.ada)


async def test_names_are_made_from_the_title_and_unique_among_live_tasks(house: Installation) -> None:
    first = await house.tasks.request(Wish(software="web"), actor=house.ada)
    second = await house.tasks.request(Wish(software="web"), actor=house.ada)
    assert (first.name, second.name) == ("Web page", "Web page 2")
    with pytest.raises(NameTakenError):
        await house.tasks.request(Wish(software="web", name="Web page 2"), actor=house.ada)
    await house.move(first, TaskState.STOPPED)
    third = await house.tasks.request(Wish(software="web"), actor=house.ada)
    assert third.name == "Web page"
    other = await house.tasks.request(Wish(image=WEB, name="Web page 2"), actor=house.bob)
    assert other.name == "Web page 2"


async def test_the_environment_of_a_wish_goes_over_that_of_the_release(house: Installation) -> None:
    wish = Wish(software="web", environment={"GREETING": "ciao", "MORE": ""}, parameters={"depth": "7", "band": "i"})
    task = await house.tasks.request(wish, actor=house.ada)
    assert task.environment == {"GREETING": "ciao", "TOKEN": "{credential}", "MORE": ""}
    assert task.parameters == {"depth": "7", "band": "i"}


async def test_a_key_belongs_to_one_wish_of_one_person_for_a_day(house: Installation) -> None:
    first = await house.tasks.request(Wish(image=WEB), actor=house.ada, key="k")
    with pytest.raises(ConflictError, match="another wish"):
        await house.tasks.request(Wish(image=WEB, cpus=1), actor=house.ada, key="k")
    other = await house.tasks.request(Wish(image=WEB), actor=house.bob, key="k")
    house.clock.advance(timedelta(hours=25))
    later = await house.tasks.request(Wish(image=WEB), actor=house.ada, key="k")
    assert len({first.id, other.id, later.id}) == 3


async def test_a_key_of_a_deleted_task_does_not_start_another(house: Installation) -> None:
    task = await house.tasks.request(Wish(image=WEB), actor=house.ada, key="k")
    await house.move(task, TaskState.FINISHED)
    await house.tasks.delete(house.ada, task.id)
    with pytest.raises(ConflictError, match="deleted"):
        await house.tasks.request(Wish(image=WEB), actor=house.ada, key="k")


@pytest.mark.parametrize("key", ["", "x" * 201, "nul\x00"])
async def test_a_key_has_a_length(house: Installation, key: str) -> None:
    with pytest.raises(InvalidError, match="idempotency"):
        await house.tasks.request(Wish(image=WEB), actor=house.ada, key=key)


async def test_again_is_exactly_the_same_even_without_catalogue_or_registry(house: Installation) -> None:
    wish = Wish(software="web", cpus=1, memory=2 * GIB, environment={"X": "1"}, parameters={"band": "r"})
    first = await house.tasks.request(wish, actor=house.ada)
    await house.move(first, TaskState.FINISHED)
    await house.catalogue.remove(house.ada, "web")
    house.world.images.clear()
    again = await house.tasks.request(Wish(again_of=first.id), actor=house.ada)
    assert again.again_of == first.id
    assert again.id != first.id
    assert again.image == first.image
    assert again.release.interfaces == first.release.interfaces
    assert (again.resources, again.environment, again.parameters) == (
        first.resources,
        first.environment,
        first.parameters,
    )


async def test_again_takes_what_the_wish_says_otherwise(house: Installation) -> None:
    first = await house.tasks.request(Wish(software="web", environment={"X": "1"}), actor=house.ada)
    wish = Wish(again_of=first.id, name="more", memory=3 * GIB, environment={"Y": "2"}, parameters={"depth": "5"})
    again = await house.tasks.request(wish, actor=house.ada)
    assert again.name == "more"
    assert again.resources == replace(first.resources, memory=3 * GIB)
    assert again.environment == {**first.environment, "Y": "2"}
    assert again.parameters == {**first.parameters, "depth": "5"}


async def test_nobody_runs_a_strangers_task_again(house: Installation) -> None:
    task = await house.tasks.request(Wish(image=WEB), actor=house.ada)
    with pytest.raises(MissingError):
        await house.tasks.request(Wish(again_of=task.id), actor=house.bob)
    assert (await house.tasks.request(Wish(again_of=task.id), actor=house.admin)).owner == house.admin.person.id


async def test_a_person_decides_what_a_task_may_do_with_their_home(house: Installation) -> None:
    await house.catalogue.add(house.ada, f"{ENTRY.replace('software: web', 'software: homely')}home: /home/ada\n")
    usual = await house.tasks.request(Wish(software="homely"), actor=house.ada)
    assert usual.release.home_access is HomeAccess.WRITE
    careful = await house.tasks.request(Wish(software="homely", home=HomeAccess.READ), actor=house.ada)
    assert careful.release.home_access is HomeAccess.READ
    again = await house.tasks.request(Wish(again_of=careful.id), actor=house.ada)
    assert again.release.home_access is HomeAccess.READ
    away = await house.tasks.request(Wish(again_of=careful.id, home=HomeAccess.NONE), actor=house.ada)
    assert (away.release.home, away.release.home_access) == ("/home/ada", HomeAccess.NONE)
    with pytest.raises(InvalidError) as caught:
        await house.tasks.request(Wish(software="web", home=HomeAccess.READ), actor=house.ada)
    assert caught.value.field == "home"
    assert (await house.tasks.request(Wish(software="web", home=HomeAccess.NONE), actor=house.ada)).release.home is None
