"""Requests and answers pass as they are: what is kept, what is dropped, how bodies are framed."""

import pytest

from tests.support.peers import plain
from tests.support.stage import HOST, Stage, request
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio


async def test_a_request_reaches_the_task_with_case_and_order_kept(stage: Stage) -> None:
    visitor, task, head = await stage.pair(request("/a?b=c", "X-OnE: 1", "x-tWo: 2", "ACCEPT: */*"))
    lines = head.decode().split("\r\n")
    assert lines[:5] == ["GET /a?b=c HTTP/1.1", f"Host: {HOST}", "X-OnE: 1", "x-tWo: 2", "ACCEPT: */*"]
    await task.send(plain(b"hello", "X-CaSe: Kept"))
    answer = await visitor.answer()
    assert (answer.status, answer.body) == (200, b"hello")
    assert b"X-CaSe: Kept\r\n" in answer.raw


async def test_what_a_visitor_says_of_proxies_is_replaced(stage: Stage) -> None:
    lies = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6")
    _, _, head = await stage.pair(request("/", *lies, "X-Specola-Person: root"))
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in head
    assert f"X-Forwarded-Host: {HOST}\r\n".encode() in head
    assert b"X-Forwarded-Proto: http\r\n" in head
    assert b"6.6.6.6" not in head
    assert b"evil" not in head
    assert b"root" not in head


async def test_a_trusted_proxy_is_believed() -> None:
    async with Stage.open(trusted_proxies=("127.0.0.0/8",)) as stage:
        told = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: lab.example.org")
        _, _, head = await stage.pair(request("/", *told))
    assert b"X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n" in head
    assert b"X-Forwarded-Proto: https\r\n" in head
    assert b"X-Forwarded-Host: lab.example.org\r\n" in head


async def test_fields_for_one_connection_end_at_the_gateway(stage: Stage) -> None:
    sent = request("/", "Connection: keep-alive, X-Secret-Hop", "X-Secret-Hop: 1", "TE: trailers", "Keep-Alive: 5")
    visitor, task, head = await stage.pair(sent)
    for gone in (b"Connection", b"X-Secret-Hop", b"TE:", b"Keep-Alive"):
        assert gone not in head
    await task.send(plain(b"", "Connection: X-Inner", "X-Inner: 1", "Keep-Alive: timeout=5", "X-Outer: 2"))
    answer = await visitor.answer()
    assert b"X-Inner" not in answer.raw
    assert b"Keep-Alive" not in answer.raw
    assert answer.header("x-outer") == "2"


async def test_connections_are_kept_on_both_sides(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1"))
    await task.send(plain(b"1"))
    assert (await visitor.answer()).body == b"1"
    for number in (b"2", b"3"):
        await visitor.send(request(f"/{number.decode()}"))
        assert (await task.head()).startswith(b"GET /" + number)
        await task.send(plain(number))
        assert (await visitor.answer()).body == number
    assert len(stage.web.decisions()) == 1


async def test_a_connection_is_never_shared_between_persons(stage: Stage) -> None:
    stage.web.cookies["entry-of-bob"] = "bob"
    visitor, task, _ = await stage.pair(request())
    await task.send(plain())
    await visitor.answer()
    await visitor.send(request(cookie="entry-of-bob"))
    other = await stage.task.accept()
    await other.head()
    assert await task.ended()
    await other.send(plain(b"bob's"))
    assert (await visitor.answer()).body == b"bob's"


async def test_a_chunked_body_with_trailers_passes_both_ways(stage: Stage) -> None:
    body = b"5;note=x\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    sent = request(
        "/", "Transfer-Encoding: chunked", "Origin: http://" + HOST, "Trailer: X-Sum", method="POST", body=body
    )
    visitor, task, head = await stage.pair(sent)
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert await task.exactly(len(body)) == body
    back = b"3\r\nabc\r\n0\r\nX-Back: 2\r\n\r\n"
    await task.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + back)
    assert (await visitor.answer()).body == back


