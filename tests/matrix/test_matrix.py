"""Every protocol on every computing: started by the API, reached by an unmodified client, used, stopped, nothing left."""

import pytest

from tests.matrix.clients import PROTOCOLS
from tests.matrix.conftest import Stage
from tests.matrix.rows import Row
from tests.matrix.table import Measured

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cell(
    stage: Stage, row: Row, protocol: str, seconds_of: Measured, request: pytest.FixtureRequest
) -> None:
    ready = await row.ready(protocol)
    await PROTOCOLS[protocol].use(stage.client(ready.task))
    await row.stop(ready.task["id"])
    seconds_of[request.node.callspec.params["row"]][protocol] = ready.seconds
