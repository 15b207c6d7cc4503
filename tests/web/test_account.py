"""The account page: name, password, tokens shown once, sessions."""

import re

import pytest

from specola.domain.person import Scope
from tests.support.pages import Pages, text_of
from tests.support.sshkeys import pair

pytestmark = pytest.mark.anyio


async def test_token_is_shown_once_and_may_what_was_chosen(pages: Pages) -> None:
    browser = await pages.browser("ada")
    form = {"name": "laptop", "days": "30", "scope.read": "true"}
    made = await browser.post("/account/tokens", data=form)
    (secret,) = set(re.findall(r"specola_[A-Za-z0-9_-]{43}", made.text))
    assert secret not in (await browser.get("/account")).text
    actor = await pages.platform.services.people.actor_of_token(secret)
    assert actor.scopes == {Scope.READ}
    (token,) = await pages.platform.services.people.tokens(await pages.callers.actor("ada"))
    _ = await browser.post(f"/account/tokens/{token.id}/revoke")
    assert "laptop" not in text_of(await browser.get("/account"))


async def test_refused_token_keeps_what_was_chosen(pages: Pages) -> None:
    browser = await pages.browser("ada")
    answer = await browser.post("/account/tokens", data={"name": "kept", "days": "31", "scope.tasks": "true"})
    assert answer.status_code == 422
    assert 'value="kept"' in answer.text
    assert 'name="scope.tasks" value="true" checked' in answer.text
    assert 'name="scope.read" value="true" checked' not in answer.text


async def test_two_passwords_have_to_be_the_same(pages: Pages) -> None:
    browser = await pages.browser("ada")
    form = {"wanted": "a long enough sentence", "repeated": "another sentence"}
    answer = await browser.post("/account/password", data=form)
    assert answer.status_code == 422
    assert "The two passwords are not the same." in text_of(answer)
    assert "a long enough sentence" not in answer.text


async def test_other_browsers_are_signed_out_from_here(pages: Pages) -> None:
    here, there = await pages.browser("grace"), await pages.browser("grace")
    ends = re.findall(r'action="(/account/sessions/[^"]+/end)"', (await here.get("/account")).text)
    assert len(ends) == 1
    assert (await here.post(ends[0])).status_code == 303
    assert (await there.get("/account")).status_code == 303
    assert (await here.get("/account")).status_code == 200


async def test_keys_are_added_and_removed(pages: Pages) -> None:
    browser = await pages.browser("ada")
    mine = pair("ada@laptop")
    assert (await browser.post("/account/keys", data={"key": mine.public, "title": ""})).status_code == 303
    shown = await browser.get("/account")
    assert "ada@laptop" in text_of(shown)
    (removal,) = re.findall(r'action="(/account/keys/[^"]+/remove)"', shown.text)
    assert (await browser.post(removal)).status_code == 303
    assert "ada@laptop" not in text_of(await browser.get("/account"))


async def test_a_pasted_private_key_is_not_shown_again(pages: Pages) -> None:
    browser = await pages.browser("ada")
    answer = await browser.post("/account/keys", data={"key": pair().private, "title": "kept"})
    assert answer.status_code == 422
    assert "That is a private key. It was not kept" in text_of(answer)
    assert 'value="kept"' in answer.text
    assert "BEGIN OPENSSH" not in answer.text