async def test_a_chunked_body_passes_byte_by_byte(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await visitor.head()
    body = b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Back: 2\r\n\r\n"
    for at in range(len(body)):
        await task.send(body[at : at + 1])
    assert await visitor.exactly(len(body)) == body


async def test_trailers_that_pose_as_headers_are_dropped(stage: Stage) -> None:
    body = b"0\r\nX-Specola-Person: root\r\nCookie: a=b\r\nContent-Length: 5\r\nX-Sum: 1\r\n\r\n"
    origin = "Origin: http://" + HOST
    _, task, _ = await stage.pair(request("/", "Transfer-Encoding: chunked", origin, method="POST", body=body))
    assert await task.until(b"\r\n\r\n") == b"0\r\nX-Sum: 1\r\n\r\n"


async def test_an_event_is_passed_on_at_once(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/", "Accept: text/event-stream"))
    await task.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    await visitor.head()
    for event in (b"9\r\ndata: 1\n\n\r\n", b"9\r\ndata: 2\n\n\r\n"):
        await task.send(event)
        assert await visitor.exactly(len(event)) == event


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
async def test_an_answer_without_a_body_ends_with_its_head(stage: Stage, method: str, status: str) -> None:
    visitor, task, _ = await stage.pair(request(method=method))
    length = "" if status.startswith("204") else "Content-Length: 5\r\n"
    await task.send(f"HTTP/1.1 {status}\r\n{length}\r\n".encode())
    await visitor.answer(to="HEAD")
    await visitor.send(request("/next"))
    assert (await task.head()).startswith(b"GET /next ")


async def test_interim_answers_pass(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + plain(b"late"))
    assert [(await visitor.answer()).status for _ in range(4)] == [103, 103, 103, 200]


async def test_a_visitor_may_wait_for_continue(stage: Stage) -> None:
    origin = "Origin: http://" + HOST
    sent = request("/", "Expect: 100-continue", "Content-Length: 4", origin, method="POST")
    visitor, task, head = await stage.pair(sent)
    assert b"Expect: 100-continue\r\n" in head
    await task.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await visitor.answer()).status == 100
    await visitor.send(b"body")
    assert await task.exactly(4) == b"body"
    await task.send(plain())
    assert (await visitor.answer()).status == 200


async def test_an_early_refusal_ends_an_upload(stage: Stage) -> None:
    sent = request("/", "Content-Length: 1000000", "Origin: http://" + HOST, method="POST", body=b"x" * 1000)
    visitor, task, _ = await stage.pair(sent)
    await task.send(plain(b"too large", status="413 Too Large"))
    answer = await visitor.answer()
    assert (answer.status, answer.body) == (413, b"too large")
    assert await visitor.ended()


async def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1") + request("/2") + request("/3"))
    for number in (b"1", b"2", b"3"):
        if number != b"1":
            assert (await task.head()).startswith(b"GET /" + number)
        await task.send(plain(number))
    assert [(await visitor.answer()).body for _ in range(3)] == [b"1", b"2", b"3"]


async def test_an_answer_up_to_the_end_of_the_connection(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
    task.writer.close()
    answer = await visitor.answer()
    assert answer.raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (answer.header("connection"), answer.body) == ("close", b"all of it")


async def test_a_cut_body_is_seen_as_cut(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await visitor.head()
    task.writer.close()
    assert len(await visitor.rest()) < 10


async def test_http_1_0_is_served_and_closed(stage: Stage) -> None:
    old = f"GET / HTTP/1.0\r\nHost: {HOST}\r\nCookie: __Host-specola=entry-of-ada\r\n\r\n".encode()
    visitor, task, head = await stage.pair(old)
    assert head.startswith(b"GET / HTTP/1.0\r\n")
    await task.send(plain(b"old"))
    assert (await visitor.answer()).header("connection") == "close"
    assert await visitor.ended()


async def test_a_visitor_who_has_sent_all_may_end(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    visitor.end()
    await task.send(plain(b"still answered"))
    assert (await visitor.answer()).body == b"still answered"
    assert await visitor.ended()


async def test_a_visitor_who_goes_away_ends_the_request(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    visitor.reset()
    assert await task.ended()


async def test_a_kept_connection_that_the_task_closed_is_made_anew(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1"))
    await task.send(plain())
    await visitor.answer()
    await visitor.send(request("/2"))
    await task.head()
    task.close()
    again = await stage.task.accept()
    assert (await again.head()).startswith(b"GET /2 ")
    await again.send(plain(b"second try"))
    assert (await visitor.answer()).body == b"second try"


async def test_what_may_not_be_repeated_is_not(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1"))
    await task.send(plain())
    await visitor.answer()
    await visitor.send(request("/2", "Origin: http://" + HOST, "Content-Length: 0", method="POST"))
    await task.head()
    task.close()
    answer = await visitor.answer()
    assert answer.status == 502
    assert b'"application_away"' in answer.body


async def test_a_task_behind_a_unix_socket(stage: Stage) -> None:
    path = stage.web.settings.run / "task.sock"
    async with type(stage.task).listening(path=path) as task:
        stage.web.serve_interface("unix", {"path": str(path)})
        visitor = await stage.visitor()
        await visitor.send(request(host=f"unix--{TASK}.localhost:8080"))
        peer = await task.accept()
        await peer.head()
        await peer.send(plain(b"by socket"))
        assert (await visitor.answer()).body == b"by socket"


async def test_the_platform_is_relayed_with_its_cookies_and_a_request_id(stage: Stage) -> None:
    visitor = await stage.visitor()
    sent = request("/tasks", "X-Request-Id: forged", "X-Forwarded-For: 6.6.6.6", host="localhost:8080", cookie="kept")
    answer = await visitor.ask(sent)
    assert answer.body == b'{"page": "/tasks"}'
    asked = stage.web.public[0]
    assert asked.header("cookie") == "__Host-specola=kept"
    assert asked.header("x-forwarded-for") == "127.0.0.1"
    assert asked.header("x-request-id") not in {None, "forged"}


async def test_what_follows_an_answer_without_a_body_is_no_next_answer(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/"))
    hidden = plain(b"not asked for")
    await task.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
    answer = await visitor.answer()
    assert answer.status == 304
    visitor.end()
    assert await visitor.rest() == b""
