"""Interfaces that speak no HTTP are reached by TLS name, with a client certificate and not without."""

import asyncio
import hashlib
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from specola.authorities.tls import TlsAuthority
from tests.support.certificates import make_certificate
from tests.support.named import Named, open_named
from tests.support.peers import Peer, plain
from tests.support.stage import COOKIE, request
from tests.support.web_side import TASK

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MEGABYTES = 20


@pytest.fixture
async def named() -> AsyncIterator[Named]:
    async with open_named() as made:
        yield made


async def test_bytes_pass_both_ways_and_are_counted(named: Named) -> None:
    visitor, task = await named.pair()
    await visitor.send(b"question")
    assert await task.exactly(8) == b"question"
    await task.send(b"answer")
    assert await visitor.exactly(6) == b"answer"
    [question] = named.stage.web.decisions()
    assert (question["task"], question["interface"]) == (TASK, "raw")
    assert (question["certificate"], question["token"], question["cookie"]) == (named.client.serial, None, None)
    await named.stage.report()
    [carried] = named.stage.web.traffic
    assert (carried["person"], carried["received"], carried["sent"], carried["used"]) == ("ada", 8, 6, True)


async def test_a_server_that_speaks_first_is_heard(named: Named) -> None:
    visitor, task = await named.pair()
    await task.send(b"220 hello\r\n")
    assert await visitor.exactly(11) == b"220 hello\r\n"


async def test_a_server_that_speaks_at_once_and_leaves_is_heard() -> None:
    async def greet(peer: Peer) -> None:
        await peer.send(b"220 hello\r\n")
        peer.writer.close()

    async with open_named(play=greet) as named:
        for _ in range(20):
            visitor = await named.connect()
            assert await visitor.rest() == b"220 hello\r\n"


async def test_much_passes_unchanged_both_ways(named: Named) -> None:
    visitor, task = await named.pair()
    block = bytes(range(256)) * 4096

    async def pour(peer: Peer) -> None:
        for _ in range(MEGABYTES):
            await peer.send(block)

    async def drink(peer: Peer) -> str:
        seen = hashlib.sha256()
        for _ in range(MEGABYTES):
            seen.update(await peer.exactly(len(block)))
        return seen.hexdigest()

    _, _, *heard = await asyncio.gather(pour(visitor), pour(task), drink(visitor), drink(task))
    assert heard == [hashlib.sha256(block * MEGABYTES).hexdigest()] * 2


async def test_either_end_ends_the_other(named: Named) -> None:
    visitor, task = await named.pair()
    await task.send(b"bye")
    task.end()
    assert await visitor.rest() == b"bye"
    visitor, task = await named.pair()
    await visitor.send(b"bye")
    visitor.writer.close()
    assert await task.rest() == b"bye"


@pytest.mark.parametrize(
    ("interface", "agreed"), [("db", "postgresql"), ("calls", "h2"), ("cache", None), ("raw", None)]
)
async def test_protocols_are_agreed_as_clients_demand(named: Named, interface: str, agreed: str | None) -> None:
    visitor = await named.connect(interface, offered=["postgresql", "h2"] if agreed else ())
    assert visitor.writer.get_extra_info("ssl_object").selected_alpn_protocol() == agreed
    task = await named.stage.task.accept()
    await visitor.send(b"x")
    assert await task.exactly(1) == b"x"


async def test_without_a_certificate_the_task_is_not_even_asked_about(named: Named) -> None:
    visitor = await named.connect("raw", bare=True)
    assert await visitor.ended()
    database = await named.connect("db", bare=True, offered=["postgresql"])
    said = await database.rest()
    assert said.startswith(b"E")
    assert b"C28000\0MA client certificate is needed here.\0" in said
    cache = await named.connect("cache", bare=True)
    assert (await cache.rest()).startswith(b"-ERR A client certificate is needed here. Get one by: specola cert")
    assert named.stage.web.decisions() == []


@pytest.mark.parametrize("wrong", ["another authority", "expired", "itself"])
async def test_a_wrong_certificate_does_not_pass_the_handshake(named: Named, wrong: str) -> None:
    if wrong == "another authority":
        client = named.another(authority=TlsAuthority.fresh(installation="test", now=datetime.now(UTC)))
    elif wrong == "expired":
        client = named.another(life=timedelta(hours=-1))
    else:
        files = make_certificate(named.folder, "ada")
        client = type(named.client)(serial="1", certificate=files[0], key=files[1])
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = named.context(client)
        context.maximum_version = version
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            opened = await asyncio.open_connection(
                "127.0.0.1", named.stage.port, ssl=context, server_hostname=named.name("raw")
            )
        except (ssl.SSLError, ConnectionError):
            continue
        assert await Peer(*opened).ended()
    assert named.stage.web.decisions() == []


async def test_a_certificate_that_web_does_not_know_any_more_is_refused(named: Named) -> None:
    named.stage.web.certificates.clear()
    visitor = await named.connect("cache")
    assert b"unknown, expired or revoked" in await visitor.rest()


