"""Asking for a task on a place with queues: what a wish comes to, what is refused at once, what waits are expected."""

from dataclasses import replace
from datetime import timedelta

import pytest

from specola.domain.errors import InvalidError, LimitError, NotOfferedError
from specola.domain.offer import Amounts, Offer
from specola.domain.placement import Partition, Placement
from specola.domain.software import Resources
from specola.domain.task import Task, TaskState, Wish
from specola.services.offers import Offers
from tests.support.clusters import CLUSTER, OFFER, stands_for_a_cluster
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

GIB = 1024**3
HOUR = timedelta(hours=1)
ENTRY = """
software: web
title: Web page
image: example.test/web:1
resources: {cpus: 2, memory: 1GiB}
time: 2h
pre_stop: [save, --all]
interfaces:
  - {name: web, port: 8000}
"""


async def place(house: Installation, offer: Offer = OFFER) -> None:
    await stands_for_a_cluster(house.store, "here", clock=house.clock, offer=offer)


@pytest.fixture
async def cluster(house: Installation) -> Installation:
    """Return an installation whose one computing is a cluster, and that itself limits nothing."""
    generous = replace(house, limits=house.limits.model_copy(update={"cpus": None, "memory": None}))
    await generous.catalogue.add(generous.ada, ENTRY)
    await place(generous)
    return generous


def wish(time: timedelta | None = None, partition: str | None = None, project: str | None = None, **more: str) -> Wish:
    """Wish for the software, queued like this."""
    return Wish(software="web", placement=Placement(time=time, partition=partition, project=project, options=more))


async def test_all_that_is_asked_for_is_on_the_record(cluster: Installation) -> None:
    wanted = replace(wish(3 * HOUR, "gpu", "astro", qos="long"), cpus=8, memory=16 * GIB, gpus=2, gpu_model="a100")
    task = await cluster.tasks.request(wanted, actor=cluster.ada)
    assert task.placement == Placement(time=3 * HOUR, partition="gpu", project="astro", options={"qos": "long"})
    assert (task.resources.cpus, task.resources.gpus, task.resources.gpu_model) == (8, 2, "a100")
    assert task.release.pre_stop is not None
    assert task.release.pre_stop.command == ("save", "--all")
    assert await cluster.tasks.get(cluster.ada, task.id) == task


async def test_what_is_left_out_is_the_releases_then_the_computings(cluster: Installation) -> None:
    usual = await cluster.tasks.request(Wish(software="web"), actor=cluster.ada)
    assert usual.placement == Placement(time=2 * HOUR)
    await place(
        cluster,
        Offer(
            maximum=Amounts(time=HOUR, cpus=2),
            default=Amounts(time=HOUR / 2, cpus=2, memory=4 * GIB),
            partitions=("fat", "day"),
            projects=("students",),
        ),
    )
    lowered = await cluster.tasks.request(Wish(software="web"), actor=cluster.ada)
    assert lowered.placement == Placement(time=HOUR, partition="fat", project="students")
    from_image = await cluster.tasks.request(Wish(image="example.test/web:1"), actor=cluster.ada)
    assert from_image.placement.time == HOUR / 2
    assert (from_image.resources.cpus, from_image.resources.memory) == (2, 4 * GIB)


