"""A real database in a real container, reached by its own unmodified clients through tunnels."""

import asyncio
import json
import os
import sys

import pytest

from tests.support.installed import Installed

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.xdist_group("podman-e2e")]

ROWS = 100_000
WIDE = "copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout"


async def test_psql_and_pgbench_work_by_connect_and_by_forward(platform: Installed) -> None:
    code, output, errors = await platform.command("run", "postgresql", "--name", "pg", "--wait", "90", "--json")
    assert code == 0, errors

    async def connect(*words: str) -> str:
        code, output, errors = await platform.command("connect", "pg", "database", "--", *words)
        assert code == 0, errors
        return output

    assert (await connect("psql", "-Atc", "select current_user")) == "postgres\n"
    assert len(await connect("psql", "-qAtc", WIDE)) == 1001 * 100_000
    await connect("pgbench", "--initialize", "--quiet")
    assert "number of failed transactions: 0" in await connect("pgbench", "--client=8", "--time=2", "--no-vacuum")

    environment = platform.environment | {"SPECOLA_URL": platform.url, "SPECOLA_TOKEN": platform.token}
    forward = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "specola", "forward", "pg", "5432:0", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert forward.stdout is not None
    [place] = json.loads(await forward.stdout.readline())
    async with platform.api() as api:
        task = json.loads(output)["id"]
        credential = (await api.get(f"/tasks/{task}/interfaces/database/credential")).json()["credential"]
    psql = await asyncio.create_subprocess_exec(
        *("psql", "-h", place["host"], "-p", str(place["port"]), "-U", "postgres"),
        *("-Atc", "select count(*) from pgbench_accounts"),
        env={**os.environ, "PGPASSWORD": credential},
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await psql.communicate())[0] == f"{ROWS}\n".encode()
    code, _, wrong = await platform.command("connect", "pg", "database", "--", "env", "PGPASSWORD=no", "psql", "-c", "")
    assert (code, "password authentication failed" in wrong) == (2, True)

    assert (await platform.command("stop", "pg"))[0] == 0
    _, errors_of_forward = await forward.communicate()
    assert (forward.returncode, b"Traceback" in errors_of_forward) == (5, False)
