"""A PostgreSQL task at its own TLS name, by libpq as people install it, with nothing of Specola in between."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.certificates import make_certificate
from tests.support.engines import PrivateEngine
from tests.support.installed import Installed, installed, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.timeout(600)]


def ask(where: dict[str, Any]) -> int:
    with psycopg.connect(
        user="postgres", dbname="postgres", sslmode="verify-full", sslnegotiation="direct", **where
    ) as connection:
        row = connection.execute("SELECT 6 * 7").fetchone()
        assert row is not None
        return int(row[0])


async def told(platform: Installed, *words: str) -> Any:
    code, output, errors = await platform.command(*words, "--json")
    assert code == 0, errors
    return json.loads(output)


async def test_libpq_reaches_a_task_by_its_name_until_its_certificate_is_taken_back(
    demonstrations: PrivateEngine, data_folder: Path, tmp_path: Path
) -> None:
    tls = make_certificate(data_folder.parent, "localhost", "*.tasks.test")
    async with installed(data_folder, engine=demonstrations.url, tls=tls) as platform:
        task = (await told(platform, "run", "postgresql", "--wait", "120"))["id"]
        files = (await told(platform, "cert", task, "database", "--out", str(tmp_path / "tls")))["files"]
        async with platform.api() as api:
            answer = await api.get(f"/tasks/{task}/interfaces/database/credential")
            where = {
                "host": f"database--{task}.tasks.test",
                "hostaddr": "127.0.0.1",
                "port": platform.port,
                "password": answer.json()["credential"],
                "sslrootcert": files["server_root"],
                "sslcert": files["certificate"],
                "sslkey": files["key"],
            }
            assert await asyncio.to_thread(ask, where) == 42
            with pytest.raises(psycopg.OperationalError, match="A client certificate is needed here"):
                await asyncio.to_thread(ask, where | {"sslcert": "", "sslkey": ""})
            [certificate] = (await api.get("/account/certificates")).json()
            assert (await api.delete(f"/account/certificates/{certificate['serial']}")).status_code == 204

            async def refused() -> bool:
                """Tell whether the gateway knows by now; in that very moment it only closes what it has just let in."""
                try:
                    await asyncio.to_thread(ask, where)
                except psycopg.OperationalError as error:
                    return "unknown, expired or revoked" in str(error)
                return False

            await until(refused, seconds=10, what="a refusal that says why")
            await api.post(f"/tasks/{task}/stop", params={"wait": 30})
