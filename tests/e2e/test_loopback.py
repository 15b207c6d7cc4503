"""A server that listens on its container's own loopback only is reached like any other, over a real engine."""

import json
from pathlib import Path

import pytest

from tests.support.engines import PrivateEngine
from tests.support.images import TEST_IMAGE
from tests.support.installed import installed

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.xdist_group("podman-e2e")]

DEFINITION = f"""\
software: hidden
title: Hidden
image: {TEST_IMAGE.reference}
command: [httpd, -f, -p, "127.0.0.1:8000", -h, /www]
interfaces: [{{name: web, port: 8000}}]
"""


async def test_web_server_on_the_containers_loopback_is_reached_through_the_gateway(
    podman_engine: PrivateEngine, data_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "hidden.yaml"
    file.write_text(DEFINITION, encoding="utf-8")
    async with installed(data_folder, engine=podman_engine.url) as platform:
        assert (await platform.command("software", "add", str(file)))[0] == 0
        code, output, errors = await platform.command("run", "hidden", "--wait", "60", "--json")
        assert code == 0, (output, errors)
        shown = json.loads(output)
        async with platform.at_task(shown["interfaces"][0]["url"]) as visitor:
            answers = [await visitor.get("/") for _ in range(3)]
        assert [(one.status_code, one.text) for one in answers] == [(200, "hello\n")] * 3
        assert (await platform.command("stop", shown["id"], "--wait", "60"))[0] == 0
