"""What an engine's containers get, and that a launch cut short anywhere is mended by the next."""

import asyncio
import contextlib
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from specola.computing.engine.config import EngineSettings
from specola.computing.engine.quirks import Memory, Quirks
from specola.computing.engine.trial import TRIAL, image_archive
from specola.domain.computing import Capability, HomeMount, Phase
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.software import Resources, RunsAs
from specola.ports.computing import HasLogs
from tests.support import commands
from tests.support.images import BARE_IMAGE, NAMED_USER_IMAGE
from tests.support.killed import kill_during
from tests.support.places import ECHO, HTTP, EnginePlace, Reports, a_launch, budget, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

STEPS = ("image_ready", "network_ready", "created", "prepared", "started")
SECOND = timedelta(seconds=1)
MIB = 1024**2


async def run(place: EnginePlace, handle: str, *command: str) -> tuple[int, str]:
    """Run a command in a task; return its code and what it wrote."""
    finished = await commands.run(place.computing, handle, command)
    return finished.code, (finished.output + finished.errors).decode()


async def texts(place: EnginePlace, handle: str) -> list[str]:
    assert isinstance(place.computing, HasLogs)
    return [line.text async for line in place.computing.logs(handle)]


@pytest.mark.parametrize("step", STEPS)
async def test_launch_that_was_killed_is_mended_by_the_next(engine: EnginePlace, step: str) -> None:
    launch = engine.shell("echo once; exec sleep 1000")
    await kill_during(engine, launch, after=step)
    handle = await engine.open().launch(launch, report=Reports(), budget=budget())
    assert await engine.starts(launch) == 1
    assert (await engine.observe(handle)).phase is Phase.RUNNING
    await until(lambda: wrote(engine, handle, "once"))
    assert await texts(engine, handle) == ["once"]
    assert len(await networks(engine)) == 1


async def test_removing_takes_the_network_too(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.web())
    assert len(await networks(engine)) == 1
    await engine.computing.remove(handle)
    assert await networks(engine) == []


async def test_container_has_no_rights_but_those_declared(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.shell("exec sleep 1000"))
    _, status = await run(local_engine, handle, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    config = (await local_engine.inspect(handle))["HostConfig"]
    assert isinstance(config, dict)
    assert config["PidsLimit"] == 4096
    assert config["Memory"] == config["MemorySwap"] == 128 * MIB
    assert config["Privileged"] is False
    assert not config["Devices"]


async def test_declared_capabilities_let_a_server_start_as_root_and_become_another_user(engine: EnginePlace) -> None:
    script = "mkdir /srv; chown 4711 /srv; exec su ann -c 'echo mine >/srv/file; id -u; sleep 1000'"
    launch = replace(engine.shell(script), capabilities=("CHOWN", "SETUID", "SETGID"))
    handle = await engine.launch(launch)
    await until(lambda: wrote(engine, handle, "4711"))


@pytest.mark.parametrize("capability", ["SYS_ADMIN", "NET_RAW", "ALL", "chown"])
async def test_other_capabilities_are_refused(engine: EnginePlace, capability: str) -> None:
    with pytest.raises(LaunchError) as caught:
        await engine.launch(replace(engine.web(), capabilities=(capability,)))
    assert caught.value.reason_code == "capability_refused"
    assert await engine.computing.discover() == {}


async def test_credential_is_a_file_that_the_task_alone_can_read(engine: EnginePlace) -> None:
    launch = replace(
        engine.shell(
            'cat "$SPECOLA_CREDENTIAL_FILE"; echo; stat -c "%a %u" "$SPECOLA_CREDENTIAL_FILE"; exec sleep 1000'
        ),
        user=RunsAs.HOME,
    )
    handle = await engine.launch(launch)
    await until(lambda: wrote(engine, handle, "400 4711"))
    assert (await texts(engine, handle))[0] == launch.credential
    told = str(await engine.inspect(handle))
    assert launch.credential not in told
    _, environment = await run(engine, handle, "cat", "/proc/1/environ", "/proc/1/cmdline")
    assert launch.credential not in environment
    assert "SPECOLA_CREDENTIAL_FILE=/.specola/credential" in environment
    assert launch.credential not in repr(launch)


async def test_home_is_kept_and_belongs_to_its_owner(local_engine: EnginePlace) -> None:
    home = HomeMount(key="ann", number=4711, path="/home/ann")
    script = "id -u; echo $HOME $USER $LOGNAME; cat $HOME/note; echo kept >$HOME/note; touch /x || echo closed"
    first = replace(local_engine.shell(script), user=RunsAs.HOME, home=home)
    handle = await local_engine.launch(first)
    await local_engine.ended(handle)
    assert {"4711", "/home/ann ann ann", "closed"} <= set(await texts(local_engine, handle))
    await local_engine.computing.remove(handle)
    folder = local_engine.context.data / "homes" / "ann"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (4711, 0o700)
    assert (folder / "note").stat().st_uid == 4711
    again = await local_engine.launch(replace(first, task="again00000"))
    await local_engine.ended(again)
    assert "kept" in await texts(local_engine, again)


async def test_home_is_not_mounted_where_the_images_user_has_another_number(engine: EnginePlace) -> None:
    reports = Reports()
    launch = replace(
        a_launch(NAMED_USER_IMAGE.reference, "sh", "-c", "id -u; ls /home; exec sleep 1000"),
        home=HomeMount(key="bob", number=12345, path="/home/bob"),
    )
    handle = await engine.launch(launch, reports)
    await until(lambda: wrote(engine, handle, "4711"))
    assert "home_not_mounted" in reports.codes
    assert "bob" not in await texts(engine, handle)
    assert not (engine.context.data / "homes" / "bob").exists()


async def test_home_is_mounted_where_the_images_named_user_has_its_number(local_engine: EnginePlace) -> None:
    launch = replace(
        a_launch(NAMED_USER_IMAGE.reference, "sh", "-c", "echo hi >/work/note && echo written; exec sleep 1000"),
        home=HomeMount(key="ann", number=4711, path="/work"),
    )
    handle = await local_engine.launch(launch)
    await until(lambda: wrote(local_engine, handle, "written"))
    assert (local_engine.context.data / "homes" / "ann" / "note").read_text() == "hi\n"


async def test_link_in_place_of_a_home_is_never_followed(local_engine: EnginePlace, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "homes").mkdir()
    (tmp_path / "homes" / "eve").symlink_to(precious)
    home = HomeMount(key="eve", number=4711, path="/home/eve")
    with pytest.raises(LaunchError):
        await local_engine.launch(replace(local_engine.web(), user=RunsAs.HOME, home=home))
    assert precious.stat().st_uid == os.geteuid()


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("..", "/home/x"),
        ("a/b", "/home/x"),
        ("", "/home/x"),
        ("ann", "/"),
        ("ann", "/proc/1"),
        ("ann", "/etc"),
        ("ann", "/run/specola"),
        ("ann", "/usr"),
        ("ann", "/a/../dev"),
        ("ann", "here"),
    ],
)
async def test_homes_at_dangerous_places_are_refused(engine: EnginePlace, key: str, path: str) -> None:
    launch = replace(engine.web(), user=RunsAs.HOME, home=HomeMount(key=key, number=4711, path=path))
    with pytest.raises(LaunchError) as caught:
        await engine.launch(launch)
    assert caught.value.reason_code == "home_refused"
    assert await engine.computing.discover() == {}


