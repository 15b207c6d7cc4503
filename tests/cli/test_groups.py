"""Groups on the command line."""

import pytest

from tests.cli.conftest import Program
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_groups_are_made_shown_and_removed(specola: Program, platform: Platform, callers: Callers) -> None:
    _ = await callers.actor("ada")
    signed_in = {"SPECOLA_URL": platform.settings.url, "SPECOLA_TOKEN": await callers.token("admin")}
    made = await specola("groups", "create", "survey", "--title", "The survey", **signed_in)
    assert made.code == 0, made.err
    assert "ada" in (await specola("groups", "add", "survey", "ada", "--manager", **signed_in)).out
    [listed] = (await specola("groups", "ls", "--json", **signed_in)).json
    assert [one["name"] for one in listed["members"]] == ["ada"]
    assert "The survey" in (await specola("groups", "ls", **signed_in)).out
    assert (await specola("groups", "leave", "survey", "ada", **signed_in)).out == "survey: without ada.\n"
    assert (await specola("groups", "show", "survey", "--json", **signed_in)).json["members"] == []
    assert (await specola("groups", "rm", "survey", **signed_in)).code == 0
    assert (await specola("groups", "show", "survey", **signed_in)).code != 0
