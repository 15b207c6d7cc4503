"""Tunnels to desktops: the password stays with the gateway, guests look and nothing else, use is told by input."""

from typing import Any

import pytest

from specola.gateway.rfb import answer_to
from tests.support.peers import Peer
from tests.support.sockets import Socket, handshake
from tests.support.stage import Stage, request
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio

HOST = f"desktop--{TASK}.localhost:8080"
SECRET = "the-credential"
CHALLENGE = bytes(range(16))
SERVER_INIT = bytes.fromhex("0500 02d0") + bytes(16) + (4).to_bytes(4) + b"here"
UPDATE = b"\x03\x01" + bytes(8)
KEY = b"\x04\x01\x00\x00\x00\x00\x00\x61"
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none")


def serve(stage: Stage, **more: Any) -> None:
    stage.web.serve_interface("desktop", stage.task.endpoint, protocol="rfb", add=[["rfb", "password", SECRET]], **more)


async def opened(stage: Stage) -> tuple[Socket, Peer]:
    socket = await Socket.open(stage, host=HOST)
    return socket, await stage.task.accept()


async def welcome(task: Peer) -> None:
    """Let the gateway in, as a desktop with a password does."""
    await task.send(b"RFB 003.008\n")
    assert await task.exactly(12) == b"RFB 003.008\n"
    await task.send(b"\x01\x02")
    assert await task.exactly(1) == b"\x02"
    await task.send(CHALLENGE)
    assert await task.exactly(16) == answer_to(CHALLENGE, SECRET.encode())
    await task.send(bytes(4))


async def enter(socket: Socket) -> None:
    """Come in, as a viewer does that knows no password."""
    assert await socket.exactly(12) == b"RFB 003.008\n"
    await socket.send(b"RFB 003.008\n")
    assert await socket.exactly(2) == b"\x01\x01"
    await socket.send(b"\x01")
    assert await socket.exactly(4) == bytes(4)
    await socket.send(b"\x00")


async def test_a_visitor_works_with_a_desktop_without_its_password(stage: Stage) -> None:
    serve(stage)
    socket, task = await opened(stage)
    await welcome(task)
    await enter(socket)
    assert await task.exactly(1) == b"\x00"
    await task.send(SERVER_INIT)
    assert await socket.exactly(len(SERVER_INIT)) == SERVER_INIT
    await socket.send(UPDATE + KEY)
    assert await task.exactly(len(UPDATE + KEY)) == UPDATE + KEY
    picture = bytes(range(256)) * 2000
    await task.send(picture)
    assert await socket.exactly(len(picture)) == picture


async def test_a_guest_looks_on_and_what_it_types_is_dropped(stage: Stage) -> None:
    serve(stage, view_only=True)
    socket, task = await opened(stage)
    await welcome(task)
    await enter(socket)
    assert await task.exactly(1) == b"\x01"
    await socket.send(KEY + UPDATE + KEY)
    await socket.send(KEY + UPDATE)
    assert await task.exactly(2 * len(UPDATE)) == UPDATE * 2
    await socket.send(b"\x63")
    assert await socket.closed() == (1011, "The viewer sent a message that is not known.")


async def test_a_guest_gets_the_page_and_the_pictures_and_nothing_else(stage: Stage) -> None:
    serve(stage, view_only=True)
    page = await stage.refused(request("/", *NAVIGATION, host=HOST))
    assert page.status == 200
    assert stage.web.asked[-1].target == f"/viewers/{TASK}/desktop/page"
    own = (f"Origin: http://{HOST}", "Sec-Fetch-Site: same-origin")
    for method, path in (("POST", "/.specola/stop"), ("GET", "/.specola/events"), ("POST", "/")):
        refused = await stage.refused(request(path, *own, method=method, host=HOST))
        assert refused.status == 404, path
    serve(stage, view_only=True)
    stage.web.serve_interface("lab", stage.task.endpoint, view_only=True)
    assert (await stage.refused(request("/", "Sec-Fetch-Site: none"))).status == 404
    peer = await stage.visitor()
    await peer.send(handshake())
    assert (await peer.answer()).status == 404


async def test_a_desktop_that_refuses_is_told_to_the_visitor(stage: Stage) -> None:
    serve(stage)
    socket, task = await opened(stage)
    await task.send(b"RFB 003.008\n\x00" + (5).to_bytes(4) + b"never")
    assert await socket.closed() == (1011, "The desktop refuses the connection: never")


async def test_what_is_no_desktop_is_told_to_the_visitor(stage: Stage) -> None:
    serve(stage)
    socket, task = await opened(stage)
    await task.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    code, reason = await socket.closed()
    assert (code, "no desktop" in reason) == (1011, True)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("link:abc", (4003, "This link has been taken back.")),
        ("person:ada", (4003, "Your right to use this task has been taken back.")),
        (f"task:{TASK}", (4002, "The task has been stopped.")),
    ],
)
async def test_a_right_that_is_taken_back_closes_the_window(stage: Stage, mark: str, told: tuple[int, str]) -> None:
    serve(stage, view_only=True, marks=["link:abc", "person:ada", f"task:{TASK}"])
    socket, task = await opened(stage)
    await welcome(task)
    await enter(socket)
    await stage.web.revoke(mark)
    assert await socket.closed() == told


async def test_only_input_is_use(stage: Stage) -> None:
    serve(stage)
    socket, task = await opened(stage)
    await welcome(task)
    await enter(socket)
    await task.send(SERVER_INIT + bytes(1000))
    await socket.send(UPDATE)
    assert await socket.exactly(len(SERVER_INIT) + 1000)
    assert await task.exactly(1 + len(UPDATE))
    await stage.report()
    [quiet] = stage.web.traffic
    assert (quiet["used"], quiet["sent"] > 1000) == (False, True)
    await socket.send(KEY)
    assert await task.exactly(len(KEY)) == KEY
    await stage.report()
    assert stage.web.traffic[-1]["used"]