async def test_anothers_task_is_missing(named: Named) -> None:
    del named.stage.web.interfaces[TASK, "cache"]
    visitor = await named.connect("cache")
    assert b"There is no such task." in await visitor.rest()


async def test_what_is_not_ready_says_why(named: Named) -> None:
    reason = {"code": "pulling", "sentence": "The image is fetched.", "hint": "Wait."}
    named.stage.web.interfaces[TASK, "db"] = {"outcome": "not_ready", "state": "starting", "reason": reason}
    visitor = await named.connect("db", offered=["postgresql"])
    assert b"C57P03\0MThe image is fetched.\0HWait.\0" in await visitor.rest()


async def test_a_task_that_does_not_answer_is_asked_about_again(named: Named) -> None:
    named.stage.web.interfaces[TASK, "cache"]["endpoint"] = {"path": str(named.folder / "nobody")}
    visitor = await named.connect("cache")
    assert b"does not accept connections" in await visitor.rest()
    assert len(named.stage.web.decisions()) == 2


@pytest.mark.parametrize("mark", ["certificate", "person"])
async def test_revoking_closes_at_once(named: Named, mark: str) -> None:
    visitor, task = await named.pair()
    other, _ = await named.pair(client=named.another())
    await named.stage.web.revoke("person:bob")
    await named.stage.web.revoke("person:ada" if mark == "person" else f"session:{named.client.serial}")
    assert await visitor.ended()
    assert await task.ended()
    if mark == "certificate":
        await other.send(b"still here")
        other.close()
    else:
        assert await other.ended()


async def test_a_connection_ends_with_its_certificate(named: Named) -> None:
    visitor, task = await named.pair(client=named.another(life=timedelta(seconds=2)))
    assert await visitor.ended()
    assert await task.ended()


async def test_http_is_served_under_the_same_name_to_who_asks_for_it(named: Named) -> None:
    named.stage.web.interfaces[TASK, "raw"]["protocol"] = "http"
    visitor = await named.connect("raw", bare=True, offered=["h2", "http/1.1"])
    await visitor.send(request(host=named.name("raw"), cookie=COOKIE))
    task = await named.stage.task.accept()
    assert (await task.head()).startswith(b"GET / HTTP/1.1")
    await task.send(plain())
    assert (await visitor.answer()).status == 200


async def asked_for_certificate(named: Named, *options: str) -> bool:
    """Tell whether a handshake has a CertificateRequest, as OpenSSL's own client sees it."""
    asking = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-msg", "-connect", f"127.0.0.1:{named.stage.port}", *options,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asking.communicate()
    assert b"ServerHello" in said
    return b"CertificateRequest" in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_certificates_are_asked_for_only_where_no_http_is_spoken(named: Named, version: str) -> None:
    assert await asked_for_certificate(named, version, "-servername", named.name("raw"))
    assert await asked_for_certificate(named, version, "-servername", named.name("calls").upper(), "-alpn", "h2")
    for name in (
        named.name("lab"),
        "platform.test",
        "raw--00000000.tasks.test",
        "*.tasks.test",
        f"raw--{TASK}.tasks.test.",
        f"raw--{TASK}.evil.test",
        f"RAW--{TASK}",
        "127.0.0.1",
        "::1",
        f"{named.name('raw')}:443",
        "%00",
    ):
        assert not await asked_for_certificate(named, version, "-servername", name), name
    assert not await asked_for_certificate(named, version, "-noservername")
    for offered in ("http/1.1", "h2,http/1.1", "http/1.0"):
        assert not await asked_for_certificate(named, version, "-servername", named.name("raw"), "-alpn", offered)


async def test_what_web_tells_later_counts(named: Named) -> None:
    later = ("-servername", f"db--{'b' * 10}.tasks.test")
    assert not await asked_for_certificate(named, *later)
    named.stage.web.name("b" * 10, db="postgres")
    while not await asked_for_certificate(named, *later):
        pass
    named.stage.web.name("b" * 10)
    while await asked_for_certificate(named, *later):
        pass


async def test_renewed_files_are_used_under_every_name(named: Named) -> None:
    def shown(context: ssl.SSLContext, name: str) -> str:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{named.stage.port}", "-servername", name],
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        found = re.search(r"subject=CN = (\S+)", done.stdout)
        assert found is not None
        return found[1]

    names = ("platform.test", named.name("raw"), named.name("db"))
    context = named.context(None)
    assert {await asyncio.to_thread(shown, context, name) for name in names} == {"platform.test"}
    make_certificate(named.folder, "second.test")
    named.tls.reload()
    assert {await asyncio.to_thread(shown, context, name) for name in names} == {"second.test"}
    (named.folder / "public.key").write_text("nothing")
    named.tls.reload()
    assert {await asyncio.to_thread(shown, context, name) for name in names} == {"second.test"}
