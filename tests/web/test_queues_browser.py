"""Queues in a real Chromium: options that follow the computing, with and without scripts; a wait that becomes an end."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from specola.computing.memory.world import Waiting
from specola.domain.person import Role
from specola.domain.placement import Forecast
from specola.domain.task import Task
from tests.support.accessible import broken_rules
from tests.support.browser import chromium
from tests.support.clusters import becomes_a_cluster
from tests.support.harness import Platform, open_platform
from tests.support.installed import until
from tests.web.test_queues import ENTRY

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform() as running:
        services = running.services
        admin = await running.person("admin", role=Role.ADMINISTRATOR)
        _ = await services.catalogue.add(admin, ENTRY)
        _ = await services.computings.install("second", title="Another place", kind="memory", settings={"cpus": 16})
        forecast = Forecast(starts=datetime.now(UTC) + timedelta(hours=3), source="scheduler")
        await becomes_a_cluster(running, queue=Waiting(reason="priority", raw="PENDING (Priority)", forecast=forecast))
        yield running


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[Browser]:
    async with chromium(platform.port) as started:
        yield started


async def signed_in(platform: Platform, browser: Browser) -> Page:
    """Return a page of the administrator's."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = await context.new_page()
    link = await platform.services.people.sign_in_link("admin")
    await page.goto(f"{platform.settings.url}/sign-in/link#{link.secret}")
    await page.wait_for_url(f"{platform.settings.url}/")
    return page


# What changes its looks does so in the next pictures, and by and by.
DRAWN = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
}"""


async def sound(page: Page) -> None:
    """Make sure that a page can be used by everybody, in light and dark, and fits a phone."""
    await page.bring_to_front()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.evaluate(DRAWN)
        assert await broken_rules(page) == []
    await page.emulate_media(color_scheme="light")
    size = page.viewport_size
    await page.set_viewport_size({"width": 390, "height": 844})

    async def fits() -> bool:
        return bool(await page.evaluate("document.documentElement.scrollWidth <= 390"))

    await until(fits, seconds=10, what="a page that fits a phone")
    assert size is not None
    await page.set_viewport_size(size)


async def test_the_options_follow_the_computing_and_the_partition(platform: Platform, browser: Browser) -> None:
    page = await signed_in(platform, browser)
    await page.get_by_role("link", name="Options for starting On a cluster").click()
    sheet = page.locator("dialog#sheet")
    await expect(sheet.get_by_label("CPUs")).to_be_visible()
    await expect(sheet).to_contain_text("at most 4")
    await sheet.get_by_label("Time").fill("90m")
    await sheet.get_by_label("Partition").select_option("gpu")
    await expect(sheet.get_by_label("GPU model")).to_be_visible()
    await expect(sheet).to_contain_text("at most 16")
    await expect(sheet.get_by_label("Time")).to_have_value("90m")
    await sound(page)
    await sheet.get_by_label("Computing").select_option("second")
    await expect(sheet.get_by_label("Partition")).to_be_hidden()
    await expect(sheet.get_by_label("GPU model")).to_be_hidden()
    await expect(sheet.get_by_label("Time")).to_have_value("90m")


async def test_the_options_follow_the_computing_without_scripts_too(platform: Platform, browser: Browser) -> None:
    known = await signed_in(platform, browser)
    state = await known.context.storage_state()
    page = await (await browser.new_context(java_script_enabled=False, storage_state=state)).new_page()
    await page.goto(f"{platform.settings.url}/software/cluster/start")
    await expect(page.get_by_label("Partition")).to_be_visible()
    await page.get_by_label("CPUs").fill("3")
    await page.get_by_label("Computing").select_option("second")
    await page.get_by_role("button", name="Show what it takes").click()
    await expect(page.get_by_label("Partition")).to_be_hidden()
    await expect(page.get_by_label("CPUs")).to_have_value("3")


async def test_a_task_waits_starts_and_is_about_to_end_before_ones_eyes(platform: Platform, browser: Browser) -> None:
    page = await signed_in(platform, browser)
    await page.get_by_role("link", name="Options for starting On a cluster").click()
    async with page.context.expect_page() as opened:
        await page.locator("dialog#sheet").get_by_role("button", name="Start").click()
    waiting = await opened.value
    await expect(waiting.locator("#waiting")).to_contain_text("Others in the queue come first.")
    await expect(waiting.locator("#waiting")).to_contain_text("PENDING (Priority)")
    await expect(waiting.locator("#waiting")).to_contain_text("as the scheduler expects")
    await sound(waiting)
    await expect(page.locator("#running")).to_contain_text("In the queue")
    await sound(page)
    task = await only(platform)
    assert task.handle is not None
    await platform.world.start(task.handle, node="n1", deadline=datetime.now(UTC) + timedelta(hours=5))
    await expect(waiting.get_by_text('"interface": "web"')).to_be_visible()
    await expect(page.locator("#running")).to_contain_text("ends in 4 h 59 min")
    await page.goto(f"{platform.settings.url}/tasks/{task.id}")
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Terminal").click()
    terminal = await opened.value
    await expect(terminal.locator("#state")).to_have_text("Connected")
    async with platform.services.store.write() as tx:
        known = await tx.tasks.get(task.id)
        await tx.tasks.save(replace(known, begun=datetime.now(UTC) - timedelta(hours=4)))
    platform.world.limit(task.handle, datetime.now(UTC) + timedelta(minutes=50))
    await expect(page.locator("#overview")).to_contain_text("It ends at its time limit in 49 min.")
    await expect(terminal.locator("#ending")).to_contain_text("This task ends at its time limit in 49 min.")
    await expect(terminal.locator("body")).to_contain_text("Save your work.")
    await sound(page)
    await sound(terminal)
    await platform.world.kill(task.handle, exit_code=0, reason="time_limit", raw="TIMEOUT")
    await expect(page.locator("#overview")).to_contain_text("It reached its time limit of 2h and was ended. TIMEOUT")
    await sound(page)


async def only(platform: Platform) -> Task:
    """Return the one task there is."""
    admin = await platform.services.people.actor_on_host("admin")
    (task,) = (await platform.services.tasks.list(admin)).tasks
    return task
