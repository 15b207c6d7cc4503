"""Signing in by password, by link and by invitation, and signing out."""

import httpx
import pytest

from specola.domain.person import Role
from specola.services.people import Client
from specola.web.visitors import local_path
from tests.support.pages import SESSION, Pages, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PASSWORD = "a long enough sentence"


async def with_password(pages: Pages, name: str) -> None:
    people = pages.platform.services.people
    link = await people.sign_in_link((await pages.callers.actor(name)).person.name)
    session = await people.sign_in_by_link(link.secret, client=Client())
    await people.change_password(await people.actor_of_session(session.secret), current=PASSWORD, wanted=PASSWORD)


async def test_password_signs_in_with_a_cookie_that_scripts_and_other_sites_cannot_use(pages: Pages) -> None:
    await with_password(pages, "ada")
    stranger = await pages.stranger()
    answer = await stranger.post("/sign-in", data={"name": "ada", "password": PASSWORD, "next": "/software"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/software"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION}=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}


async def test_wrong_password_keeps_the_name_and_says_what_to_do(pages: Pages) -> None:
    stranger = await pages.stranger()
    answer = await stranger.post("/sign-in", data={"name": "nobody", "password": "wrong wrong wrong"})
    assert answer.status_code == 401
    assert "do not match an account" in text_of(answer)
    assert 'value="nobody"' in answer.text
    assert "wrong wrong wrong" not in answer.text
    assert "set-cookie" not in answer.headers


HOSTILE = [
    "https://evil.test/",
    "//evil.test/",
    "/\\evil.test/",
    "\\/evil.test",
    "/\t/evil.test/",
    "/\n/evil.test/",
    "/\x00/evil.test",
    " //evil.test",
    "javascript:alert(1)",
    "http:evil.test",
    "",
]


@pytest.mark.parametrize("wanted", HOSTILE)
async def test_way_back_never_leads_to_another_site(wanted: str) -> None:
    assert local_path(wanted, "/account") == "/account"


@pytest.mark.parametrize("wanted", ["/", "/tasks?cursor=a", "/software/a#b", "/authorize?path=//x"])
async def test_way_back_leads_to_our_pages(wanted: str) -> None:
    assert local_path(wanted, "/account") == wanted


async def test_sign_in_goes_on_only_to_our_pages(pages: Pages) -> None:
    await with_password(pages, "ada")
    stranger = await pages.stranger()
    shown = await stranger.get("/sign-in", params={"next": "//evil.test/"})
    assert 'name="next" value="/"' in shown.text
    form = {"name": "ada", "password": PASSWORD, "next": "//evil.test/"}
    assert (await stranger.post("/sign-in", data=form)).headers["location"] == "/"
    browser = await pages.browser("ada")
    assert (await browser.get("/sign-in", params={"next": "//evil.test/"})).headers["location"] == "/"


async def test_page_that_needs_a_person_asks_to_sign_in_and_comes_back(pages: Pages) -> None:
    answer = await (await pages.stranger()).get("/tasks", params={"cursor": "x y"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/tasks%3Fcursor%3Dx%2By"


async def test_script_of_a_page_is_told_where_to_sign_in(pages: Pages) -> None:
    stranger = await pages.stranger(**{"HX-Request": "true", "HX-Current-URL": "http://localhost:1/software?q=a"})
    answer = await stranger.get("/search", params={"q": "a"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?next=/software%3Fq%3Da"


async def test_link_is_spent_by_post_and_once(pages: Pages) -> None:
    await pages.callers.actor("grace")
    link = await pages.platform.services.people.sign_in_link("grace")
    stranger = await pages.stranger()
    shown = await stranger.get("/sign-in/link")
    assert "data-from-fragment" in shown.text
    first = await stranger.post("/sign-in/link", data={"secret": link.secret})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    second = await (await pages.stranger()).post("/sign-in/link", data={"secret": link.secret})
    assert second.status_code == 401
    assert "does not work any more" in text_of(second)


async def invitation(pages: Pages) -> str:
    admin = await pages.callers.actor("admin")
    return (await pages.platform.services.people.invite(admin, role=Role.PERSON, note="for a test")).secret


async def test_invitation_makes_an_account_and_signs_in(pages: Pages) -> None:
    secret = await invitation(pages)
    stranger = await pages.stranger()
    form = {"secret": secret, "name": "caroline", "full_name": "Caroline Herschel", "password": PASSWORD}
    answer = await stranger.post("/invitation", data=form)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].partition(";")[0]
    home = await (await pages.client({"Cookie": cookie})).get("/account")
    assert "Caroline Herschel" in text_of(home)


@pytest.mark.parametrize(("name", "password", "about"), [("admin", PASSWORD, "name"), ("hedy", "short", "password")])
async def test_refused_invitation_keeps_what_was_typed(pages: Pages, name: str, password: str, about: str) -> None:
    secret = await invitation(pages)
    form = {"secret": secret, "name": name, "full_name": "Emmy Noether", "password": password}
    answer = await (await pages.stranger()).post("/invitation", data=form)
    assert answer.status_code == 422
    assert 'value="Emmy Noether"' in answer.text
    assert f'name="{about}"' in answer.text
    assert f'aria-describedby="about-{about}"' in answer.text
    again = await (await pages.stranger()).post(
        "/invitation", data=form | {"name": f"emmy-{about}", "password": PASSWORD}
    )
    assert again.status_code == 303


async def test_signing_out_ends_the_session_itself(pages: Pages) -> None:
    browser = await pages.browser("ada")
    answer = await browser.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await browser.get("/")).headers["location"] == "/sign-in"


async def test_every_page_keeps_out_of_caches(pages: Pages) -> None:
    browser = await pages.browser("ada")
    for path in ("/", "/software", "/tasks", "/account", "/sign-in/link"):
        answer: httpx.Response = await browser.get(path)
        assert answer.headers["cache-control"] == "no-store", path
