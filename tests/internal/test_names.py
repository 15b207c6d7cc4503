"""What gateways are told before anybody connects: the authority, and which names ask for a certificate."""

import httpx
import pytest

from specola.domain.person import Actor
from specola.domain.task import Task, TaskState, Wish
from tests.internal.test_streams import lines
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio

DEFINITION = """\
software: database
title: A database
image: example.test/web:1
interfaces:
  - {name: web, port: 8000, protocol: http}
  - {name: db, port: 8001, protocol: postgres}
"""


async def begun(platform: Platform, actor: Actor) -> Task:
    return await platform.services.tasks.request(Wish(software="database"), actor=actor)


async def test_names_begin_with_what_there_is_and_follow_it(platform: Platform, internal: httpx.AsyncClient) -> None:
    fay = await platform.person("fay")
    await platform.services.catalogue.add(fay, DEFINITION)
    first = await platform.until_state((await begun(platform, fay)).id, TaskState.RUNNING)
    plain = await platform.started(fay)
    async with lines(internal, "/names") as told:
        snapshot = []
        async for line in told:
            snapshot.append(line)
            if "snapshot" in line:
                break
        assert snapshot[0]["authority"].startswith("-----BEGIN CERTIFICATE-----")
        assert {"task": first.id, "interfaces": {"db": "postgres"}} in snapshot
        assert plain.id not in {line.get("task") for line in snapshot}
        second = await begun(platform, fay)
        assert await anext(told) == {"task": second.id, "interfaces": {"db": "postgres"}}
        await platform.until_state(second.id, TaskState.RUNNING)
        await platform.services.tasks.stop(fay, second.id)
        assert await anext(told) == {"task": second.id, "interfaces": {}}
