"""A hostile sibling task, in Chromium over TLS on one tasks domain, gets nothing through with the visitor's cookies."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from specola.gateway.tls import server_tls
from tests.support.browser import chromium
from tests.support.certificates import make_certificate
from tests.support.peers import Peer, Task, plain
from tests.support.ports import free_port
from tests.support.stage import COOKIE, Stage
from tests.support.web_side import TASK

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

SIBLING = "sib9999999"
FLAGS = ("--ignore-certificate-errors", "--host-resolver-rules=MAP *.test 127.0.0.1")
HTML = "Content-Type: text/html"


@dataclass
class Victim:
    """A task's application that notes every request that reaches it."""

    seen: list[str] = field(default_factory=list)

    async def play(self, peer: Peer) -> None:
        while True:
            head = (await peer.head()).decode("latin-1")
            self.seen.append(head.partition(" HTTP/")[0])
            if "\nupgrade: websocket" in head.lower():
                await peer.send(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
                continue
            await peer.send(plain(b"<title>victim</title>the secret", HTML, "Access-Control-Allow-Origin: *"))


async def hostile(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.send(plain(b"<title>hostile</title>", HTML))


@dataclass
class Scene:
    """Both tasks open in one browser of one visitor."""

    victim: Victim
    own: str
    sibling: str
    context: BrowserContext

    async def at(self, origin: str) -> Page:
        page = await self.context.new_page()
        await page.goto(f"{origin}/")
        self.victim.seen.clear()
        return page

    async def attack(self, script: str) -> list[str]:
        """Run a script in the sibling's page; return what reached the victim, a later harmless request left out."""
        page = await self.at(self.sibling)
        await page.evaluate(script, self.own)
        proof = await self.context.new_page()
        await proof.goto(f"{self.own}/proof")
        assert "GET /proof" in self.victim.seen
        seen = [one for one in self.victim.seen if "/proof" not in one and "favicon" not in one]
        await proof.close()
        await page.close()
        return seen


@asynccontextmanager
async def opened() -> AsyncIterator[Scene]:
    victim, port = Victim(), free_port()
    own, sibling = (f"https://lab--{task}.tasks.test:{port}" for task in (TASK, SIBLING))
    with tempfile.TemporaryDirectory() as folder:
        tls = server_tls(*make_certificate(Path(folder), "platform.test", "*.tasks.test"))
        where: dict[str, Any] = {
            "bind": f"127.0.0.1:{port}",
            "public_url": f"https://platform.test:{port}",
            "tasks_domain": "tasks.test",
        }
        async with Stage.open(play=victim.play, tls=tls, **where) as stage, Task.listening(hostile) as other:
            stage.web.serve_interface("lab", other.endpoint, task=SIBLING)
            async with chromium(port, flags=FLAGS) as browser:
                context = await browser.new_context(ignore_https_errors=True)
                cookie = {
                    "name": "__Host-specola",
                    "value": COOKIE,
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
                await context.add_cookies([{**cookie, "url": origin} for origin in (own, sibling)])  # type: ignore[typeddict-item]  # built by |, which mypy takes for a plain dict
                yield Scene(victim, own, sibling, context)


SETTLE = "await new Promise(done => setTimeout(done, 300));"
ATTACKS = {
    "fetch with credentials": "own => fetch(own + '/a', {credentials: 'include'}).catch(() => 0)",
    "fetch without cors": "own => fetch(own + '/a', {mode: 'no-cors', credentials: 'include'}).catch(() => 0)",
    "post without cors": "own => fetch(own + '/a', {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x'}).catch(() => 0)",
    "beacon": f"async own => {{ navigator.sendBeacon(own + '/a', 'x'); {SETTLE} }}",
    "image": "own => new Promise(done => { const i = new Image(); i.onload = i.onerror = done; i.src = own + '/a'; })",
    "script": "own => new Promise(done => { const s = document.createElement('script'); s.onload = s.onerror = done; s.src = own + '/a'; document.head.append(s); })",
    "frame": "own => new Promise(done => { const f = document.createElement('iframe'); f.onload = done; f.src = own + '/a'; document.body.append(f); })",
    "form into a frame": "own => new Promise(done => { document.body.innerHTML = `<iframe name=f></iframe><form method=post target=f action='${own}/a'><input name=x></form>`; document.querySelector('iframe').onload = done; document.forms[0].submit(); })",
    "socket": "own => new Promise(done => { const s = new WebSocket(own.replace('https', 'wss') + '/a'); s.onopen = s.onclose = done; })",
    "sandboxed fetch": f"async own => {{ const f = document.createElement('iframe'); f.sandbox = 'allow-scripts'; f.srcdoc = `<script>fetch('${{own}}/a', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x'}})</script>`; document.body.append(f); {SETTLE} }}",
    "sandboxed socket": f"async own => {{ const f = document.createElement('iframe'); f.sandbox = 'allow-scripts'; f.srcdoc = `<script>new WebSocket('${{own}}/a'.replace('https', 'wss'))</script>`; document.body.append(f); {SETTLE} }}",
    "sandboxed form": f"async own => {{ const f = document.createElement('iframe'); f.sandbox = 'allow-scripts allow-forms'; f.srcdoc = `<form method=post action='${{own}}/a'></form><script>document.forms[0].submit()</script>`; document.body.append(f); {SETTLE} }}",
}  # fmt: skip


async def test_no_attack_of_a_sibling_reaches_the_application() -> None:
    async with opened() as scene:
        reached = {name: await scene.attack(script) for name, script in ATTACKS.items()}
    assert {name: seen for name, seen in reached.items() if seen} == {}
    assert reached.keys() == ATTACKS.keys()


async def test_a_form_that_replaces_the_page_is_refused() -> None:
    async with opened() as scene:
        page = await scene.at(scene.sibling)
        async with page.expect_navigation() as navigation:
            form = "own => { document.body.innerHTML = `<form method=post action='${own}/a'></form>`; document.forms[0].submit(); }"
            await page.evaluate(form, scene.own)
        answer = await navigation.value
        assert answer is not None
        assert answer.status == 403
        assert not any("POST" in one for one in scene.victim.seen)


async def test_a_tossed_cookie_lets_nobody_in_elsewhere() -> None:
    async with opened() as scene:
        page = await scene.at(scene.sibling)
        toss = "() => { document.cookie = '__Host-specola=evil; Domain=tasks.test; Path=/; Secure'; document.cookie = 'a=b; Domain=tasks.test; Path=/; Secure'; return document.cookie; }"
        assert await page.evaluate(toss) == "a=b"
        answer = await page.goto(f"{scene.own}/")
        assert answer is not None
        assert answer.status == 200


async def test_the_own_pages_and_links_go_through() -> None:
    async with opened() as scene:
        page = await scene.at(scene.own)
        post = "own => fetch(own + '/own', {method: 'POST', body: ''}).then(r => r.status)"
        assert await page.evaluate(post, scene.own) == 200
        page = await scene.at(scene.sibling)
        async with page.expect_navigation() as navigation:
            await page.evaluate("own => { location = own + '/linked' }", scene.own)
        answer = await navigation.value
        assert answer is not None
        assert answer.status == 200
        assert "GET /linked" in scene.victim.seen
