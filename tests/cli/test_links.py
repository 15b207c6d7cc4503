"""Links on the command line: share, links, unshare."""

import pytest

from tests.cli.conftest import Program

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEFINITION = """\
software: screen
image: example.test/web:1
interfaces: [{name: desktop, port: 8000, protocol: rfb}, {name: web, port: 8001}]
"""


async def test_a_desktop_is_shared_listed_and_taken_back(ada: Program) -> None:
    assert (await ada("software", "add", "-", stdin=DEFINITION)).code == 0
    assert (await ada("run", "screen", "--name", "shown", "--wait", "30")).code == 0
    assert "specola share shown INTERFACE" in (await ada("links", "shown")).err
    shared = await ada("share", "shown", "desktop", "--hours", "2")
    assert shared.code == 0, shared.err
    assert "/shared#" in shared.out
    assert shared.out.strip().count("\n") == 0
    [listed] = (await ada("links", "shown", "--json")).json
    assert f"specola unshare shown {listed['id']}" in shared.err
    assert listed["id"] in (await ada("links", "shown")).out
    assert (await ada("unshare", "shown", listed["id"])).out == f"{listed['id']}: taken back\n"
    assert (await ada("links", "shown", "--json")).json == []
    refused = await ada("share", "shown", "web")
    assert (refused.code, "no desktop" in refused.err) == (2, True)
    assert (await ada("share", "shown", "desktop", "--hours", "1000")).code == 2