async def test_image_without_a_shell_can_be_looked_into_by_the_helper(engine: EnginePlace) -> None:
    handle = await engine.launch(a_launch(BARE_IMAGE.reference))
    code, output = await run(engine, handle, "/.specola/busybox", "wget", "-qO-", f"http://127.0.0.1:{HTTP}/")
    assert (code, output) == (0, "hello\n")


async def test_port_that_is_not_declared_is_reached_by_the_relay(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.shell("nc -ll -p 98 -e cat & exec sleep 1000"))
    await until(lambda: echoes(engine, handle, 98))


async def test_server_on_the_containers_own_loopback_is_reached(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.shell(f"exec httpd -f -p 127.0.0.1:{HTTP} -h /www"))
    await until(lambda: greets(engine, handle))
    if engine.tells_addresses:
        address = (await engine.observe(handle)).addresses[HTTP]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_port_on_which_nothing_listens_is_told_as_such(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.shell("exec sleep 1000"))
    for port in (ECHO, 4242):
        with pytest.raises(ComputingUnreachableError) as caught:
            await engine.computing.dial(handle, port)
        assert f"nothing listens on port {port}" in caught.value.sentence


async def test_command_that_does_not_exist_is_named(engine: EnginePlace) -> None:
    launch = replace(engine.web(), command=("no-such-program", "--port"))
    refused, handle = None, ""
    try:
        handle = await engine.launch(launch)
    except LaunchError as error:
        refused = error
    if refused is None:
        # The engine has a process 1 of its own, which started, and complained.
        assert (await engine.ended(handle)).exit_code == 127
        assert "no-such-program" in (await texts(engine, handle))[0]
    else:
        assert refused.reason_code == "command_unknown"
        assert "no-such-program" in refused.sentence
        assert await engine.computing.discover() == {}
        assert await networks(engine) == []


async def test_running_out_of_memory_is_told_as_such(local_engine: EnginePlace) -> None:
    launch = replace(
        local_engine.shell("exec dd if=/dev/zero of=/dev/null bs=400M count=1"), resources=Resources(memory=32 * MIB)
    )
    seen = await local_engine.ended(await local_engine.launch(launch))
    assert seen.exit_code == 137
    assert seen.reason == "out_of_memory"


async def test_long_lines_and_bytes_that_are_no_text_reach_the_log(engine: EnginePlace) -> None:
    script = (
        "yes long | head -c 100000 | while read -r x; do printf %s $x; done; echo; printf 'a\\377b\\r\\n'; printf end"
    )
    handle = await engine.launch(engine.shell(script))
    await engine.ended(handle)
    lines = await texts(engine, handle)
    assert "".join(lines[:-2]) == "long" * 20000
    assert lines[-2:] == ["a\ufffdb", "end"]


