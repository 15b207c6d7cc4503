"""The terminal in a real Chromium, over a real Podman."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.support.images import TEST_IMAGE
from tests.support.installed import Installed, until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.browser,
    pytest.mark.xdist_group("podman-e2e"),
    pytest.mark.timeout(600),
]

SECONDS = 60_000
AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
TEXT = """() => {
    const rows = document.querySelector('.terminal-screen:not([hidden]) .xterm-rows');
    return [...(rows?.children ?? [])].map((row) => row.textContent.trimEnd()).join('\\n');
}"""


@pytest.fixture
async def context(browser: Browser, platform: Installed) -> AsyncIterator[BrowserContext]:
    """A browser that is signed in."""
    context = await browser.new_context(viewport={"width": 1100, "height": 640})
    context.set_default_timeout(SECONDS)
    page = await context.new_page()
    await page.goto(platform.link)
    await expect(page.get_by_role("heading", name="Start something")).to_be_visible()
    yield context
    await context.close()


@pytest.fixture
async def task(platform: Installed) -> str:
    """A task of the test image, which has a shell and no server."""
    return await running(platform, image=TEST_IMAGE.reference)


async def running(platform: Installed, **wish: str) -> str:
    async with platform.api() as api:
        answer = await api.post("/tasks", json=wish)
        assert answer.status_code == 201, answer.text
        task: str = answer.json()["id"]

        async def runs() -> bool:
            return bool((await api.get(f"/tasks/{task}")).json()["state"] == "running")

        await until(runs, what="a running task")
    return task


async def text(page: Page) -> str:
    return str(await page.evaluate(TEXT))


async def shows(page: Page, pattern: str) -> str:
    """Wait until the terminal shows what matches; return all of it."""

    async def found() -> str:
        now = await text(page)
        return now if re.search(pattern, now, re.MULTILINE) else ""

    return str(await until(found, what=f"“{pattern}” on the terminal"))


async def typed(page: Page, line: str) -> None:
    await page.keyboard.type(line)
    await page.keyboard.press("Enter")


async def picture(page: Page, name: str) -> None:
    """Keep a picture in light and in dark where SPECOLA_PICTURES names a folder."""
    if folder := os.environ.get("SPECOLA_PICTURES"):
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await page.screenshot(path=Path(folder) / f"{name}-{scheme}.png")
        await page.emulate_media(color_scheme="light")


async def opened(
    context: BrowserContext, platform: Installed, task: str, *, prompt: str = r"#$"
) -> tuple[Page, list[str]]:
    """Open a task's terminal by the button on its page; return the tab and what its console complains of."""
    page = context.pages[0]
    await page.goto(f"{platform.url}/tasks/{task}")
    async with context.expect_page() as found:
        await page.get_by_role("link", name="Terminal").click()
    terminal = await found.value
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    terminal.on("console", note)
    await expect(terminal.locator("#state")).to_have_text("Connected")
    await shows(terminal, prompt)
    return terminal, complaints


async def test_commands_size_editor_and_letters_of_all_widths(
    context: BrowserContext, platform: Installed, task: str
) -> None:
    page, complaints = await opened(context, platform, task)
    await typed(page, "echo $TERM $LANG $((6 * 7))")
    await shows(page, r"^xterm-256color C\.UTF-8 42$")
    await typed(page, "alias stty='/.specola/busybox stty' vi='/.specola/busybox vi' clear='/.specola/busybox clear'")
    await typed(page, "stty size")
    wide = await shows(page, r"^\d+ \d+$")
    await page.set_viewport_size({"width": 700, "height": 480})
    await typed(page, "clear; stty size")

    async def smaller() -> bool:
        found = re.findall(r"^(\d+) (\d+)$", await text(page), re.MULTILINE)
        before = re.findall(r"^(\d+) (\d+)$", wide, re.MULTILINE)[-1]
        if found and int(found[-1][0]) < int(before[0]) and int(found[-1][1]) < int(before[1]):
            return True
        await typed(page, "clear; stty size")
        return False

    await until(smaller, what="a smaller terminal", pause=0.5)
    await page.set_viewport_size({"width": 1100, "height": 640})
    await typed(page, "clear; printf '\\033[31mred\\033[0m \\033[38;2;10;120;80mexact\\033[0m 漢字 👩 é ∑|\\n'")
    await shows(page, r"^red exact 漢字 👩 é ∑\|$")
    assert await page.evaluate(
        "() => [...document.querySelectorAll('.xterm-rows span')].some((one) => one.style.color !== '')"
    )
    await picture(page, "terminal")
    await typed(page, "vi /tmp/note")
    await shows(page, r"^~$")
    await page.keyboard.type("iwritten in vi")
    await shows(page, r"^I /tmp/note")
    await page.keyboard.press("Escape")
    # Keys that follow at once would be read as one of those whose names begin with Escape.
    await shows(page, r"^- /tmp/note")
    await typed(page, ":wq")
    await typed(page, "clear; cat /tmp/note")
    await shows(page, r"^written in vi$")
    assert [one for one in complaints if "favicon" not in one] == []


