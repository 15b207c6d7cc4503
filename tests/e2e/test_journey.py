"""A person's first quarter of an hour, in a real Chromium over a real Podman: from the sign-in link to a picture of M51."""

import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.support.installed import Installed, until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.browser,
    pytest.mark.xdist_group("podman-e2e"),
    pytest.mark.timeout(600),
]

SECONDS = 60_000
DESK = {"width": 1280, "height": 860}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the pages go; SPECOLA_PICTURES names a folder to keep them."""
    folder = Path(os.environ.get("SPECOLA_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def in_both_lights(page: Page, folder: Path, name: str) -> None:
    """Take a picture of a page in light and in dark."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.screenshot(path=folder / f"{name}-{scheme}.png")
    await page.emulate_media(color_scheme="light")


async def signed_in(browser: Browser, platform: Installed) -> tuple[BrowserContext, Page]:
    """Spend the sign-in link that the platform printed."""
    context = await browser.new_context(viewport={"width": DESK["width"], "height": DESK["height"]})
    context.set_default_timeout(SECONDS)
    page = await context.new_page()
    await page.goto(platform.link)
    await expect(page.get_by_role("heading", name="Start something")).to_be_visible(timeout=SECONDS)
    return context, page


async def opened(context: BrowserContext, page: Page, name: str) -> Page:
    """Press a button or link of Home that opens a tab; return the tab."""
    target = page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first
    async with context.expect_page() as found:
        await target.click()
    return await found.value


async def test_from_the_sign_in_link_to_a_picture_of_m51_and_again(
    browser: Browser, platform: Installed, pictures: Path
) -> None:
    context, home = await signed_in(browser, platform)
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            errors.append(message.text)

    home.on("console", note)
    await in_both_lights(home, pictures, "home-first")

    lab = await opened(context, home, "Start JupyterLab in a new tab")
    await in_both_lights(lab, pictures, "waiting")
    await expect(lab.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=SECONDS)
    failed = failures(lab)
    assert re.fullmatch(rf"http://lab--[0-9a-z]{{10}}\.localhost:{platform.port}/lab/tree/Welcome\.ipynb", lab.url)
    await run_all(lab, pictures)
    assert failed == []

    running = home.locator(".task", has_text="JupyterLab")
    await expect(running.get_by_text("Running", exact=True)).to_be_visible(timeout=SECONDS)
    await in_both_lights(home, pictures, "home")
    await running.get_by_role("link", name="JupyterLab", exact=True).click()
    await expect(home.get_by_role("heading", name="JupyterLab").first).to_be_visible()
    await in_both_lights(home, pictures, "task")
    address = home.url

    await home.get_by_role("button", name=re.compile("^Stop")).first.click()
    await expect(home.get_by_text("Stopped", exact=True).first).to_be_visible(timeout=SECONDS)
    # The tab that is left open says so by itself when it is asked again, and its cookie opens nothing.
    await lab.reload()
    await expect(lab.get_by_text("M51 12-May")).to_have_count(0)

    await home.goto(address)
    again = await opened(context, home, "Run again")
    await expect(again.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=SECONDS)
    assert again.url.split(".")[0] != lab.url.split(".")[0]
    # What was computed in the first task is in the notebook that the second one opens: the home was kept.
    await expect(again.locator(".jp-OutputArea img").first).to_be_visible(timeout=SECONDS)
    assert errors == []
    await context.close()


def failures(page: Page) -> list[str]:
    """Return a list that grows with each request that fails, or that the server cannot answer, from now on."""
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(f"{request.url}: {request.failure}"))
    page.on(
        "response", lambda answer: failed.append(f"{answer.url}: {answer.status}") if answer.status >= 500 else None
    )
    return failed


async def run_all(lab: Page, pictures: Path) -> None:
    """Run every cell, see the FITS file's words and picture, and save."""
    # Asked to run cells before its kernel is there, JupyterLab asks which kernel to take.
    await expect(lab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=2 * SECONDS)
    await lab.get_by_text("Run", exact=True).first.click()
    await lab.get_by_text("Run All Cells", exact=True).click()
    await expect(lab.locator(".jp-OutputArea-output", has_text="PRIMARY").first).to_be_visible(timeout=2 * SECONDS)
    picture = lab.locator(".jp-OutputArea img").first
    await expect(picture).to_be_visible(timeout=2 * SECONDS)
    width, height = await picture.evaluate("one => [one.naturalWidth, one.naturalHeight]")
    assert min(width, height) > 300
    await picture.scroll_into_view_if_needed()
    await lab.screenshot(path=pictures / "jupyterlab.png")
    save = lab.locator("jp-button[data-command='docmanager:save']").first
    seen: list[str] = []
    lab.on("request", lambda one: seen.append(f"{one.method} {one.url}"))
    lab.on("response", lambda one: seen.append(f"{one.status} {one.url}"))
    lab.on("requestfailed", lambda one: seen.append(f"{one.failure} {one.url}"))

    async def saved() -> bool:
        """Whether the file in the home has the picture in it; if not, the button is pressed, as a person would.

        JupyterLab arranges its bar anew while the kernel's state changes, and a press in between does nothing.
        """
        code = (
            "async () => { const r = await fetch('/api/contents/Welcome.ipynb?content=1');"
            " return r.ok && (await r.text()).includes('image/png') }"
        )
        if await lab.evaluate(code):
            return True
        await save.click()
        return False

    try:
        await until(saved, pause=1, what="the saved notebook")
    except TimeoutError as error:
        error.add_note(
            f"The browser asked: {seen[-40:]}; JupyterLab says: {await lab.locator('dialog').all_inner_texts()}"
        )
        raise
