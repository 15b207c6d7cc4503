"""`specola ports`: what was found in a task, and adding it to the software."""

import pytest

from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from tests.cli.conftest import Program
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio

APP = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)


async def test_found_ports_are_listed_opened_and_added(platform: Platform, ada: Program) -> None:
    task = (await ada("run", "example.test/web:1", "--name", "open-ports", "--wait", "30", "--json")).json
    nothing = await ada("ports", "open-ports")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No ports were found" in nothing.err
    # What is told by hand stays, since nobody looks meanwhile.
    await platform.end("connector")
    await platform.services.found.report({task["id"]: [APP]})
    [port] = (await ada("ports", "open-ports", "--json")).json
    assert port["name"] == "port-8501"
    for command in (("ports", "open-ports"), ("show", "open-ports")):
        assert port["url"] in (await ada(*command)).out
    assert (await ada("open", "open-ports", "port-8501")).out.strip() == port["url"]
    assert (await ada("open", "open-ports", "port-22")).code == 4
    added = await ada("ports", "open-ports", "--declare", "8501", "--name", "app")
    assert (added.code, added.out) == (0, "web: port 8501 added, release 1. Start it: specola run web\n")
    assert (await ada("ports", "open-ports", "--declare", "22")).code == 4
    assert (await ada("ports", "open-ports", "--name", "app")).code == 2
    platform.begin("connector")
