"""The API's description of itself, and the reference page made from it."""

from typing import Any

import pytest

from tests.support.callers import Callers

pytestmark = pytest.mark.anyio


async def described(callers: Callers) -> Any:
    stranger = await callers.stranger()
    answer = await stranger.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(description: Any) -> list[tuple[str, Any]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


async def test_it_is_openapi_31(callers: Callers) -> None:
    description = await described(callers)
    assert description["openapi"].startswith("3.1.")
    assert description["servers"] == [{"url": "/api/v1"}]


async def test_every_operation_says_what_it_does(callers: Callers) -> None:
    found = operations(await described(callers))
    assert len(found) > 40
    for name, operation in found:
        assert operation.get("summary"), name
        assert operation.get("description", "").endswith("."), name
        assert operation.get("tags"), name
    names = [operation["operationId"] for _, operation in found]
    assert len(names) == len(set(names))


async def test_every_value_says_what_it_is(callers: Callers) -> None:
    schemas = (await described(callers))["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema and "Validation" not in name:
            assert schema.get("description"), name


async def test_every_failure_is_described_as_a_problem(callers: Callers) -> None:
    for name, operation in operations(await described(callers)):
        default = operation["responses"]["default"]
        assert "application/problem+json" in default["content"], name
        assert "422" not in operation["responses"], name


async def test_the_reference_shows_every_operation_and_problem(callers: Callers) -> None:
    description = await described(callers)
    stranger = await callers.stranger()
    page = await stranger.get("/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for _, operation in operations(description):
        assert f'id="{operation["operationId"]}"' in page.text
    assert 'id="problem-image_unknown"' in page.text
    assert (await stranger.get("/docs/reference.css")).headers["content-type"].startswith("text/css")
