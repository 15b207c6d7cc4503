"""The connector goes on whatever one computing answers."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.computing.memory import World
from specola.connector.directory import Directory, Way
from specola.connector.sampler import Sampler
from specola.connector.scout import Scout
from specola.domain.computing import Handle, Usage
from specola.domain.found import FoundPort
from specola.ports.computing import Computing
from tests.support.places import Reports, a_launch, budget

pytestmark = pytest.mark.anyio


class Liar:
    """Answers in words that nobody understands."""

    name = "liar"

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Say nonsense."""
        raise KeyError(handles)

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Say nonsense."""
        raise TypeError(handles)

    async def close(self) -> None:
        """End."""


async def test_nonsense_of_one_computing_keeps_no_other_from_being_measured(tmp_path: Path) -> None:
    world = World()
    context = Context(installation="testing", data=tmp_path, clock=Clock(), world=world)

    def opened(name: str, kind: str, settings: Mapping[str, Any]) -> Computing:
        if name == "liar":
            return cast("Computing", Liar())
        return open_computing(kind, name=name, settings=settings, context=context)

    async def tell(_found: Mapping[str, Collection[FoundPort]]) -> None:
        pass

    directory = Directory(opened)
    await directory.add_computing("liar", "memory", {})
    await directory.add_computing("good", "memory", {})
    await directory.keep(computings={"liar", "good"}, tasks=())
    good = await directory.computing("good")
    launch = a_launch("example.test/web:1")
    handle = await good.launch(launch, report=Reports(), budget=budget())
    await directory.add_way(Way(task="lie", computing="liar", handle="x", ports=()))
    await directory.add_way(Way(task=launch.task, computing="good", handle=handle, ports=()))
    sampler, scout = Sampler(directory), Scout(directory, tell)
    await sampler.measure()
    await scout.look()
    assert len(sampler.of([launch.task])[launch.task]) == 1
    await scout.close()
    await directory.close()
    await world.close()
