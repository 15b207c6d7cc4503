"""Only the machine that was registered is logged in to, and only with what opens the account now."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.keys import Keys
from lab.sshhost import SshHosts
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, HostKeyChangedError
from specola.hosts.config import HostSettings
from specola.hosts.dialling import Patience
from specola.ports.hosts import SshIdentity
from tests.support.hosts import authority_of, connected, pinned, settings_of
from tests.support.places import until
from tests.support.relay import carry

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


def new_key(folder: Path, name: str, *kind: str) -> Path:
    """Make a key pair."""
    words = ["ssh-keygen", "-q", "-t", *(kind or ("ed25519",)), "-N", "", "-f", str(folder / name)]
    subprocess.run(words, check=True)
    return folder / name


def public(key: Path) -> str:
    """Return the public half of a key, as one line."""
    return key.with_name(f"{key.name}.pub").read_text(encoding="ascii").strip()


def fingerprint(line: str) -> str:
    """Return what ssh-keygen calls a public key."""
    return (
        subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=line.encode(), capture_output=True, check=True)
        .stdout.decode()
        .split()[1]
    )


def certified(keys: Keys, key: Path, account: str, validity: str) -> SshIdentity:
    """Return an account's identity with a certificate of the lab's authority."""
    words = ["ssh-keygen", "-q", "-s", str(keys.authority), "-I", "test", "-n", account, "-V", validity, f"{key}.pub"]
    subprocess.run(words, check=True)
    signed = key.with_name(f"{key.name}-cert.pub").read_text(encoding="ascii")
    return SshIdentity(account=account, private_key=key.read_text(encoding="ascii"), certificate=signed)


@asynccontextmanager
async def on_the_way(host: str) -> AsyncIterator[tuple[int, list[int]]]:
    """Have a port that leads to a host's SSH server (empty: nowhere), and a list with an entry for each connection to it."""
    came: list[int] = []
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)
        if not host:
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await carry(reader, writer, lambda: asyncio.open_connection(host, 22))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], came
    finally:
        server.close()
        for one in carrying:
            one.cancel()
        await asyncio.gather(*carrying)


async def test_a_key_that_is_not_registered_stops_the_computing_until_its_settings_change(lab: SshHosts) -> None:
    async with on_the_way(lab.front.address) as (port, came):
        wrong = settings_of(lab.keys, lab.front, address="127.0.0.1", port=port, keys=pinned(lab.keys, lab.inner))
        async with connected(lab, {"wrong": wrong}) as hosts:
            with pytest.raises(HostKeyChangedError) as caught:
                await hosts.account("wrong").run(["true"])
            assert caught.value.fingerprint == fingerprint(pinned(lab.keys, lab.front)[0])
            assert caught.value.fingerprint in caught.value.sentence
            for account in ("ann", "ben"):
                with pytest.raises(HostKeyChangedError):
                    await hosts.account("wrong", account).run(["true"])
            assert len(came) == 1
            hosts.settings["wrong"] = wrong.model_copy(update={"keys": pinned(lab.keys, lab.front)})
            assert (await hosts.account("wrong").run(["hostname"])).text == "front\n"


async def test_a_key_of_another_kind_than_the_registered_one_is_told_of(lab: SshHosts, tmp_path: Path) -> None:
    earlier = public(new_key(tmp_path, "earlier", "rsa"))
    async with connected(lab, {"rsa": settings_of(lab.keys, lab.front, keys=(earlier,))}) as hosts:
        with pytest.raises(HostKeyChangedError) as caught:
            await hosts.account("rsa").run(["true"])
        assert caught.value.fingerprint == fingerprint(pinned(lab.keys, lab.front)[0])


@pytest.mark.parametrize("known", ["keys", "authorities", "an authority that it never had, and its key"])
async def test_each_way_to_know_a_machine_does(lab: SshHosts, tmp_path: Path, known: str) -> None:
    ways = {
        "keys": settings_of(lab.keys, lab.front),
        "authorities": settings_of(lab.keys, lab.front, keys=(), authorities=authority_of(lab.keys)),
    }
    other = public(new_key(tmp_path, "other"))
    settings = ways.get(known) or settings_of(lab.keys, lab.front, authorities=(other,))
    async with connected(lab, {"known": settings}) as hosts:
        assert (await hosts.account("known").run(["hostname"])).text == "front\n"


async def test_a_certificate_of_another_authority_does_not(lab: SshHosts, tmp_path: Path) -> None:
    other = public(new_key(tmp_path, "other"))
    async with connected(lab, {"other": settings_of(lab.keys, lab.front, keys=(), authorities=(other,))}) as hosts:
        with pytest.raises(HostKeyChangedError) as caught:
            await hosts.account("other").run(["true"])
        assert fingerprint(authority_of(lab.keys)[0]) in caught.value.sentence


