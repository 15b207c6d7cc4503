"""Accounts on computings, on the account's page and in administration."""

import re

import pytest

from tests.support.hosted import add_on_host
from tests.support.pages import Pages, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOST = {"address": "192.0.2.7"}


@pytest.fixture(scope="module", autouse=True)
async def computings(pages: Pages) -> None:
    store = pages.platform.services.store
    await add_on_host(store, "cluster", {**HOST, "identity": "certificate"})
    await add_on_host(store, "keyed", {**HOST, "identity": "key"})
    await add_on_host(store, "robots", {**HOST, "identity": "shared", "account": "robot"})


async def test_an_account_is_linked_and_ended(pages: Pages) -> None:
    browser = await pages.browser("ada")
    assert "Tasks run here with your own account." in text_of(await browser.get("/account"))
    assert (await browser.post("/account/links/keyed", data={"account-keyed": " ann "})).status_code == 303
    shown = await browser.get("/account")
    assert "restrict,port-forwarding ssh-ed25519 " in shown.text
    assert "Not proven yet" in text_of(shown)
    refused = await browser.post("/account/links/keyed/check")
    assert refused.status_code in {409, 503}
    assert (await browser.post("/account/links/keyed/end")).status_code == 303
    assert "restrict,port-forwarding" not in (await browser.get("/account")).text


async def test_a_challenge_is_shown_with_its_end(pages: Pages) -> None:
    browser = await pages.browser("bob")
    _ = await browser.post("/account/links/cluster", data={"account-cluster": "ben"})
    shown = text_of(await browser.get("/account"))
    assert "mkdir -p -m 700 ~/.specola && echo specola-" in shown
    assert "Log in there as" in shown


async def test_a_name_that_is_refused_is_told_at_its_field(pages: Pages) -> None:
    browser = await pages.browser("ada")
    answer = await browser.post("/account/links/cluster", data={"account-cluster": "root"})
    assert answer.status_code == 422
    assert "is an account of the system" in text_of(answer)
    assert 'value="root"' in answer.text


async def test_administrators_enter_and_end_accounts(pages: Pages) -> None:
    _ = await pages.callers.actor("grace")
    _ = await pages.callers.actor("ada")
    admin = await pages.browser("admin")
    form = {"person-cluster": "grace", "account-cluster": "ghopper"}
    assert (await admin.post("/administration/accounts/cluster", data=form)).status_code == 303
    shown = await admin.get("/administration/accounts")
    said = text_of(shown)
    for words in ("ghopper", "entered by an administrator, admin", "one shared account", "TrustedUserCAKeys"):
        assert words in said
    assert shown.text.count("restrict,port-forwarding") >= 1
    assert "entered by an administrator" in text_of(await (await pages.browser("grace")).get("/account"))
    taken = await admin.post("/administration/accounts/cluster", data={**form, "person-cluster": "ada"})
    assert taken.status_code == 409
    [ending] = re.findall(r'action="(/administration/accounts/cluster/grace/end)"', shown.text)
    assert (await admin.post(ending)).status_code == 303
    assert "ghopper" not in (await admin.get("/administration/accounts")).text
    browser = await pages.browser("ada")
    assert (await browser.get("/administration/accounts")).status_code == 403
    assert (await browser.post("/administration/accounts/cluster", data=form)).status_code == 403
