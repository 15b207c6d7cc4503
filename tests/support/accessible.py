"""Whether a page can be used by everybody: the rules of WCAG that a machine can check."""

from pathlib import Path

from playwright.async_api import Page

__all__ = ["broken_rules"]

AXE = (Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FINDINGS = """async (rules) => (await axe.run(document, { runOnly: rules })).violations
    .map((one) => one.id + ": " + one.nodes.map((node) => node.target.join(" ")).join(", "))"""


async def broken_rules(page: Page) -> list[str]:
    """Return the rules that a page breaks, each with where."""
    await page.evaluate(AXE)
    found: list[str] = await page.evaluate(FINDINGS, RULES)
    return found
