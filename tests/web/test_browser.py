"""The pages in a real Chromium: by keyboard alone, without a fault in the console, and accessible in light and dark."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from specola.computing.memory.serving import Counter, speak_http
from specola.domain.person import Role
from specola.domain.task import TaskState, Wish
from tests.support.accessible import broken_rules
from tests.support.browser import chromium
from tests.support.harness import Platform, open_platform

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

ENTRY = """\
software: keyboard
title: Keyboard
description: Started without a mouse.
version: "1"
image: example.test/web:1
interfaces: [{name: web, port: 8000}]
parameters: [{name: theme, kind: choice, choices: [light, dark], default: light}]
"""
DATABASE = """\
software: database
title: Database
version: "1"
image: example.test/web:1
interfaces: [{name: db, port: 5432, protocol: postgres}]
"""
PATHS = (
    "/",
    "/search?q=keyboard",
    "/software",
    "/software/keyboard",
    "/software/keyboard/start",
    "/software/keyboard/edit",
    "/software/keyboard/edit?by=yaml",
    "/software/add",
    "/tasks",
    "/account",
    "/administration",
    "/administration/groups",
    "/administration/accounts",
    "/administration/tasks",
    "/administration/computings",
    "/computing",
    "/computing/add",
    "/computing/add?start=slurm",
    "/computing/local",
    "/computing/local/edit",
    "/computing/local/edit?by=yaml",
    "/computing/local/remove",
    "/administration/health",
    "/no/such/page",
)


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform() as running:
        admin = await running.person("admin", role=Role.ADMINISTRATOR)
        for definition in (ENTRY, DATABASE):
            _ = await running.services.catalogue.add(admin, definition)
        yield running


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[Browser]:
    async with chromium(platform.port) as started:
        yield started


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
async def page(platform: Platform, browser: Browser, faults: list[str]) -> Page:
    """Return a page on which the administrator has come in by a link, and that notes every fault."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = await context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            faults.append(f"{page.url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    link = await platform.services.people.sign_in_link("admin")
    await page.goto(f"{platform.settings.url}/sign-in/link#{link.secret}")
    await page.wait_for_url(f"{platform.settings.url}/")
    assert link.secret not in page.url
    return page


async def test_software_is_found_and_started_by_keyboard_alone(platform: Platform, page: Page) -> None:
    await page.keyboard.press("/")
    await page.keyboard.type("keyb")
    await expect(page.locator("#found .hit.chosen")).to_contain_text("Keyboard")
    async with page.context.expect_page() as opened:
        await page.keyboard.press("Enter")
    task = await opened.value
    await task.wait_for_url(f"http://web--*.localhost:{platform.port}/**")
    await expect(page.locator("#running")).to_contain_text("Keyboard")
    await expect(page.locator("#running .state").first).to_have_text("Running")
    await page.locator("#running").get_by_role("button", name="Stop Keyboard").press("Enter")
    await expect(page.locator("#running")).to_contain_text("Nothing runs at the moment.")


async def test_options_open_in_a_sheet_that_escape_closes(page: Page) -> None:
    options = page.get_by_role("link", name="Options for starting Keyboard")
    await options.press("Enter")
    await expect(page.locator("dialog#sheet")).to_be_visible()
    await expect(page.get_by_label("Memory")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog#sheet")).to_be_hidden()


async def test_first_tab_skips_to_the_content(page: Page) -> None:
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_are_accessible_and_faultless(
    platform: Platform, page: Page, faults: list[str], scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found: dict[str, list[str]] = {}
    for path in PATHS:
        await page.goto(platform.settings.url + path)
        if findings := await broken_rules(page):
            found[path] = findings
    assert found == {}
    assert [fault for fault in faults if "/no/such/page" not in fault] == []


@pytest.mark.parametrize("path", PATHS)
async def test_pages_fit_a_phone(platform: Platform, page: Page, path: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(platform.settings.url + path)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_an_interface_without_http_has_a_page_until_its_task_ends(
    platform: Platform, page: Page, faults: list[str]
) -> None:
    admin = await platform.services.people.actor_on_host("admin")
    task = await platform.services.tasks.request(Wish(software="database"), actor=admin)
    _ = await platform.until_state(task.id, TaskState.RUNNING)
    await page.goto(f"{platform.settings.url}/tasks/{task.id}/interfaces")
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Open db").click()
    viewer = await opened.value
    await expect(viewer.get_by_role("heading", name="db")).to_be_visible()
    await expect(viewer.get_by_text(f"specola connect {task.id} db -- psql")).to_be_visible()
    for scheme in ("light", "dark"):
        await viewer.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await broken_rules(viewer) == []
    await viewer.set_viewport_size({"width": 390, "height": 844})
    assert await viewer.evaluate("document.documentElement.scrollWidth") <= 390
    assert faults == []
    _ = await platform.services.tasks.stop(admin, task.id)
    await expect(viewer.get_by_role("link", name="Run again")).to_be_visible()


async def test_found_port_is_opened_and_added_to_the_software(
    platform: Platform, page: Page, faults: list[str]
) -> None:
    admin = await platform.services.people.actor_on_host("admin")
    task = await platform.services.tasks.request(Wish(software="keyboard"), actor=admin)
    task = await platform.until_state(task.id, TaskState.RUNNING)
    assert task.handle is not None
    await page.goto(f"{platform.settings.url}/tasks/{task.id}/interfaces")
    await platform.world.listen(task.handle, 8501, speak_http(Counter(), {"app": "found"}))
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Open port 8501").click()
    app = await opened.value
    await expect(app.get_by_text('"app": "found"')).to_be_visible()
    await page.get_by_role("link", name="Add port 8501 to the software").click()
    await expect(page.locator("dialog#sheet")).to_be_visible()
    await page.get_by_label("Name").fill("app")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await broken_rules(page) == []
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.wait_for_url("**/software/keyboard")
    assert faults == []
    _ = await platform.services.tasks.stop(admin, task.id)