async def test_usage_measures_processor_time_between_two_questions(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.shell("while true; do :; done"))
    usage = engine.computing.usage  # type: ignore[attr-defined]  # every engine has it
    assert (await usage([handle]))[handle].cpus == 0
    busy = [0.0]

    async def look() -> bool:
        busy.append((await usage([handle]))[handle].cpus)
        return 0.3 < busy[-1] <= 1.5

    await until(look)


async def test_what_the_record_says_runs_even_if_the_name_means_another_image_now(engine: EnginePlace) -> None:
    details = await engine.computing.inspect_image(NAMED_USER_IMAGE.reference, budget())  # type: ignore[attr-defined]  # every engine has it
    launch = replace(engine.web(), image_id=details.id)
    assert (await engine.observe(await engine.launch(launch))).image_id == details.id == NAMED_USER_IMAGE.id


async def test_probe_tells_what_containers_get(local_engine: EnginePlace) -> None:
    probe = await local_engine.computing.probe(budget())
    assert {Capability.HOMES, Capability.ISOLATION, Capability.DIRECT_TCP, Capability.EXECUTE} <= probe.capabilities
    assert not [one for one in probe.findings if one.code in {"rootless", "no_firewall", "no_limits", "no_helper"}]


async def echoes(place: EnginePlace, handle: str, port: int) -> bool:
    """Tell whether a port answers with what it is sent."""
    return await answer(place, handle, port, b"through") == b"through"


async def greets(place: EnginePlace, handle: str) -> bool:
    """Tell whether the test image's web server answers."""
    return (await answer(place, handle, HTTP, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"hello\n")


async def answer(place: EnginePlace, handle: str, port: int, question: bytes) -> bytes:
    """Return all that a port answers to a question; nothing if it cannot be dialled yet, or its server is just beginning."""
    try:
        stream = await place.computing.dial(handle, port)
    except ComputingUnreachableError:
        return b""
    try:
        await stream.write(question)
        await stream.end()
        back = b""
        with contextlib.suppress(ConnectionResetError):
            while data := await stream.read():
                back += data
        return back
    finally:
        await stream.close()


async def test_probe_finds_out_how_containers_start_here_and_remembers_it(engine: EnginePlace) -> None:
    left = f"localhost/specola-{engine.context.installation}-left:1"
    await engine.engine.load(image_archive(left, helper=b"nothing", machine="amd64"))
    probe = await engine.computing.probe(budget())
    assert [one for one in probe.findings if one.code == "no_start"] == []
    remembered = Memory(
        engine.context.data / "engines" / f"{engine.name}.json", EngineSettings.model_validate(engine.settings).address
    ).read()
    assert remembered is not None
    assert await engine.computing.discover() == {}
    assert await trials(engine) == [left]
    await engine.engine.docker.images.delete(left)
    handle = await engine.open().launch(engine.web(), report=Reports(), budget=budget())
    config = (await engine.inspect(handle))["HostConfig"]
    assert isinstance(config, dict)
    assert bool(config["Ulimits"]) is remembered.limits or engine.name != "docker"
    again = Memory(
        engine.context.data / "engines" / f"{engine.name}.json", EngineSettings.model_validate(engine.settings).address
    ).read()
    assert again == remembered


async def test_probe_looks_again_for_what_was_missing_once(local_engine: EnginePlace) -> None:
    memory = Memory(
        local_engine.context.data / "engines" / f"{local_engine.name}.json",
        EngineSettings.model_validate(local_engine.settings).address,
    )
    memory.write(Quirks(no_controllers=("cpu", "pids")))
    probe = await local_engine.computing.probe(budget())
    assert [one for one in probe.findings if one.code == "no_limits"] == []
    remembered = memory.read()
    assert remembered is not None
    assert remembered.no_controllers == ()
    handle = await local_engine.launch(local_engine.web())
    config = (await local_engine.inspect(handle))["HostConfig"]
    assert isinstance(config, dict)
    assert config["PidsLimit"] > 0


async def test_task_given_up_before_it_had_a_container_leaves_no_network(engine: EnginePlace) -> None:
    with pytest.raises(asyncio.CancelledError):
        await engine.launch(engine.web(), Reports(stop_after="network_ready"))
    assert await networks(engine) == []


async def trials(place: EnginePlace) -> list[str]:
    """Return the names of trial images of this installation; others come and go meanwhile, as of other tests."""
    found = await place.engine.docker.images.list(filters={"label": [TRIAL]})
    return [one["Labels"][TRIAL] for one in found if place.context.installation in one["Labels"][TRIAL]]


async def wrote(place: EnginePlace, handle: str, text: str) -> bool:
    return text in await texts(place, handle)


async def networks(place: EnginePlace) -> list[str]:
    found = await place.engine.docker.networks.list(
        filters={"label": f"org.specola.installation={place.context.installation}"}
    )
    return [one["Name"] for one in found]