REFUSED = [
    (wish(partition="moon"), NotOfferedError, "no partition “moon”", "day, fat, gpu", "partition"),
    (wish(project="biology"), NotOfferedError, "no project “biology”", "astro, students", "project"),
    (wish(licence="x"), NotOfferedError, "no option “licence”", "qos, constraint", "queue_options.licence"),
    (wish(qos="huge"), NotOfferedError, "no value for “qos” “huge”", "short, long", "queue_options.qos"),
    (wish(constraint="a b"), NotOfferedError, "no value for “constraint”", "", "queue_options.constraint"),
    (wish(25 * HOUR), LimitError, "at most 1d is allowed", "choose another partition: fat, gpu", "time"),
    (wish(100 * HOUR, "fat"), LimitError, "of time in the partition “fat”; at most 3d", "gpu", "time"),
    (replace(wish(), cpus=5), LimitError, "5 CPUs on one machine of “day”; at most 4", "fat, gpu", "cpus"),
    (replace(wish(), cpus=65), LimitError, "65 CPUs", "Ask for fewer CPUs.", "cpus"),
    (replace(wish(), memory=9 * GIB), LimitError, "9GiB of memory on one machine of “day”", "fat", "memory"),
    (replace(wish(), gpus=1), LimitError, "1 GPUs; at most 0", "no GPUs here", "gpus"),
    (replace(wish(partition="gpu"), gpus=5), LimitError, "5 GPUs; at most 4", "at most 4", "gpus"),
    (replace(wish(partition="gpu"), gpus=2, gpu_model="l4"), LimitError, "2 GPUs; at most 1", "", "gpus"),
    (replace(wish(partition="gpu"), gpus=1, gpu_model="h200"), NotOfferedError, "“h200”", "a100, l4", "gpu_model"),
    (replace(wish(), gpus=-1), InvalidError, "negative", "", "gpus"),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "sentence", "hint", "field"), REFUSED, ids=[f"{one[4]}: {one[2]}" for one in REFUSED]
)
async def test_what_can_never_start_there_is_refused_at_once_with_the_reason_and_a_hint(
    cluster: Installation, wanted: Wish, kind: type[InvalidError | LimitError], sentence: str, hint: str, field: str
) -> None:
    with pytest.raises(kind) as refused:
        await cluster.tasks.request(wanted, actor=cluster.ada)
    assert sentence in refused.value.sentence
    assert hint in refused.value.hint
    assert isinstance(refused.value, InvalidError | LimitError)
    assert refused.value.field == field
    assert (await cluster.tasks.list(cluster.ada)).tasks == []


async def test_what_the_record_allows_is_the_most_whatever_the_machines_have(cluster: Installation) -> None:
    await place(cluster, Offer(maximum=Amounts(cpus=2, memory=2 * GIB, time=HOUR, gpus=0), partitions=("fat",)))
    for wanted in (
        replace(wish(), cpus=3),
        replace(wish(), memory=3 * GIB),
        wish(2 * HOUR),
        replace(wish(), gpus=1),
    ):
        with pytest.raises(LimitError):
            await cluster.tasks.request(wanted, actor=cluster.ada)
    with pytest.raises(NotOfferedError, match="no partition “day”"):
        await cluster.tasks.request(wish(partition="day"), actor=cluster.ada)


async def test_a_time_is_taken_where_nothing_limits_it_and_a_queue_refused_where_there_is_none(
    house: Installation,
) -> None:
    await house.catalogue.add(house.ada, ENTRY)
    task = await house.tasks.request(wish(100 * HOUR), actor=house.ada)
    assert task.placement == Placement(time=100 * HOUR)
    for wanted in (wish(partition="day"), wish(project="astro"), wish(qos="short")):
        with pytest.raises(NotOfferedError) as refused:
            await house.tasks.request(wanted, actor=house.ada)
        assert refused.value.hint == "Leave it out, or choose another computing."


async def test_a_host_without_a_scheduler_has_no_queue(cluster: Installation) -> None:
    probe = replace(CLUSTER, scheduler="none", partitions=(), projects=())
    await stands_for_a_cluster(cluster.store, "here", clock=cluster.clock, probe=probe)
    offers = Offers(store=cluster.store, computings=cluster.computings, limits=cluster.limits)
    offer = await offers.of(cluster.ada, "here")
    assert (offer.queues, offer.most.cpus, offer.most.time) == (False, 84, None)
    with pytest.raises(NotOfferedError):
        await cluster.tasks.request(wish(project="astro"), actor=cluster.ada)
    assert (await cluster.tasks.request(wish(9 * HOUR), actor=cluster.ada)).placement.time == 9 * HOUR


