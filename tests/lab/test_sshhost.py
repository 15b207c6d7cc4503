"""The lab's SSH hosts, used with the ordinary clients: `ssh`, `podman --remote`, `apptainer`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab import sshhost
from lab.place import Condition
from lab.sshhost import SshHosts
from tests.support.lab import LAB, Login, opens

pytestmark = pytest.mark.containers


def test_everybody_gets_in_by_their_own_key_and_nobody_as_root(hosts: SshHosts) -> None:
    for person, number in hosts.people.items():
        for host in (hosts.front, hosts.inner):
            assert Login(hosts.keys, person, host.name).run("id -u; hostname").split() == [str(number), host.name]
    assert Login(hosts.keys, "root", hosts.front.name).tries("true").returncode == 255
    assert not opens(hosts.keys, hosts.front, hosts.keys.key("ben"), "ann")


def test_a_certificate_of_the_authority_lets_in_whom_it_names_until_it_ends(hosts: SshHosts, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for validity, good in {"+5m": True, "-10m:-5m": False}.items():
        sign = ["ssh-keygen", "-q", "-s", str(hosts.keys.authority), "-I", "test", "-n", "ben", "-V", validity]
        subprocess.run([*sign, f"{key}.pub"], check=True, capture_output=True)
        assert opens(hosts.keys, hosts.front, key, "ben") is good
        assert not opens(hosts.keys, hosts.front, key, "ann")


def test_one_more_authority_is_trusted_once_it_was_named(hosts: SshHosts, tmp_path: Path) -> None:
    for name in ("authority", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "test", "-n", "ben", "-V", "+5m"]
    subprocess.run([*sign, str(tmp_path / "key.pub")], check=True, capture_output=True)
    assert not opens(hosts.keys, hosts.front, tmp_path / "key", "ben")
    sshhost.trust((tmp_path / "authority.pub").read_text(encoding="ascii"), LAB)
    assert opens(hosts.keys, hosts.front, tmp_path / "key", "ben")


def test_the_inner_host_is_on_no_network_of_this_machine(hosts: SshHosts) -> None:
    told = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True).stdout
    ours = [one["local"] for link in json.loads(told) for one in link["addr_info"]]
    near, far = hosts.front.address.rpartition(".")[0], hosts.inner.address.rpartition(".")[0]
    assert any(address.startswith(f"{near}.") for address in ours)
    assert not any(address.startswith(f"{far}.") for address in ours)
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, check=True, text=True).stdout
    assert f"{far}." not in routes


def test_the_engine_behind_the_first_host_serves_its_member_and_nobody_else(
    hosts: SshHosts, image: str, tmp_path: Path
) -> None:
    address = f"ssh://{hosts.member}@{hosts.front.address}:22{hosts.socket}"
    environment = {**os.environ, "HOME": str(tmp_path)}
    podman = ["podman", "--remote", "--url", address, "--identity", str(hosts.keys.key(hosts.member))]

    def ask(*words: str) -> str:
        done = subprocess.run([*podman, *words], env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    name = ask("run", "--detach", "--publish=8000:8000", "--rm", image)
    try:
        page = subprocess.run(
            ["curl", "--silent", f"http://{hosts.front.address}:8000/"], capture_output=True, check=True, text=True
        )
        assert page.stdout == "hello\n"
    finally:
        ask("rm", "--force", "--time=0", name)
    ben = Login(hosts.keys, "ben", hosts.front.name)
    assert ben.tries(f"curl --silent --unix-socket {hosts.socket} http://engine/_ping").returncode != 0


def test_the_inner_host_runs_containers_without_anything_of_root(hosts: SshHosts, image: str) -> None:
    ben = Login(hosts.keys, "ben", hosts.inner.name)
    assert ben.tries("ls /run/podman/podman.sock").returncode != 0
    assert ben.run(f"podman run --rm {image} cat /www/index.html").endswith("hello")
    assert ben.run(f"podman run --rm --network=none {image} id -u").endswith("0")
    ann = Login(hosts.keys, "ann", hosts.inner.name)
    assert ann.run(f"apptainer --quiet pull --force --no-https box.sif docker://{image} && ls box.sif") == "box.sif"
    assert ann.run("apptainer --quiet exec --net --network=none box.sif cat /www/index.html").endswith("hello")


def test_bytes_reach_a_socket_of_the_inner_host_through_the_first(hosts: SshHosts) -> None:
    ann = Login(hosts.keys, "ann", hosts.inner.name)
    with subprocess.Popen(ann.argv("nc -lU /tmp/echo"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        ann.run("while ! test -S /tmp/echo; do sleep 0.1; done")
        assert ann.run("nc -NU /tmp/echo", given=b"through two hosts") == ""
        assert server.stdout is not None
        assert server.stdout.read() == b"through two hosts"
    assert ann.run("rm /tmp/echo") == ""


def test_it_is_up_as_a_whole(hosts: SshHosts) -> None:
    assert sshhost.status(LAB).condition is Condition.UP
