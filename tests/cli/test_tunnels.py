"""`specola forward` and `specola connect`: a task's interfaces on one's own machine."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from specola.domain.person import Scope
from tests.cli.conftest import Program
from tests.support.callers import Callers
from tests.support.harness import Platform
from tests.support.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEFINITION = """
software: echoes
title: Echoes
image: example.test/web:1
interfaces:
  - {name: echo, port: 7007, protocol: tcp}
  - {name: db, port: 5432, protocol: postgres}
  - {name: store, port: 6379, protocol: redis}
  - {name: web, port: 8000}
"""
SHOW = "import os, sys; print({name: os.environ.get(name) for name in sys.argv[1:]})"


@pytest.fixture(scope="module")
async def task(platform: Platform, callers: Callers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A running task of ada's that echoes what it is sent; its name is `echoing`."""
    url, token = platform.settings.url, await callers.token("ada")
    ada = Program(tmp_path_factory.mktemp("ada"), {"SPECOLA_URL": url, "SPECOLA_TOKEN": token})
    assert (await ada("software", "add", "-", stdin=DEFINITION)).code == 0
    started = await ada("run", "echoes", "--name", "echoing", "--wait", "30", "--json")
    return str(started.json["id"])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]


@asynccontextmanager
async def forwarding(program: Program, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[Any]]]:
    """Run `specola forward` for the body; yields the process, and where everything is."""
    process = await program.start("forward", *arguments, "--json")
    assert process.stdout is not None
    line = await process.stdout.readline()
    try:
        assert line, (await process.communicate())[1].decode()
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def echoed(port: int, said: bytes) -> bytes:
    """Say something at a local port, end, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


# -- forward


async def test_several_interfaces_are_here_by_name_and_by_number(ada: Program, task: str) -> None:
    ports = [free_port() for _ in range(2)]
    async with forwarding(ada, task, f"echo:{ports[0]}", f"8000:{ports[1]}") as (_, places):
        assert [(one["interface"], one["port"], one["host"]) for one in places] == [
            ("echo", ports[0], "127.0.0.1"),
            ("web", ports[1], "127.0.0.1"),
        ]
        block = bytes(range(256)) * 4000
        assert await echoed(ports[0], block) == block
        assert b"200 OK" in await echoed(ports[1], b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


async def test_a_hundred_connections_at_once(ada: Program, task: str) -> None:
    async with forwarding(ada, task, "echo:0") as (_, places):
        said = [b"%d," % number * 5000 for number in range(100)]
        assert await asyncio.gather(*(echoed(places[0]["port"], one) for one in said)) == said


async def test_what_happens_is_told_in_lines(ada: Program, task: str) -> None:
    process = await ada.start("forward", task, "echo:0")
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    assert "→ echo of echoing (tcp, port 7007)" in first
    assert await echoed(int(first.split(" ")[0].rpartition(":")[2]), b"hello") == b"hello"
    assert "echo: a connection began; 1 open, 1 in all" in (await process.stdout.readline()).decode()
    assert "0 open, 1 in all, 5 B received, 5 B sent" in (await process.stdout.readline()).decode()
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, b"Traceback" in err) == (130, False)


async def test_the_next_free_port_is_taken_unless_one_is_named(ada: Program, task: str, taken: int) -> None:
    async with forwarding(ada, task, "echo", "echo") as (_, places):
        assert len({one["port"] for one in places}) == 2
    ran = await ada("forward", task, f"echo:{taken}")
    assert (ran.code, f"127.0.0.1:{taken} of this machine cannot be listened at" in ran.err) == (5, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nothing", "echo"), 4, "There is no task “nothing”."),
        (("echoing", "other"), 4, "Interfaces of echoing: echo (7007), db (5432), store (6379), web (8000)."),
        (("echoing", "echo:high"), 2, "“echo:high” is not INTERFACE or INTERFACE:LOCALPORT."),
        (("echoing", "echo", "--bind", "here"), 2, "“here” is no address."),
        (("echoing",), 2, "Missing argument"),
    ],
)
async def test_what_is_wrong_is_said(ada: Program, task: str, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = await ada("forward", *arguments)
    assert (ran.code, said in ran.err, "Traceback" in ran.err) == (code, True, False), ran.err


async def test_what_is_not_ready_is_6_and_what_has_ended_is_5(ada: Program) -> None:
    started = await ada("run", "example.test/deaf:1", "--name", "deaf", "--json")
    assert started.code == 0
    waiting = await ada("forward", "deaf", "web")
    assert (waiting.code, "is not ready" in waiting.err) == (6, True)
    patient = await ada("forward", "deaf", "web", "--wait", "0.5")
    assert (patient.code, "is not ready" in patient.err) == (6, True)
    await ada("stop", "deaf", "--wait", "30")
    ended = await ada("forward", "deaf", "web")
    assert (ended.code, "“deaf” is stopped." in ended.err) == (5, True)


async def test_a_token_that_opens_no_tasks_is_3(ada: Program, callers: Callers, task: str) -> None:
    token = await callers.token("ada", Scope.READ)
    ran = await ada("forward", task, "echo", SPECOLA_TOKEN=token)
    assert (ran.code, "connect" in ran.err) == (3, True)


async def test_a_platform_that_is_away_is_6(ada: Program) -> None:
    ran = await ada("forward", "any", "echo", SPECOLA_URL=f"http://localhost:{free_port()}")
    assert (ran.code, "does not answer" in ran.err) == (6, True)


async def test_it_ends_with_its_task(ada: Program) -> None:
    task = (await ada("run", "echoes", "--name", "ending", "--wait", "30", "--json")).json["id"]
    async with forwarding(ada, task, "echo:0") as (process, places):
        reader, writer = await asyncio.open_connection("127.0.0.1", places[0]["port"])
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert (await ada("stop", task)).code == 0
        _, err = await process.communicate()
        assert (process.returncode, "“ending” is" in err.decode()) == (5, True)
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()


async def test_it_ends_with_the_right_to_use_it(ada: Program, platform: Platform, callers: Callers, task: str) -> None:
    actor = await callers.actor("ada")
    people = platform.services.people
    shown = await people.create_token(actor, name="short", scopes=frozenset({Scope.READ, Scope.CONNECT}), days=1)
    program = Program(ada.home, {**ada.environment, "SPECOLA_TOKEN": shown.secret})
    async with forwarding(program, task, "echo:0") as (process, places):
        assert await echoed(places[0]["port"], b"still") == b"still"
        await people.revoke_token(actor, shown.value.id)
        _, writer = await asyncio.open_connection("127.0.0.1", places[0]["port"])
        _, err = await process.communicate()
        assert process.returncode == 3, err.decode()
        writer.close()


async def test_it_outlives_a_gateway(ada: Program, platform: Platform, task: str) -> None:
    async with forwarding(ada, task, "echo:0") as (process, places):
        port = places[0]["port"]
        assert await echoed(port, b"before") == b"before"
        await platform.kill("gateway")
        platform.begin("gateway")
        async with asyncio.timeout(20):
            while True:
                try:
                    if await echoed(port, b"after") == b"after":
                        break
                except ConnectionError:
                    await asyncio.sleep(0.05)
        assert process.returncode is None


# -- connect


async def test_a_client_finds_a_database(ada: Program, platform: Platform, callers: Callers, task: str) -> None:
    names = ("PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD", "SPECOLA_PASSWORD")
    ran = await ada("connect", task, "db", "--", sys.executable, "-c", SHOW, *names, PGDATABASE="mine")
    credential = await platform.services.tasks.credential(await callers.actor("ada"), task, "db")
    assert ran.code == 0, ran.err
    assert eval(ran.out) == {  # noqa: S307 - our own program printed it
        "PGHOST": "127.0.0.1",
        "PGUSER": "postgres",
        "PGDATABASE": "mine",
        "PGPASSWORD": credential,
        "SPECOLA_PASSWORD": credential,
    }
    assert credential not in ran.err


async def test_words_are_filled_in(ada: Program, platform: Platform, callers: Callers, task: str) -> None:
    program = "import os, sys; print(sys.argv[1:], os.environ['REDIS_URL'])"
    ran = await ada("connect", task, "store", "--", sys.executable, "-c", program, "{host}:{port}", "{password}", "{x}")
    credential = await platform.services.tasks.credential(await callers.actor("ada"), task, "store")
    words, address = ran.out.rsplit("] ", 1)
    assert credential in words
    assert "{x}" in words
    assert address.startswith(f"redis://:{credential}@127.0.0.1:")
    assert "Others on this machine may see" in ran.err


async def test_a_client_speaks_to_the_task_and_its_exit_code_counts(ada: Program, task: str) -> None:
    program = (
        "import os, socket, sys\n"
        "one = socket.create_connection((os.environ['SPECOLA_HOST'], int(os.environ['SPECOLA_PORT'])))\n"
        "one.sendall(b'hello'); one.shutdown(socket.SHUT_WR)\n"
        "print(one.makefile().read()); sys.exit(7)"
    )
    ran = await ada("connect", task, "echo", "--", sys.executable, "-c", program)
    assert (ran.code, ran.out) == (7, "hello\n")


async def test_signals_go_on_to_the_client(ada: Program, task: str) -> None:
    program = "import signal; print('up', flush=True); signal.pause()"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        process = await ada.start("connect", task, "echo", "--", sys.executable, "-c", program)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        process.send_signal(number)
        _, err = await process.communicate()
        assert (process.returncode, err) == (code, b"")


async def test_a_command_that_is_not_there_is_127(ada: Program, task: str) -> None:
    ran = await ada("connect", task, "echo", "--", "no-such-client")
    assert (ran.code, "no-such-client" in ran.err) == (127, True)
    assert (await ada("connect", task, "echo")).code == 2


async def test_standard_input_and_output_are_carried_with_their_ends(ada: Program, task: str) -> None:
    said = "a line\n" * 50_000
    ran = await ada("connect", task, "echo", "--stdio", stdin=said)
    assert (ran.code, ran.out == said, ran.err) == (0, True, "")


async def test_trouble_is_told_without_a_traceback(ada: Program, platform: Platform) -> None:
    task = (await ada("run", "echoes", "--name", "dying", "--wait", "30", "--json")).json["id"]
    process = await ada.start("connect", task, "echo", "--stdio")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"hello\n")
    assert await process.stdout.readline() == b"hello\n"
    assert (await ada("stop", task)).code == 0
    _, err = await process.communicate()
    assert (process.returncode, "“dying” is being stopped." in err.decode()) == (5, True)
