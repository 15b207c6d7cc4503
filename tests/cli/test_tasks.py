"""Tasks on the command line: run, ls, show, logs, open, stop, rm."""

import asyncio
import signal

import pytest

from tests.cli.conftest import Program
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEB = "example.test/web:1"


async def test_an_image_is_run_shown_opened_stopped_and_removed(ada: Program) -> None:
    started = await ada("run", WEB, "--name", "first", "--memory", "512MiB", "--env", "A=b=c", "--wait", "30", "--json")
    assert started.code == 0, started.err
    task = started.json
    assert (task["name"], task["state"], task["reason"]["code"]) == ("first", "running", "running")
    [interface] = task["interfaces"]
    assert {"name", "protocol", "port", "ready", "url"} <= set(interface)
    assert (task["environment"], task["resources"]["memory"]) == ({"A": "b=c"}, 512 * 1024**2)
    assert (await ada("show", "first", "--json")).json == task
    shown = await ada("show", "first")
    assert interface["url"] in shown.out
    assert "\x1b" not in shown.out
    listed = await ada("ls")
    assert "first" in listed.out
    assert (await ada("open", "first")).out.strip() == interface["url"]
    assert (await ada("open", "first", "web", "--json")).json == {"url": interface["url"]}
    assert (await ada("open", "first", "terminal")).out.strip() == task["terminal"]
    assert task["terminal"].partition("//")[2].startswith(f"terminal--{task['id']}.")
    assert "web" in (await ada("open", "first", "desktop")).err
    assert (await ada("rm", "first")).code == 5
    stopped = await ada("stop", "first", "--wait", "30")
    assert (stopped.code, stopped.out) == (0, "first: stopped\n")
    assert "first" not in (await ada("ls")).out
    assert "first" in {one["name"] for one in (await ada("ls", "--all", "--json")).json}
    assert "serving" in (await ada("logs", "first")).out
    assert (await ada("rm", "first")).out == "first: removed\n"
    assert (await ada("show", "first")).code == 4


async def test_a_name_of_the_catalogue_is_software(ada: Program) -> None:
    definition = "software: web\ntitle: The web\nimage: example.test/web:1\ninterfaces: [{name: here, port: 8000}]\n"
    assert (await ada("software", "add", "-", stdin=definition)).code == 0
    task = (await ada("run", "web", "--wait", "30", "--json")).json
    assert (task["title"], task["interfaces"][0]["name"]) == ("The web", "here")


async def test_what_is_neither_software_nor_image_is_missing(ada: Program) -> None:
    ran = await ada("run", "nothing-like-that")
    assert ran.code == 4
    assert "nothing-like-that" in ran.err
    unknown = await ada("run", "example.test/nothing:1")
    assert unknown.code == 2
    assert "example.test/nothing:1" in unknown.err


async def test_a_task_that_fails_tells_why_and_shows_its_last_lines(ada: Program) -> None:
    ran = await ada("run", "example.test/exits:1", "--name", "broken", "--wait", "30")
    assert ran.code == 1
    assert "“broken” has failed" in ran.err
    assert "no such setting" in ran.err
    as_json = await ada("run", "example.test/exits:1", "--wait", "30", "--json")
    assert (as_json.code, as_json.json["state"]) == (1, "failed")


async def test_a_command_that_ends_well_is_good(ada: Program) -> None:
    definition = "software: answer\ntitle: Answer\nimage: example.test/done:1\ninterfaces: []\n"
    assert (await ada("software", "add", "-", stdin=definition)).code == 0
    ran = await ada("run", "answer", "--wait", "30", "--json")
    assert (ran.code, ran.json["state"]) == (0, "finished")


async def test_waiting_tells_each_step_and_ends_with_its_time(ada: Program, platform: Platform) -> None:
    ran = await ada("run", "example.test/slow:1", "--name", "slow", "--wait", "1")
    platform.world.let_go("example.test/slow:1")
    assert ran.code == 6
    assert ran.err.count("Fetching the image.") == 1
    assert "“slow” is still starting after 1 s." in ran.err


async def test_logs_are_followed_to_the_end(ada: Program, platform: Platform) -> None:
    task = (await ada("run", WEB, "--wait", "30", "--json")).json
    handle = (await platform.record(task["id"])).handle
    assert handle is not None
    process = await ada.start("logs", "-f", task["id"])
    assert process.stdout is not None
    assert await process.stdout.readline() == b"serving\n"
    await platform.world.say(handle, "late")
    assert await process.stdout.readline() == b"late\n"
    await platform.world.kill(handle, exit_code=0)
    assert await process.wait() == 0


async def test_an_interrupt_ends_with_130_and_no_traceback(ada: Program) -> None:
    task = (await ada("run", WEB, "--wait", "30", "--json")).json
    process = await ada.start("logs", "-f", task["id"])
    assert process.stdout is not None
    assert await process.stdout.readline() == b"serving\n"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err


async def test_a_reader_that_goes_ends_it_quietly(ada: Program, platform: Platform) -> None:
    task = (await ada("run", WEB, "--wait", "30", "--json")).json
    handle = (await platform.record(task["id"])).handle
    assert handle is not None
    process = await ada.start("logs", "-f", task["id"])
    assert process.stdout is not None
    assert process.stderr is not None
    assert await process.stdout.readline() == b"serving\n"
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # asyncio gives no other way
    async with asyncio.timeout(60):
        while process.returncode is None:
            await platform.world.say(handle, "more")
            await asyncio.sleep(0)
            if process.returncode is None:
                try:
                    await asyncio.wait_for(process.wait(), 0.05)
                except TimeoutError:
                    continue
    assert (process.returncode, await process.stderr.read()) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", WEB, "--memory", "lots"),
        ("run", WEB, "--env", "NOEQUALS"),
        ("run", WEB, "--cpus", "-3"),
        ("run",),
        ("logs", "--tail", "-1", "x"),
        ("nonsense",),
        ("ls", "--nonsense"),
    ],
)
async def test_what_is_not_valid_is_2(ada: Program, arguments: tuple[str, ...]) -> None:
    ran = await ada(*arguments)
    assert ran.code == 2
    assert ran.err
    assert "Traceback" not in ran.err


async def test_limits_are_5(ada: Program) -> None:
    assert (await ada("run", WEB, "--memory", "100TiB")).code == 5
