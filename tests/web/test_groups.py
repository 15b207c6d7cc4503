"""Groups: made by administrators, filled by managers, left by anybody."""

import pytest

from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio


async def test_a_group_is_made_filled_and_left(pages: Pages) -> None:
    _ = await pages.callers.actor("grace")
    admin, ada, grace = await pages.browser("admin"), await pages.browser("ada"), await pages.browser("grace")
    made = await admin.post("/administration/groups", data={"name": "survey", "title": "The survey"})
    assert made.headers["location"] == "/groups/survey"
    assert "Nobody is in this group yet" in text_of(await admin.get("/groups/survey"))
    assert (await ada.get("/groups/survey")).status_code == 404
    _ = await admin.post("/groups/survey/members", data={"person": "ada", "manages": "true"})
    assert "The survey" in text_of(await ada.get("/account"))
    assert (await ada.post("/groups/survey/members", data={"person": "grace"})).status_code == 303
    unknown = await ada.post("/groups/survey/members", data={"person": "nobody-at-all"})
    assert unknown.status_code == 404
    assert "There is no person" in text_of(unknown)
    assert (await ada.post("/groups/survey", data={"title": "Ours"})).status_code == 303
    seen = await grace.get("/groups/survey")
    assert "Ours" in text_of(seen)
    assert "Take out" not in text_of(seen)
    assert (await grace.post("/groups/survey", data={"title": "Mine"})).status_code == 403
    assert (await grace.post("/groups/survey/members/grace/remove")).headers["location"] == "/account"
    assert (await grace.get("/groups/survey")).status_code == 404
    assert (await ada.post("/groups/survey/remove")).status_code == 403
    assert (await admin.post("/groups/survey/remove")).status_code == 303
    refused = await admin.post("/administration/groups", data={"name": "Not a name"})
    assert refused.status_code == 422
