"""What is learnt about a machine, its sockets and its refusals, read without an engine."""

import asyncio
import os
import socket
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiodocker.exceptions import DockerError

from specola.computing.engine.diagnosis import Diagnosis
from specola.computing.engine.entering import connect
from specola.computing.engine.errors import ContainerGoneError, NameInUseError, translated
from specola.computing.engine.facts import Facts
from specola.computing.engine.quirks import Memory, Quirks, lacking
from specola.computing.engine.sockets import HERE, Process, inside, listeners, read
from specola.computing.engine.trial import image_archive
from specola.computing.inside.tables import in_tables, open_ports
from specola.domain.errors import ComputingUnreachableError, LaunchError, NoSpaceError

LOOPBACK = (
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
)
ANYWHERE = (
    "   1: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0"
)
CONNECTED = (
    "   2: 0200000A:1F42 0100000A:C000 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0"
)
MAPPED = "   0: 0000000000000000FFFF00000100007F:1F43 " + "0" * 32 + ":0000 0A 0:0 00:0 0 0 0 4 1 0 100 0 0 10 0"

# What engines say in their several steps; that both say it of a disk that is really full, the contract suite shows.
FULL = [
    "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
    "committing container for step: copying layers and metadata: writing blob: no space left on device",
    "mkdir /var/lib/docker/overlay2/x-init: no space left on device",
    "open /var/lib/containers/storage/overlay-containers/x/userdata/config.json: disk quota exceeded",
]


def test_listeners_are_read_with_where_they_listen() -> None:
    lines = [LOOPBACK, ANYWHERE, CONNECTED, MAPPED]
    assert read(lines, 8000) <= HERE
    assert read(lines, 8001) == {"00000000"}
    assert read(lines, 8002) == frozenset()
    assert read(lines, 8003) <= HERE
    assert read([], 8000) == frozenset()


def listening(address: str, port: int) -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 4 1 0 100 0 0 10 0"


def test_ports_are_read_with_whether_only_loopback_reaches_them() -> None:
    six = "0000000000000000" * 2
    lines = [
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
        LOOPBACK,
        ANYWHERE,
        CONNECTED,
        MAPPED,
        listening("0B00007F", 40000),
        listening("0200000A", 9000),
        listening("0100007F", 9001),
        listening(six, 9001),
        listening("0" * 24 + "01000000", 9002),
        "cat: can't open '/proc/net/tcp6': No such file or directory",
        "",
    ]
    assert open_ports(in_tables(lines)) == {8000: True, 8001: False, 8003: True, 9000: False, 9001: False, 9002: True}


def test_kernel_tells_who_listens_and_nothing_else() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as here,
        socket.create_server(("", 0)) as anywhere,
        socket.create_connection(here.getsockname()) as visitor,
    ):
        diagnosis = Diagnosis(Diagnosis.open())
        for _ in range(2):
            found = diagnosis.listeners()
            assert (IPv4Address("127.0.0.1"), here.getsockname()[1]) in found
            assert (IPv4Address(0), anywhere.getsockname()[1]) in found
            assert visitor.getsockname()[1] not in {port for _, port in found}
        diagnosis.close()
        with pytest.raises(OSError, match="file descriptor"):
            diagnosis.listeners()


def test_connection_inside_goes_where_somebody_listens() -> None:
    assert inside(None) == "127.0.0.1"
    assert inside({"00000000"}) == "127.0.0.1"
    assert inside({"0200000A", "0100007F"}) == "127.0.0.1"
    assert inside({"0200000A"}) == "10.0.0.2"
    assert inside({"0" * 24 + "01000000"}) == "::1"


def test_listeners_of_this_host_are_never_taken_for_a_tasks() -> None:
    assert Process.find(os.getpid()) is None
    assert Process.find(os.getppid()) is None
    assert Process.find(0) is None
    assert Process.find(2**22 + 1) is None


def test_later_process_with_the_same_number_is_another() -> None:
    here = Process(os.getpid(), "0")
    assert here.open_ports() is None
    assert asyncio.run(connect(here, "127.0.0.1", 80)) is None


def test_process_that_is_gone_tells_nothing_about_its_ports() -> None:
    assert listeners(0, 8000) is None
    assert listeners(2**22 + 1, 8000) is None


