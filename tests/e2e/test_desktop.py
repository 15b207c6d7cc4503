"""Remote desktops in a real Chromium over a real Podman: DS9 worked with and shown to a guest, TOPCAT with its table."""

import asyncio
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.support.accessible import broken_rules
from tests.support.engines import PrivateEngine
from tests.support.installed import Installed, until
from tests.support.screens import Screen

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.browser,
    pytest.mark.xdist_group("podman-e2e"),
    pytest.mark.timeout(600),
]

SECONDS = 60_000
TAKEN_BACK_MS = 2_000
# Where things are in DS9 on a desktop of 1280 by 815, in its own pixels.
FILE_MENU, OPEN, COLOR_MENU, HEAT = (19, 32), (30, 70), (310, 32), (318, 298)
BESIDE_PICTURE = (120, 400)
COLOR_MENU_SHOWN = (440, 70)
PICTURE = (400, 270, 480, 470)
DIALOG = (510, 340, 180, 190)
FIELD, FIELD_TEXT = (850, 593), (504, 587, 120, 12)
RAMP = "/home/person/ramp.fits"
FROM_OUTSIDE = "text that came from outside, 5\u00d75 \u2192 25"
FROM_INSIDE = "text that came from inside: \u03b1 = 201.9\u00b0"
# What a guest's viewer would have to send to open DS9's dialog: a press on File, then Ctrl+O.
HOSTILE = """() => {
    const send = (...bytes) => window.sockets.at(-1).send(new Uint8Array(bytes));
    const key = (down, symbol) => send(4, down, 0, 0, 0, 0, symbol >> 8, symbol & 255);
    send(5, 0, 0, 19, 0, 32); send(5, 1, 0, 19, 0, 32); send(5, 0, 0, 19, 0, 32);
    key(1, 0xffe3); key(1, 0x6f); key(0, 0x6f); key(0, 0xffe3);
    send(6, 0, 0, 0, 0, 0, 0, 3, 98, 97, 100);
    send(251, 0, 2, 88, 1, 144, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 88, 1, 144, 0, 0, 0, 0);
}"""
REMEMBER_SOCKETS = """window.sockets = [];
window.WebSocket = new Proxy(WebSocket, { construct(made, given) {
    const socket = new made(...given);
    window.sockets.push(socket);
    return socket;
} });"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the pages go; SPECOLA_PICTURES names a folder to keep them."""
    folder = Path(os.environ.get("SPECOLA_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Inside:
    """The inside of a task's container, for what a person could see there in another window."""

    engine: PrivateEngine
    platform: Installed
    task: str

    async def run(self, *command: str, given: str = "") -> str:
        """Run a command in the container; return what it wrote."""
        names = (await self._podman("ps", "--format", "{{.Names}}")).split()
        [name] = [one for one in names if one.endswith(self.task)]
        return await self._podman("exec", "--interactive", name, *command, given=given)

    async def clipboard(self) -> str:
        """Return what would be pasted; the desktop asks the browser for it only then."""
        return await self.run("xclip", "-out", "-selection", "clipboard")

    async def copy(self, text: str) -> None:
        """Copy, as a program on the desktop does."""
        await self.run("sh", "-c", "xclip -in -selection clipboard >/dev/null 2>&1", given=text)

    async def _podman(self, *words: str, given: str = "") -> str:
        conf = self.engine.environment()["CONTAINERS_CONF"]
        process = await asyncio.create_subprocess_exec(
            *self.engine.podman(),
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "CONTAINERS_CONF": conf},
        )
        out, _ = await process.communicate(given.encode())
        return out.decode()


def write_ramp(home: Path) -> None:
    """Put a FITS file into a person's home: 256 by 256 pixels that grow from the left to the right."""
    cards = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2",
             "NAXIS1  =                  256", "NAXIS2  =                  256", "END")  # fmt: skip
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    pixels = bytes(range(256)) * 256
    file = home / "ramp.fits"
    file.write_bytes(header + pixels.ljust(-(-len(pixels) // 2880) * 2880, b"\0"))
    owner = home.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


async def signed_in(browser: Browser, platform: Installed) -> tuple[BrowserContext, Page]:
    """Spend the sign-in link that the platform printed, in a browser that lets pages use its clipboard."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 860}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(SECONDS)
    page = await context.new_page()
    await page.goto(platform.link)
    await expect(page.get_by_role("heading", name="Start something")).to_be_visible(timeout=SECONDS)
    return context, page


async def started(context: BrowserContext, home: Page, platform: Installed, name: str) -> Screen:
    """Press Start on a card; return the screen of the tab that opens, once it is connected."""
    await home.goto(f"{platform.url}/software")
    async with context.expect_page() as found:
        await home.get_by_role("button", name=f"Start {name} in a new tab").click()
    screen = Screen(await found.value)
    await screen.connected()
    return screen


async def test_ds9_is_worked_with_and_shown_and_topcat_opens_its_table(
    browser: Browser, platform: Installed, demonstrations: PrivateEngine, pictures: Path
) -> None:
    context, home = await signed_in(browser, platform)
    screen = await started(context, home, platform, "SAOImage DS9")
    complaints: list[str] = []
    screen.page.on(
        "console", lambda one: complaints.append(one.text) if "Content Security Policy" in one.text else None
    )
    task = screen.page.url.split("--")[1].split(".")[0]
    inside = Inside(engine=demonstrations, platform=platform, task=task)

    await sees_m51(screen)
    await screen.page.screenshot(path=pictures / "desktop-light.png")
    await changes_the_colours(screen)
    await screen.page.emulate_media(color_scheme="dark")
    await screen.page.screenshot(path=pictures / "desktop-dark.png")
    await screen.page.emulate_media(color_scheme="light")
    await carries_the_clipboard(screen, inside)
    await opens_a_file(screen, platform, inside)
    await screen.page.screenshot(path=pictures / "desktop-opened.png")
    assert await broken_rules(screen.page) == []
    await follows_the_window(screen, pictures)
    await survives_a_reload(screen)
    await connects_again(screen, platform)
    await is_shown_to_a_guest(browser, home, screen, platform, inside, pictures)
    assert complaints == []

    await opens_the_table(await started(context, home, platform, "TOPCAT"), pictures)
    await context.close()


async def sees_m51(screen: Screen) -> None:
    """See the galaxy: many levels of grey, no colour, on a desktop as large as the window leaves room for."""

    async def seen() -> bool:
        picture = await screen.look(*PICTURE)
        beside = await screen.look(*BESIDE_PICTURE, 60, 60)
        return picture.spread > 30 and picture.coloured < 0.01 and beside.mean > 250

    await screen.until(seen, what="the picture of M51")
    size = await screen.page.evaluate("[innerWidth, document.querySelector('#screen').clientHeight]")
    assert list(await screen.size()) == size


async def changes_the_colours(screen: Screen) -> None:
    """Choose another colour scale in DS9's menu."""

    async def menu() -> bool:
        return 200 < (await screen.look(*COLOR_MENU_SHOWN)).mean < 250

    async def coloured() -> bool:
        return (await screen.look(*PICTURE)).coloured > 0.3

    await screen.press_until(*COLOR_MENU, menu, what="the menu Color")
    await screen.press_until(*HEAT, coloured, what="the picture in the colours of heat")


async def carries_the_clipboard(screen: Screen, inside: Inside) -> None:
    """Copy outside and find it inside, and the other way round."""
    page = screen.page
    await page.bring_to_front()
    await page.evaluate("text => navigator.clipboard.writeText(text)", FROM_OUTSIDE)
    await screen.press(640, 600)

    async def arrived() -> bool:
        return await inside.clipboard() == FROM_OUTSIDE

    await screen.until(arrived, what="outside's text inside")
    await inside.copy(FROM_INSIDE)

    async def came_out() -> bool:
        text: str = await page.evaluate("navigator.clipboard.readText()")
        return text == FROM_INSIDE

    await screen.until(came_out, what="inside's text outside")
    await page.get_by_text("Clipboard", exact=True).click()
    await expect(page.get_by_label("The desktop's clipboard")).to_have_value(FROM_INSIDE)
    await page.keyboard.press("Escape")


async def opens_a_file(screen: Screen, platform: Installed, inside: Inside) -> None:
    """Open a file of one's home by the menu File: by the mouse, with a path that is pasted."""
    [home] = (platform.data / "homes").iterdir()
    write_ramp(home)
    page = screen.page

    async def menu() -> bool:
        return (await screen.look(*BESIDE_PICTURE)).mean < 230

    async def dialog() -> bool:
        lists = await screen.look(*DIALOG)
        return lists.mean > 245 and lists.coloured < 0.02

    async def marked() -> bool:
        return (await screen.look(*FIELD_TEXT)).coloured > 0.3

    async def empty() -> bool:
        return (await screen.look(*FIELD_TEXT)).spread < 10

    async def filled() -> bool:
        text = await screen.look(*FIELD_TEXT)
        return text.spread > 20 and text.coloured < 0.1

    async def ramp() -> bool:
        left, right = await screen.look(520, 500, 20, 20), await screen.look(740, 500, 20, 20)
        return right.mean - left.mean > 40

    await screen.press_until(*FILE_MENU, menu, what="the menu File")
    await screen.press_until(*OPEN, dialog, what="the dialog to open a file")
    await page.get_by_text("Clipboard", exact=True).click()
    await page.get_by_label("The desktop's clipboard").fill(RAMP)
    await page.keyboard.press("Escape")
    await expect(page.locator("#screen canvas")).to_be_focused()
    await screen.press(*FIELD)

    async def carried() -> bool:
        return await inside.clipboard() == RAMP

    await screen.until(carried, what="the path inside")
    # The window manager looks at a press before the dialog does, so a key can overtake it.
    await screen.type_until("Control+/", marked, what="a path that is marked")
    for keys, seen in (("Backspace", empty), ("Control+v", filled)):
        await page.keyboard.press(keys)
        await screen.until(seen, what=f"what {keys} does")
    await screen.type_until("Enter", ramp, what="the picture of the file that was opened")


async def follows_the_window(screen: Screen, pictures: Path) -> None:
    """Make the window smaller: the desktop and DS9 follow; on a phone's window the picture is scaled."""
    page = screen.page

    async def resized() -> bool:
        width, height = await screen.size()
        if (width, height) != (1000, 655):
            return False
        # DS9's bar of buttons reaches to the new edge, and below it ends the colour bar.
        return (await screen.look(940, 200, 40, 20)).mean > 180

    await page.set_viewport_size({"width": 1000, "height": 700})
    await screen.until(resized, what="a desktop of the new size")
    await page.set_viewport_size({"width": 390, "height": 780})
    box = page.locator("#screen canvas")
    await expect(box).to_have_css("width", "390px")
    await page.locator("summary", has_text="Display").click()
    await expect(page.get_by_label("Scale the picture")).to_be_visible()
    await page.screenshot(path=pictures / "desktop-narrow.png")
    await page.keyboard.press("Escape")
    assert await broken_rules(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.set_viewport_size({"width": 1280, "height": 860})


async def survives_a_reload(screen: Screen) -> None:
    """Load the page again: the desktop is as it was."""
    await screen.page.reload()
    await screen.connected()
    await screen.until(lambda: has_colours(screen), what="the desktop as it was")


async def connects_again(screen: Screen, platform: Installed) -> None:
    """Lose the gateway: the page says so, and has the desktop back by itself."""
    state = screen.page.locator("#state")
    await platform.kill("gateway")
    await expect(state).to_have_text("Interrupted")
    await expect(screen.page.locator("#notice-text")).to_have_text(re.compile(r"Trying again in \d+ s\.$"))
    await screen.connected()
    await screen.until(lambda: has_colours(screen), what="the desktop as it was")


async def has_colours(screen: Screen) -> bool:
    """Tell whether the picture in the colours of heat is there."""
    return await screen.size() == (1280, 815) and (await screen.look(*PICTURE)).coloured > 0.05


async def is_shown_to_a_guest(
    browser: Browser, home: Page, screen: Screen, platform: Installed, inside: Inside, pictures: Path
) -> None:
    """Make a link; its guest sees the desktop, cannot act on it by any means, and is sent away when it is taken back."""
    await home.goto(f"{platform.url}/tasks/{inside.task}/interfaces")
    await home.get_by_role("link", name="Share desktop").click()
    await home.get_by_role("button", name="Make a link").click()
    address = await home.locator("code", has_text="/shared#").inner_text()
    await home.screenshot(path=pictures / "desktop-share.png")
    context = await browser.new_context(viewport={"width": 1100, "height": 760})
    guest = Screen(await context.new_page())
    await guest.page.add_init_script(REMEMBER_SOCKETS)
    await guest.page.goto(address)
    await guest.connected()
    await expect(guest.page.get_by_text("View only")).to_be_visible()
    await expect(guest.page.get_by_text("Keys")).to_have_count(0)

    async def sees_the_same() -> bool:
        return (await guest.look(*PICTURE)).coloured > 0.05

    await guest.until(sees_the_same, what="the picture at the guest's")
    await guest.page.screenshot(path=pictures / "desktop-guest.png")
    assert await broken_rules(guest.page) == []

    await inside.copy("untouched")
    before = await screen.look(0, 0, 1280, 815)
    await guest.page.mouse.click(30, 80)
    await guest.page.keyboard.press("Control+o")
    await guest.page.evaluate(HOSTILE)
    # What the guest sent has been dealt with once its viewer has been sent a picture that it asked for afterwards.
    await guest.page.evaluate("window.sockets.at(-1).send(new Uint8Array([3, 0, 0, 0, 0, 0, 0, 9, 0, 9]))")
    await until(lambda: received(guest.page), what="a picture after what the guest did")
    assert await screen.look(0, 0, 1280, 815) == before
    assert await screen.size() == (1280, 815)
    assert await inside.clipboard() == "untouched"

    await home.goto(f"{platform.url}/tasks/{inside.task}/interfaces/desktop/share")
    await home.get_by_role("button", name="Take back").click()
    await expect(guest.page.get_by_text("This link has been taken back.")).to_be_visible(timeout=TAKEN_BACK_MS)
    await guest.page.screenshot(path=pictures / "desktop-taken-back.png")
    await guest.page.reload()
    await expect(guest.page.get_by_role("heading", name="This link shows nothing any more")).to_be_visible()
    await expect(screen.page.locator("#state")).to_have_text("Connected")
    await context.close()


async def received(page: Page) -> bool:
    """Tell whether something has come over the guest's connection since this was first asked."""
    seen: bool = await page.evaluate(
        """() => {
            const socket = window.sockets.at(-1);
            if (socket.counted === undefined) {
                socket.counted = 0;
                socket.addEventListener("message", () => { socket.counted += 1; });
                socket.send(new Uint8Array([3, 0, 0, 0, 0, 0, 0, 9, 0, 9]));
            }
            return socket.counted > 0;
        }"""
    )
    return seen


async def opens_the_table(screen: Screen, pictures: Path) -> None:
    """Press TOPCAT's button for a table's cells: a window with rows of numbers opens."""

    async def control_window() -> bool:
        return (await screen.look(230, 120, 400, 200)).mean > 150

    async def cells() -> bool:
        # Below TOPCAT's first window, where the desktop was empty.
        return (await screen.look(100, 350, 600, 35)).mean > 150

    await screen.until(control_window, what="TOPCAT's window")
    assert not await cells()
    await screen.press_until(162, 60, cells, what="the window with the table's cells")
    await screen.page.screenshot(path=pictures / "topcat.png")
