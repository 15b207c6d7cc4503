"""The guard: security headers everywhere, and no change that another site asks for."""

import pytest

from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/", "/sign-in", "/no/such/page", "/api/v1/health", "/static/none.js"])
async def test_every_answer_carries_the_headers(pages: Pages, path: str) -> None:
    headers = (await (await pages.stranger()).get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' http://*.localhost:{pages.platform.port}" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/sign-in", "/invitation", "/sign-in/link"])
async def test_pages_have_nothing_inline(pages: Pages, path: str) -> None:
    text = (await (await pages.stranger()).get(path)).text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert text.count("<script") == text.count('<script src="/static/')


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"},
    ],
)
async def test_other_sites_change_nothing(pages: Pages, headers: dict[str, str]) -> None:
    browser = await pages.browser("ada", **headers)
    assert (await browser.post("/sign-out")).status_code == 403
    assert (await browser.post("/software/jupyterlab/start")).status_code == 403
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.parametrize("origin", ["null", "http://evil.test", "http://lab--k3f9x2ab4c.localhost:8080", ""])
async def test_foreign_origin_without_fetch_metadata_changes_nothing(pages: Pages, origin: str) -> None:
    browser = await pages.browser("ada", Origin=origin)
    del browser.headers["sec-fetch-site"]
    assert (await browser.post("/account/name", data={"full_name": "Mallory"})).status_code == 403


async def test_own_origin_without_fetch_metadata_is_enough(pages: Pages) -> None:
    browser = await pages.browser("ada", Origin=pages.platform.settings.url)
    del browser.headers["sec-fetch-site"]
    assert (await browser.post("/account/name", data={"full_name": "Ada"})).status_code == 303


async def test_session_without_any_origin_changes_nothing(pages: Pages) -> None:
    browser = await pages.browser("ada")
    del browser.headers["sec-fetch-site"]
    assert (await browser.post("/sign-out")).status_code == 403


async def test_unknown_address_has_a_page_of_its_own(pages: Pages) -> None:
    answer = await (await pages.browser("ada")).get("/no/such/page")
    assert answer.status_code == 404
    assert "There is nothing at this address." in text_of(answer)
    assert 'href="/"' in answer.text


async def test_refusal_for_a_script_is_a_notice(pages: Pages) -> None:
    browser = await pages.browser("ada", **{"HX-Request": "true"})
    answer = await browser.post("/tasks/none/stop")
    assert answer.status_code == 404
    assert answer.headers["hx-retarget"] == "#notices"
    assert "<html" not in answer.text


async def test_static_files_are_kept_for_ever_and_come_compressed(pages: Pages) -> None:
    stranger = await pages.stranger()
    page = (await stranger.get("/sign-in")).text
    script = page.partition('<script src="')[2].partition('"')[0]
    answer = await stranger.get(script, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    plain = await stranger.get(script, headers={"Accept-Encoding": "identity"})
    assert plain.text == answer.text
