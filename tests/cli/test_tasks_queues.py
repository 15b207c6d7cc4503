"""Queues on the command line: `run` with its options, and what `ls` and `show` tell of a task that waits."""

from datetime import UTC, datetime, timedelta

import pytest

from specola.computing.memory.world import Waiting
from specola.domain.placement import Forecast
from tests.cli.conftest import Program
from tests.support.clusters import becomes_a_cluster
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEB = "example.test/web:1"


async def test_a_task_is_queued_as_asked_and_tells_why_it_waits_and_when_it_ends(
    ada: Program, platform: Platform
) -> None:
    forecast = Forecast(starts=datetime.now(UTC) + timedelta(hours=3, seconds=30), source="scheduler")
    waiting = Waiting(reason="resources", raw="PENDING (Resources)", forecast=forecast)
    await becomes_a_cluster(platform, queue=waiting)
    asked = ("--on", "local", "--cpus", "2", "--memory", "4GiB", "--gpus", "l4:1", "--time", "90m")
    queue = ("--partition", "gpu", "--account", "students", "--queue-option", "qos=short")
    ran = await ada("run", WEB, "--name", "queued", *asked, *queue, "--json")
    assert ran.code == 0, ran.err
    task = ran.json
    assert task["placement"] == {
        "time": "1h30m",
        "partition": "gpu",
        "project": "students",
        "queue_options": {"qos": "short"},
    }
    waited = await ada("run", WEB, "--name", "waited", *asked, *queue, "--wait", "3")
    assert waited.code == 6
    assert "It waits for enough free CPUs, memory or GPUs." in waited.err
    shown = (await ada("show", "waited")).out
    assert "in the queue" in shown
    assert "PENDING (Resources)" in shown
    assert "to start in 3 h, as the scheduler expects" in shown
    assert "partition gpu, booked on students, time 1h30m, qos=short" in shown
    assert "in the queue" in (await ada("ls")).out
    handle = next(name for name, one in platform.world.containers.items() if one.launch.task == task["id"])
    deadline = datetime.now(UTC) + timedelta(hours=2, seconds=30)
    await platform.world.start(handle, node="n7", deadline=deadline)
    running = (await ada("show", "queued", "--json")).json
    while running["state"] != "running":
        running = (await ada("show", "queued", "--json")).json
    assert (running["node"], running["waits"]) == ("n7", False)
    listed = (await ada("ls")).out
    assert "2 h" in listed
    assert "LEFT" in listed
    assert "in 2 h" in (await ada("show", "queued")).out
    for name in ("queued", "waited"):
        assert (await ada("stop", name, "--wait", "30")).code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--time", "90"), "is not a duration"),
        (("--gpus", "many"), "is not a number of GPUs"),
        (("--queue-option", "qos"), "is not NAME=VALUE"),
        (("--partition", "moon"), "has no partition “moon”"),
        (("--time", "2d"), "at most 1d is allowed"),
    ],
)
async def test_what_cannot_be_is_told_at_once_with_what_can(
    ada: Program, platform: Platform, options: tuple[str, ...], told: str
) -> None:
    await becomes_a_cluster(platform)
    ran = await ada("run", WEB, *options)
    assert ran.code != 0
    assert told in ran.err