async def test_any_account_is_taken_where_the_cluster_tells_none(cluster: Installation) -> None:
    probe = replace(CLUSTER, projects=())
    await stands_for_a_cluster(cluster.store, "here", clock=cluster.clock, probe=probe)
    task = await cluster.tasks.request(wish(project="whatever"), actor=cluster.ada)
    assert task.placement.project == "whatever"
    with pytest.raises(NotOfferedError):
        await cluster.tasks.request(wish(project="--export=ALL"), actor=cluster.ada)


async def test_again_keeps_how_it_was_queued_and_takes_what_the_wish_changes(cluster: Installation) -> None:
    wanted = replace(wish(3 * HOUR, "gpu", "astro", qos="long"), gpus=1, gpu_model="l4")
    first = await cluster.tasks.request(wanted, actor=cluster.ada)
    again = await cluster.tasks.request(Wish(again_of=first.id), actor=cluster.ada)
    assert (again.placement, again.resources) == (first.placement, first.resources)
    changed = await cluster.tasks.request(
        Wish(again_of=first.id, gpus=0, placement=Placement(time=HOUR, partition="fat")), actor=cluster.ada
    )
    assert changed.placement == Placement(time=HOUR, partition="fat", project="astro", options={"qos": "long"})


async def test_a_key_with_another_placement_is_another_wish(cluster: Installation) -> None:
    first = await cluster.tasks.request(wish(HOUR), actor=cluster.ada, key="k")
    assert (await cluster.tasks.request(wish(HOUR), actor=cluster.ada, key="k")).id == first.id
    with pytest.raises(Exception, match="another wish"):
        await cluster.tasks.request(wish(2 * HOUR), actor=cluster.ada, key="k")


async def waited(house: Installation, task: Task, minutes: int) -> None:
    """Let a task have started so many minutes after it was asked for, and end it."""
    async with house.store.write() as tx:
        known = await tx.tasks.get(task.id)
        await tx.tasks.save(replace(known, begun=known.created + timedelta(minutes=minutes)))
    await house.move(task, TaskState.STOPPED)


async def test_the_wait_of_earlier_tasks_like_it_says_when_one_is_expected_to_start(cluster: Installation) -> None:
    offers = Offers(store=cluster.store, computings=cluster.computings, limits=cluster.limits)
    size = Resources(cpus=2, memory=GIB)
    for minutes in (4, 5, 30):
        assert await offers.wait(cluster.ada, "here", resources=size) is None
        task = await cluster.tasks.request(Wish(software="web"), actor=cluster.ada)
        assert task.forecast is None
        await waited(cluster, task, minutes)
    expected = await offers.wait(cluster.ada, "here", resources=size)
    assert expected is not None
    assert (expected.count, expected.median, expected.longest) == (3, timedelta(minutes=5), timedelta(minutes=30))
    task = await cluster.tasks.request(Wish(software="web"), actor=cluster.ada)
    assert task.forecast is not None
    assert (task.forecast.starts, task.forecast.source) == (task.created + timedelta(minutes=5), "history")
    assert task.forecast.latest == task.created + timedelta(minutes=30)
    assert await offers.wait(cluster.ada, "here", resources=size, partition="fat") is None


async def test_an_offer_changes_with_the_partition(cluster: Installation) -> None:
    offers = Offers(store=cluster.store, computings=cluster.computings, limits=cluster.limits)
    day, gpu = await offers.of(cluster.ada, "here"), await offers.of(cluster.ada, "here", partition="gpu")
    assert (day.most.cpus, day.most.time, day.most.gpus, day.models) == (4, 24 * HOUR, 0, ())
    assert (gpu.most.cpus, gpu.most.time, gpu.most.gpus, gpu.models) == (16, None, 4, ("a100", "l4"))
    assert [one.name for one in day.partitions] == ["day", "fat", "gpu"]
    assert day.queues
    assert isinstance(day.partition, Partition)
