"""Engines of people's own accounts as one computing."""

import pytest

from specola.computing.engine.accounts import AccountEngines
from specola.computing.engine.computing import EngineComputing
from specola.ports.computing import Executes, HasFiles, HasImages, HasLogs, HasPorts, HasUsage, Tells, Watches

ABILITIES = (Executes, HasFiles, HasImages, HasLogs, HasPorts, HasUsage, Tells, Watches)


@pytest.mark.parametrize("ability", ABILITIES, ids=[one.__name__ for one in ABILITIES])
def test_they_can_whatever_one_engine_can(ability: type) -> None:
    assert issubclass(EngineComputing, ability)
    assert issubclass(AccountEngines, ability)
