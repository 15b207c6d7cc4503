"""What machines show of themselves before anything is registered, and the operator's way to see it."""

import json
import subprocess
import sys

import pytest

from lab.keys import Host, Keys
from lab.sshhost import SshHosts
from specola.domain.errors import AccountRefusedError, HostKeyChangedError, MachineUnreachableError
from specola.hosts.config import MachineSettings
from specola.hosts.scanning import host_authorities, host_keys
from tests.support.hosts import authority_of, pinned, settings_of
from tests.support.identities import LabIdentities

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


def bare(line: str) -> str:
    """Return a public key without its comment."""
    return " ".join(line.split()[:2])


def fingerprint(keys: Keys, host: Host) -> str:
    """Return what the machine's operators would publish."""
    argv = ["ssh-keygen", "-l", "-f", str(keys.folder / f"host-{host.name}.pub")]
    return subprocess.run(argv, capture_output=True, check=True).stdout.decode().split()[1]


def specola(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the program."""
    return subprocess.run([sys.executable, "-m", "specola", *words], capture_output=True, text=True, check=False)


async def test_a_machine_shows_its_keys_and_by_whom_they_are_certified(lab: SshHosts) -> None:
    machine = MachineSettings(address=lab.front.address)
    [key] = await host_keys(machine)
    assert (key.kind, key.line) == ("ssh-ed25519", bare(pinned(lab.keys, lab.front)[0]))
    assert key.fingerprint == fingerprint(lab.keys, lab.front)
    [authority] = await host_authorities(machine)
    assert authority.line == bare(authority_of(lab.keys)[0])


async def test_a_machine_behind_another_is_asked_through_it(lab: SshHosts) -> None:
    machine = settings_of(lab.keys, lab.inner, lab.front, keys=())
    identity = await LabIdentities(lab.keys).identity("any", "ann")
    [key] = await host_keys(machine, identity=identity)
    assert key.line == bare(pinned(lab.keys, lab.inner)[0])
    with pytest.raises(AccountRefusedError):
        await host_keys(machine)
    wrong = settings_of(lab.keys, lab.inner, lab.inner, keys=())
    assert wrong.jump is not None
    jump = wrong.jump.model_copy(update={"address": lab.front.address})
    with pytest.raises(HostKeyChangedError):
        await host_keys(wrong.model_copy(update={"jump": jump}), identity=identity)


async def test_where_nobody_answers_that_is_said(lab: SshHosts) -> None:
    with pytest.raises(MachineUnreachableError, match="Connection refused"):
        await host_keys(MachineSettings(address=lab.front.address, port=1))


def test_an_operator_sees_keys_and_fingerprints(lab: SshHosts) -> None:
    ran = specola("hosts", "scan", lab.front.address)
    assert ran.returncode == 0, ran.stderr
    assert fingerprint(lab.keys, lab.front) in ran.stdout
    assert bare(pinned(lab.keys, lab.front)[0]) in ran.stdout
    assert "Compare the fingerprints" in ran.stderr


def test_an_operator_looks_behind_a_machine_whose_fingerprint_is_known(lab: SshHosts) -> None:
    way = ["--jump", f"ann@{lab.front.address}:22", "--key", str(lab.keys.key("ann"))]
    ask = ["hosts", "scan", f"{lab.inner.address}:22", "--json", *way]
    ran = specola(*ask, "--jump-fingerprint", fingerprint(lab.keys, lab.front))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["keys"][0]["fingerprint"] == fingerprint(lab.keys, lab.inner)
    refused = specola(*ask, "--jump-fingerprint", fingerprint(lab.keys, lab.inner))
    assert "shows a host key that is not registered" in refused.stderr
    incomplete = specola(*ask)
    assert "Give all three" in incomplete.stderr
    assert "is no address" in specola("hosts", "scan", "host:port").stderr
