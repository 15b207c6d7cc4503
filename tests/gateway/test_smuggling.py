"""What two readers could understand differently is refused, and no byte of it reaches a task."""

import pytest

from tests.support.peers import plain
from tests.support.stage import HOST, ORIGIN, Stage, request

pytestmark = pytest.mark.anyio

LET_IN = f"Cookie: __Host-specola=entry-of-ada\r\nOrigin: {ORIGIN}\r\n"
START = f"POST / HTTP/1.1\r\nHost: {HOST}\r\n{LET_IN}"
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "both framings": START + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "both framings, other order": START + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
    "length twice": START + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
    "two lengths": START + "Content-Length: 4\r\nContent-Length: 9\r\n\r\nbody" + HIDDEN,
    "list of lengths": START + "Content-Length: 4, 4\r\n\r\nbody",
    "signed length": START + "Content-Length: +4\r\n\r\nbody",
    "negative length": START + "Content-Length: -4\r\n\r\nbody",
    "hexadecimal length": START + "Content-Length: 0x4\r\n\r\nbody",
    "empty length": START + "Content-Length: \r\n\r\nbody",
    "huge length": START + "Content-Length: 99999999999999999999\r\n\r\nbody",
    "two codings": START + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": START + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": START + "Transfer-Encoding: identity\r\n\r\n",
    "coding twice": START + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding in quotes": START + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "vertical tab in coding": START + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before colon": START + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before colon": START + "Content-Length\t: 4\r\n\r\nbody",
    "folded line": START + "X-A: b\r\n c\r\n\r\n",
    "folded coding": START + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "leading space": f"POST / HTTP/1.1\r\n Host: {HOST}\r\nHost: {HOST}\r\n{LET_IN}\r\n",
    "bare LF after a header": START + "X-A: b\nContent-Length: 4\r\n\r\nbody",
    "bare LF everywhere": f"GET / HTTP/1.1\nHost: {HOST}\n\n",
    "bare CR": START + "X-A: b\rContent-Length: 4\r\n\r\n",
    "NUL in a value": START + "X-A: b\x00c\r\n\r\n",
    "NUL in a name": START + "X\x00A: b\r\n\r\n",
    "delete in a value": START + "X-A: \x7f\r\n\r\n",
    "no name": START + ": b\r\n\r\n",
    "no colon": START + "nothing\r\n\r\n",
    "bracket in name": START + "X(A): b\r\n\r\n",
    "coding in HTTP/1.0": f"POST / HTTP/1.0\r\nHost: {HOST}\r\n{LET_IN}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": "GET /\r\n\r\n",
    "HTTP/1.2": f"GET / HTTP/1.2\r\nHost: {HOST}\r\n\r\n",
    "HTTP/2.0": f"GET / HTTP/2.0\r\nHost: {HOST}\r\n\r\n",
    "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case version": f"GET / http/1.1\r\nHost: {HOST}\r\n\r\n",
    "two spaces": f"GET  / HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "tab as space": f"GET\t/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "space in target": f"GET /a b HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "fragment": f"GET /a#b HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "control character in target": f"GET /\x01 HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "unknown method": f"SMUGGLE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "CONNECT": f"CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "asterisk with GET": f"GET * HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "no host": f"GET / HTTP/1.1\r\n{LET_IN}\r\n",
    "empty host": f"GET / HTTP/1.1\r\nHost:\r\n{LET_IN}\r\n",
    "two hosts": f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n{LET_IN}\r\n",
    "absolute form of another host": f"GET http://evil.example/ HTTP/1.1\r\nHost: {HOST}\r\n{LET_IN}\r\n",
    "absolute form with user": f"GET http://a@{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n{LET_IN}\r\n",
    "connection names the length": START + "Connection: content-length\r\nContent-Length: 4\r\n\r\nbody",
    "connection names the origin": START + "Connection: close, Origin\r\n\r\n",
    "connection names the cookie": START + "Connection: cookie\r\n\r\n",
    "expects magic": START + "Expect: magic\r\nContent-Length: 4\r\n\r\nbody",
    "empty line first": "\r\n" + START + "\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_is_refused_and_reaches_nobody(stage: Stage, name: str) -> None:
    visitor = await stage.visitor()
    answer = await visitor.ask(REFUSED[name].encode("latin-1"))
    assert answer.status in {400, 417, 501}
    assert answer.header("connection") == "close"
    assert await visitor.ended()
    assert stage.task.peers == []


BAD_CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "bare LF after size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR in extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "longer than said": b"5\r\nhello!\r\n0\r\n\r\n",
    "no CRLF after chunk": b"5\r\nhello0\r\n\r\n",
    "size too large": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "endless extension": b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "folded trailer": b"0\r\nX-A: b\r\n c\r\n\r\n",
    "malformed trailer": b"0\r\nX-A : b\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
async def test_a_malformed_chunk_ends_the_request(stage: Stage, name: str) -> None:
    sent = request("/", "Transfer-Encoding: chunked", f"Origin: {ORIGIN}", method="POST", body=BAD_CHUNKS[name])
    visitor, task, _ = await stage.pair(sent + HIDDEN.encode())
    assert (await visitor.answer()).status == 400
    assert await visitor.ended()
    assert b"/hidden" not in await task.rest()


BAD_ANSWERS = {
    "both framings": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n",
    "bare LF": "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "folded": "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n",
    "bare CR": "HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: __Host-specola=x\r\n\r\n",
    "not HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "upgrade that nobody wanted": "HTTP/1.1 101 Hm\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "space before colon": "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_malformed_answer_becomes_a_clear_one(stage: Stage, name: str) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(BAD_ANSWERS[name].encode())
    answer = await visitor.answer()
    assert answer.status == 502
    assert b'"application_away"' in answer.body


async def test_a_second_request_hidden_in_a_body_stays_a_body(stage: Stage) -> None:
    hidden = HIDDEN.encode()
    sent = request("/", f"Content-Length: {len(hidden)}", f"Origin: {ORIGIN}", method="POST", body=hidden)
    visitor, task, _ = await stage.pair(sent)
    assert await task.exactly(len(hidden)) == hidden
    await task.send(plain())
    assert (await visitor.answer()).status == 200


async def test_http_2_in_clear_text_is_not_upgraded_to(stage: Stage) -> None:
    sent = request("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    _, _, head = await stage.pair(sent)
    assert b"h2c" not in head
    assert b"HTTP2-Settings" not in head


async def test_the_absolute_form_of_the_same_host_passes(stage: Stage) -> None:
    sent = f"GET http://{HOST}/a?b HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-specola=entry-of-ada\r\n\r\n"
    _, _, head = await stage.pair(sent.encode())
    assert head.startswith(b"GET /a?b HTTP/1.1\r\n")


FOREIGN_NAMES = (
    "evil.example", "localhost.evil.example", "evil.localhost:8080", "lab--k3f9x2ab4c.evil.example", "localhost.",
    "lab--k3f9x2ab4c.localhost.", "a.lab--k3f9x2ab4c.localhost", "lab-k3f9x2ab4c.localhost", "lab--short.localhost",
    "--k3f9x2ab4c.localhost", "[::]", "10.0.0.1", "lab--k3f9x2ab4c", "localhost:99999999",
)  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN_NAMES)
async def test_a_name_that_is_not_ours_is_misdirected(stage: Stage, host: str) -> None:
    assert (await stage.refused(request(host=host))).status == 421
    assert stage.web.public == []