@pytest.mark.parametrize(
    ("message", "quirks"),
    [
        ("OCI runtime error: runc: error setting rlimits for ready process: error setting rlimit type 7", "limits"),
        ('exec: "docker-init": executable file not found in $PATH', "no_init"),
        (
            "container create: container-init binary not found on the host: stat /usr/libexec/podman/catatonit",
            "no_init",
        ),
    ],
)
def test_refusal_for_a_machines_quirk_is_known_and_asked_for_once(message: str, quirks: str) -> None:
    found = lacking(DockerError(500, message), Quirks())
    assert found == Quirks(limits=quirks == "limits", no_init=quirks == "no_init")
    assert lacking(DockerError(500, message), found) is None


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("crun: the requested cgroup controller `pids` is not available: OCI runtime error", "pids"),
        ("crun: controller `cpu` is not available under /sys/fs/cgroup/user.slice/cgroup.controllers: OCI", "cpu"),
        (
            "crun: open `/sys/fs/cgroup/user.slice/memory.max`: No such file or directory: OCI runtime attempted",
            "memory",
        ),
    ],
)
def test_limit_that_is_not_to_be_had_is_not_asked_for_again(message: str, missing: str) -> None:
    found = lacking(DockerError(500, message), Quirks(no_controllers=("other",)))
    assert found == Quirks(no_controllers=(missing,))
    assert lacking(DockerError(500, message), found) is None
    both = found | Quirks(no_controllers=("memory",))
    assert set(both.no_controllers) == {missing, "memory"}
    assert both.host_config["Memory"] == both.host_config["MemorySwap"] == 0
    assert both.host_config.get({"pids": "PidsLimit", "cpu": "NanoCpus", "memory": "Memory"}[missing]) == 0


def test_what_an_engine_cannot_limit_by_its_own_word_or_by_a_start_is_a_finding() -> None:
    told = {"MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": False}
    facts = Facts.read({}, told)
    assert facts.quirks == Quirks(no_controllers=("cpu",))
    learnt = facts.without(Quirks(no_controllers=("pids",)))
    assert (learnt.limits_cpus, learnt.limits_memory, learnt.limits_processes) == (False, True, False)


@pytest.mark.parametrize(("cgroup", "missing"), [("2", ()), ("1", ("cpu",))])
def test_podman_is_not_believed_that_it_limits_nothing_on_cgroup_version_2(
    cgroup: str, missing: tuple[str, ...]
) -> None:
    podman = {"Components": [{"Name": "Podman Engine"}]}
    told = {"MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": False, "CgroupVersion": cgroup}
    facts = Facts.read(podman, told)
    assert facts.quirks == Quirks(no_controllers=missing)
    assert facts.limits_cpus is not bool(missing)


def test_other_refusals_are_no_quirk() -> None:
    assert lacking(DockerError(500, "executable file not found in $PATH: unknown"), Quirks()) is None


def test_quirks_are_remembered_for_one_engine_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "engines" / "local.json", "unix:///one.sock")
    assert memory.read() is None
    memory.write(Quirks(limits=True, no_controllers=("cpu",)))
    assert memory.read() == Quirks(limits=True, no_controllers=("cpu",))
    assert Memory(memory.file, "unix:///other.sock").read() is None
    memory.file.write_text('{"engine": "unix:///one.sock"', encoding="utf-8")
    assert memory.read() is None


def test_trial_image_is_always_the_same() -> None:
    one, other = (image_archive("localhost/trial:1", helper=b"program", machine="amd64") for _ in range(2))
    assert one == other
    assert b"localhost/trial:1" in one


@pytest.mark.parametrize("message", FULL)
def test_no_space_left_is_told_as_such(message: str) -> None:
    assert isinstance(translated("local", DockerError(500, message)), NoSpaceError)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (900, "Cannot connect to host", ComputingUnreachableError),
        (404, "No such container: x", ContainerGoneError),
        (409, "Container x is not running", ContainerGoneError),
        (409, 'The container name "/x" is already in use by container "y"', NameInUseError),
        (500, 'creating container storage: the container name "x" is already in use by y', NameInUseError),
        (400, "invalid reference format", LaunchError),
    ],
)
def test_each_answer_of_an_engine_is_one_of_our_errors(status: int, message: str, expected: type[Exception]) -> None:
    assert type(translated("local", DockerError(status, message))) is expected