async def test_vim_is_at_home_here(context: BrowserContext, platform: Installed, servers: str) -> None:
    editor = {"software": "editor", "image": servers, "command": ["sleep", "infinity"], "interfaces": []}
    async with platform.api() as api:
        assert (await api.post("/software", json=editor)).status_code == 201
    page, _ = await opened(context, platform, await running(platform, software="editor"), prompt=r"\$$")
    await typed(page, "cd /tmp; vim.tiny -N -u NONE note")
    await shows(page, r"^~$")
    await page.keyboard.press("i")
    await shows(page, "-- INSERT --")
    await page.keyboard.type("written in Vim: 漢字 é")
    await page.keyboard.press("Escape")

    async def commands() -> bool:
        return "-- INSERT --" not in await text(page)

    await until(commands, what="Vim's command mode")
    await page.set_viewport_size({"width": 800, "height": 500})
    await typed(page, ":wq")
    await shows(page, r"\$$")
    await typed(page, "clear; cat note")
    await shows(page, r"^written in Vim: 漢字 é$")


async def test_reload_loses_and_doubles_no_line(context: BrowserContext, platform: Installed, task: str) -> None:
    page, _ = await opened(context, platform, task)
    await typed(page, "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); printf '%s.' $i; sleep 0.01; done; echo all")
    await shows(page, r"40\.")
    await page.reload()
    whole = (await shows(page, r"300\.all")).replace("\n", "")
    assert "".join(f"{number}." for number in range(1, 301)) + "all" in whole


async def test_connector_that_is_killed_is_told_and_another_terminal_offered(
    context: BrowserContext, platform: Installed, task: str
) -> None:
    page, _ = await opened(context, platform, task)
    await typed(page, "echo before")
    await shows(page, r"^before$")
    await platform.kill("connector")
    await expect(page.get_by_text("This terminal is gone.")).to_be_visible(timeout=SECONDS)
    await picture(page, "terminal-gone")
    await page.get_by_role("button", name="New terminal").last.click()
    await expect(page.locator("#state")).to_have_text("Connected")
    await shows(page, r"#$")
    await typed(page, "echo after")
    await shows(page, r"^after$")


async def test_selection_is_copied_and_pasted(context: BrowserContext, platform: Installed, task: str) -> None:
    page, _ = await opened(context, platform, task)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await typed(page, "echo copied-by-hand")
    await shows(page, r"^copied-by-hand$")
    await page.locator(".xterm-rows > div", has_text=re.compile("^copied-by-hand")).dblclick(
        position={"x": 20, "y": 6}, force=True
    )
    await page.keyboard.press("Control+Shift+C")
    assert await page.evaluate("navigator.clipboard.readText()") == "copied-by-hand"
    await page.evaluate("navigator.clipboard.writeText('echo $((40 + 2))x')")
    await page.keyboard.press("Control+Shift+V")
    await shows(page, r"# echo \$\(\(40 \+ 2\)\)x$")
    await page.keyboard.press("Enter")
    await shows(page, r"^42x$")


async def test_two_windows_of_one_session_show_the_same(
    context: BrowserContext, platform: Installed, task: str
) -> None:
    page, _ = await opened(context, platform, task)
    other = await context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#state")).to_have_text("Connected")
    await shows(other, r"#$")
    await typed(other, "echo from the other")
    await shows(other, r"^from the other$")
    await shows(page, r"^from the other$")


async def test_end_of_the_task_is_told(context: BrowserContext, platform: Installed, task: str) -> None:
    page, _ = await opened(context, platform, task)
    async with platform.api() as api:
        await api.post(f"/tasks/{task}/stop", params={"wait": 30})
    await expect(page.locator("#state")).to_have_text(
        re.compile("Ended|The task has ended, or your right to it"), timeout=SECONDS
    )
    await page.reload()
    await expect(page.locator("#state")).to_have_count(0)


async def test_several_terminals_search_and_ends(context: BrowserContext, platform: Installed, task: str) -> None:
    page, _ = await opened(context, platform, task)
    await typed(page, "echo first")
    await shows(page, r"^first$")
    await page.get_by_role("button", name="New terminal").click()
    await expect(page.locator("#state")).to_have_text("Connected")
    await shows(page, r"#$")
    await typed(page, "echo second")
    assert "first" not in await shows(page, r"^second$")
    await page.keyboard.press("Control+F6")
    await expect(page.get_by_role("button", name="Terminal 2", exact=True)).to_be_focused()
    await page.get_by_role("button", name="Terminal 1", exact=True).click()
    await shows(page, r"^first$")
    await page.keyboard.press("Control+Shift+F")
    await page.get_by_role("searchbox").fill("nowhere")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Not found")).to_be_visible()
    await picture(page, "terminal-search")
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.get_by_role("button", name="Terminal 2", exact=True)).to_be_visible()
    await shows(page, r"^first$")
    await typed(page, "exit 3")
    await expect(page.get_by_text("The shell has ended with exit code 3.")).to_be_visible()
    await page.get_by_role("button", name="End Terminal 2").click()
    await expect(page.get_by_role("button", name="Terminal 2", exact=True)).to_have_count(0)


async def test_phone_has_room_and_the_page_is_accessible(
    context: BrowserContext, platform: Installed, task: str
) -> None:
    page, _ = await opened(context, platform, task)
    await page.set_viewport_size({"width": 390, "height": 760})
    await typed(page, "ls /")
    await shows(page, r"bin")
    await picture(page, "terminal-phone")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then((told) => told.violations.map((one) => one.id))")
    assert found == []
