"""A desktop in a browser's page, as a person sees and uses it: what is on the screen, and presses that are repeated."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, expect

from tests.support.installed import until

__all__ = ["Screen", "Seen"]

SECONDS = 30.0
AGAIN_SECONDS = 2.0

LOOK = """([x, y, width, height]) => {
    const canvas = document.querySelector('#screen canvas');
    const { data } = canvas.getContext('2d').getImageData(x, y, width, height);
    let sum = 0, squares = 0, coloured = 0, hash = 2166136261;
    for (let at = 0; at < data.length; at += 4) {
        const [r, g, b] = [data[at], data[at + 1], data[at + 2]];
        const level = (r + g + b) / 3;
        sum += level; squares += level * level;
        coloured += Math.max(r, g, b) - Math.min(r, g, b) > 48;
        hash = Math.imul(hash ^ (r << 16 | g << 8 | b), 16777619);
    }
    const count = data.length / 4, mean = sum / count;
    return [mean, Math.sqrt(Math.max(0, squares / count - mean * mean)), coloured / count, hash];
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a part of the screen looks like: its mean level and the spread of levels (0 to 255), and how much is coloured."""

    mean: float
    spread: float
    coloured: float
    hash: int


@dataclass(frozen=True, slots=True)
class Screen:
    """The desktop's screen in a page."""

    page: Page

    async def connected(self) -> None:
        """Wait until the desktop is shown."""
        await expect(self.page.locator("#state")).to_have_text("Connected", timeout=90_000)

    async def size(self) -> tuple[int, int]:
        """Return the desktop's own width and height."""
        width, height = await self.page.locator("#screen canvas").evaluate("one => [one.width, one.height]")
        return width, height

    async def look(self, x: int, y: int, width: int = 1, height: int = 1) -> Seen:
        """Return what a part of the screen looks like, in the desktop's own pixels."""
        return Seen(*await self.page.evaluate(LOOK, [x, y, width, height]))

    async def press(self, x: int, y: int) -> None:
        """Press the mouse's button at a point of a desktop that is shown pixel by pixel."""
        box = await self.page.locator("#screen canvas").bounding_box()
        assert box is not None
        await self.page.mouse.click(box["x"] + x, box["y"] + y)

    async def press_until(self, x: int, y: int, true: Callable[[], Awaitable[bool]], *, what: str) -> None:
        """Press, and press again as a person would if nothing has come of it; raises TimeoutError."""
        await again(lambda: self.press(x, y), true, what=what)

    async def type_until(self, keys: str, true: Callable[[], Awaitable[bool]], *, what: str) -> None:
        """Type keys that may be typed twice until they have done what they do; raises TimeoutError."""
        await again(lambda: self.page.keyboard.press(keys), true, what=what)

    async def until(self, true: Callable[[], Awaitable[bool]], *, what: str) -> None:
        """Wait for something to be seen; raises TimeoutError."""
        await until(true, seconds=SECONDS, pause=0.1, what=what)


async def again(act: Callable[[], Awaitable[None]], true: Callable[[], Awaitable[bool]], *, what: str) -> None:
    """Act until something is seen; raises TimeoutError."""
    for _ in range(int(SECONDS / AGAIN_SECONDS)):
        await act()
        try:
            await until(true, seconds=AGAIN_SECONDS, pause=0.1, what=what)
        except TimeoutError:
            continue
        return
    raise TimeoutError(f"{what} did not come about, however often it was tried")
