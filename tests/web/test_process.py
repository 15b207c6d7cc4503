"""The process `web` as it is really run: unprivileged, on two sockets, and gone when it is asked to go."""

import asyncio
import os
import pwd
import signal
import sys

import httpx
import pytest

from specola.clock import Clock
from specola.config import Settings
from specola.local_http import over_socket
from specola.supervisor.prepare import prepare
from tests.support.harness import short_folder

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def until_it_answers(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    """Wait until the sign-in page is there."""
    async with asyncio.timeout(30):
        while process.returncode is None:
            try:
                assert (await client.get("/sign-in")).status_code == 200
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
            else:
                return
    raise AssertionError("the process ended")


async def test_it_drops_privileges_serves_and_ends_though_streams_are_open() -> None:
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with short_folder() as folder:
        settings = Settings(data=folder, bind="127.0.0.1:1", run_as=user)
        await prepare(settings, Clock())
        environment = {**os.environ, "SPECOLA_DATA": str(folder), "SPECOLA_RUN_AS": user, "SPECOLA_BIND": settings.bind}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "specola", "web", env=environment)
        try:
            transport = over_socket(settings.web_socket)
            inner = over_socket(settings.internal_socket)
            async with (
                httpx.AsyncClient(transport=transport, base_url=settings.url) as client,
                httpx.AsyncClient(transport=inner, base_url="http://internal") as internal,
            ):
                await until_it_answers(client, process)
                for path in (settings.web_socket, settings.internal_socket):
                    assert path.stat().st_uid == pwd.getpwnam(user).pw_uid
                    assert path.stat().st_mode & 0o777 == 0o600
                async with internal.stream("GET", "/revocations") as answer:
                    assert await anext(answer.aiter_lines())
                    process.send_signal(signal.SIGTERM)
                    assert await asyncio.wait_for(process.wait(), 10) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