async def test_a_certificate_for_another_name_is_no_proof_and_stops_nothing(lab: SshHosts) -> None:
    async with on_the_way(lab.front.address) as (port, came):
        named = settings_of(
            lab.keys, lab.front, address="127.0.0.1", port=port, keys=(), authorities=authority_of(lab.keys)
        )
        async with connected(lab, {"named": named}) as hosts:
            with pytest.raises(ComputingUnreachableError, match=r"host certificate of .* is not good") as caught:
                await hosts.account("named").run(["true"])
            assert type(caught.value) is ComputingUnreachableError
            # With a key that is registered as well it is asked once more, for that.
            hosts.settings["named"] = named.model_copy(update={"keys": pinned(lab.keys, lab.front)})
            assert (await hosts.account("named").run(["hostname"])).text == "front\n"
            assert len(came) == 3


async def test_nothing_is_trusted_where_nothing_is_registered(lab: SshHosts) -> None:
    async with on_the_way(lab.front.address) as (port, came):
        unknown = HostSettings(address="127.0.0.1", port=port)
        damaged = HostSettings(address="127.0.0.1", port=port, keys=("ssh-ed25519 AAAA",))
        async with connected(lab, {"unknown": unknown, "damaged": damaged}) as hosts:
            with pytest.raises(ComputingUnreachableError, match=r"No host key of .* is registered"):
                await hosts.account("unknown").run(["true"])
            with pytest.raises(ComputingUnreachableError, match="is not a public key"):
                await hosts.account("damaged").run(["true"])
            assert came == []


async def test_a_machine_on_the_way_is_checked_as_well(lab: SshHosts) -> None:
    jump = settings_of(lab.keys, lab.front, keys=pinned(lab.keys, lab.inner)).model_dump(include={"address", "keys"})
    async with connected(lab, {"jump": settings_of(lab.keys, lab.inner, jump=jump)}) as hosts:
        with pytest.raises(HostKeyChangedError, match=lab.front.address):
            await hosts.account("jump").run(["true"])


async def test_a_machine_beyond_with_another_key_stops_nothing_else(lab: SshHosts) -> None:
    async with connected(lab) as hosts:
        front = hosts.account("front")
        with pytest.raises(HostKeyChangedError, match=lab.inner.name):
            await front.beyond(lab.inner.name, 22)
        assert (await front.run(["hostname"])).text == "front\n"


async def test_an_account_that_is_not_let_in_is_told_of(lab: SshHosts) -> None:
    async with connected(lab) as hosts:
        key = lab.keys.key("ann").read_text(encoding="ascii")
        for account in ("ben", "root", "nobody-at-all"):
            hosts.identities.special[account] = SshIdentity(account=account, private_key=key)
            with pytest.raises(AccountRefusedError, match=f"does not let the account “{account}” in"):
                await hosts.account("front", account).run(["true"])
        assert (await hosts.account("front").run(["hostname"])).text == "front\n"


async def test_a_certificate_opens_an_account_until_it_ends(lab: SshHosts, tmp_path: Path) -> None:
    async with connected(lab, idle=0) as hosts:
        ben = hosts.account("front", "ben")
        hosts.identities.special["ben"] = certified(lab.keys, new_key(tmp_path, "good"), "ben", "+5m")
        assert (await ben.run(["id", "-un"])).text == "ben\n"
        # Asked for anew with the next connection, once the idle one is closed.
        await until(hosts.is_idle)
        hosts.identities.special["ben"] = certified(lab.keys, new_key(tmp_path, "late"), "ben", "-10m:-5m")
        with pytest.raises(AccountRefusedError):
            await ben.run(["id", "-un"])
        assert hosts.identities.asked == ["ben", "ben"]


async def test_a_certificate_that_is_for_another_account_opens_nothing(lab: SshHosts, tmp_path: Path) -> None:
    async with connected(lab) as hosts:
        signed = certified(lab.keys, new_key(tmp_path, "key"), "ann", "+5m")
        for given in (signed, replace(signed, account="ben")):
            hosts.identities.special["ben"] = given
            with pytest.raises(AccountRefusedError):
                await hosts.account("front", "ben").run(["true"])


async def test_a_machine_that_could_not_be_entered_is_left_alone_for_a_while(lab: SshHosts) -> None:
    async with on_the_way("") as (port, came):
        # It hangs up at once.
        settings = settings_of(lab.keys, lab.front, address="127.0.0.1", port=port)
        async with connected(lab, {"dead": settings}) as hosts:
            for _ in range(20):
                with pytest.raises(ComputingUnreachableError):
                    await hosts.account("dead").run(["true"])
            assert len(came) == 1


async def test_a_machine_that_takes_too_long_is_given_up(lab: SshHosts) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    settings = settings_of(lab.keys, lab.front, address="127.0.0.1", port=server.sockets[0].getsockname()[1])
    async with connected(lab, {"silent": settings}, patience=Patience(enter=0.3)) as hosts:
        with pytest.raises(ComputingUnreachableError, match="did not finish the login in time"):
            await hosts.account("silent").run(["true"])
    server.close()
