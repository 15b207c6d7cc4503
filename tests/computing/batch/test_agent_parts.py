"""The parts of the agent that need no node: its file, its manifest, its log, what it reads of the kernel."""

import ast
import asyncio
import io
import json
import os
import pty
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from specola.computing.batch.agent.apptainer import argv
from specola.computing.batch.agent.journal import Journal
from specola.computing.batch.agent.manifest import Image, Manifest, Mount, Resources
from specola.computing.batch.agent.network import listening
from specola.computing.batch.agent.pipes import Source
from specola.computing.batch.agent.placed import Placed
from specola.computing.batch.agent.places import OWNER, Place, PlaceError, make, note, owner_runs, remove
from specola.computing.batch.agent.runtime import Config, StartError, environment_of
from specola.computing.batch.parcel import AGENT, parcel
from specola.computing.inside.fileserver import FileServer

pytestmark = pytest.mark.anyio

MANIFEST = Manifest(task="k3f9", installation="abc", image=Image("example.test/web:1", digest="sha256:" + "0" * 64))


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "helper").write_bytes(b"helper")
    (tmp_path / "helper").chmod(0o755)
    first, second = (parcel(helper=tmp_path / "helper", files=FileServer(tmp_path / "none")) for _ in range(2))
    assert first == second
    names = zipfile.ZipFile(io.BytesIO(first.content)).namelist()
    assert {"__main__.py", "agent/task.py", "placed/busybox", "placed/begin", "placed/run", "placed/login"} <= set(
        names
    )


def test_all_of_it_is_python_3_9_and_its_standard_library() -> None:
    for module in AGENT.glob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names), (module.name, names)


async def test_packed_agent_runs_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "agent.pyz"
    file.write_bytes(parcel(helper=tmp_path / "none", files=FileServer(tmp_path / "none")).content)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(file), "unknown", stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert b"run TASKFOLDER" in complaint


@given(
    st.lists(st.text(max_size=20)), st.dictionaries(st.text(max_size=10), st.text(max_size=20)), st.text(max_size=30)
)
def test_manifest_is_read_as_it_was_written(command: list[str], environment: dict[str, str], path: str) -> None:
    manifest = replace(
        MANIFEST, command=tuple(command), environment=environment, home=Mount(path, path, read_only=True)
    )
    assert Manifest.read(manifest.text()) == manifest


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "image": 7}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="manifest"):
        Manifest.read(text)


def test_command_is_what_docker_makes_of_entry_point_and_command() -> None:
    image = Config(entrypoint=("tini", "--"), command=("serve",))
    assert image.argv(()) == ("tini", "--", "serve")
    assert image.argv(("other", "x")) == ("tini", "--", "other", "x")
    with pytest.raises(StartError):
        Config().argv(())


def test_gpus_of_the_job_are_told_to_who_asked_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    asks = replace(MANIFEST, resources=Resources(gpus=1))
    assert environment_of(asks, Config())["CUDA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(MANIFEST, Config())


def test_no_secret_stands_in_the_arguments(tmp_path: Path) -> None:
    place = Place(tmp_path / "sockets", tmp_path / "disk")
    place.disk.mkdir()
    manifest = replace(MANIFEST, environment={"TOKEN": "canary"}, home=Mount(str(tmp_path / 'a,b"c'), "/home/a b"))
    words = argv("apptainer", manifest, Config(command=("x",)), image=tmp_path, place=place, placed=Placed(tmp_path))
    assert not any("canary" in word for word in words)
    assert f'"type=bind","source={tmp_path}/a,b""c","destination=/home/a b"' in words


async def read(journal: Journal, *, tail: int | None = None, follow: bool = False) -> list[bytes]:
    return [line async for line in journal.lines(tail=tail, follow=follow)]


async def test_log_is_limited_and_its_end_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, most=20_000)
    for number in range(1000):
        journal.write("stdout", b"line %d" % number)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 20_000
    lines = await read(journal, tail=3)
    assert [line.split(b'"')[3] for line in lines] == [b"line 997", b"line 998", b"line 999"]
    assert await read(journal, tail=0) == []
    journal.close()


async def test_who_follows_gets_every_line_also_when_files_change(tmp_path: Path) -> None:
    journal = Journal(tmp_path, most=4000)
    following = asyncio.create_task(read(journal, follow=True))
    for number in range(300):
        journal.write("stderr", b"line %d" % number)
        await asyncio.sleep(0)
    journal.close()
    assert [line.split(b'"')[3] for line in await following] == [b"line %d" % number for number in range(300)]


def test_ports_are_read_from_the_kernels_tables(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st\n"
    (tmp_path / "tcp").write_text(
        head
        + "   0: 0100007F:1F40 00000000:0000 0A 0\n   1: 00000000:0050 00000000:0000 0A 0\n   2: 0100007F:0051 0100007F:0052 01 0\n"
    )
    (tmp_path / "tcp6").write_text(
        head
        + "   0: 00000000000000000000000001000000:1F41 0:0000 0A 0\n   1: 00000000000000000000000000000000:1F40 0:0000 0A 0\n"
    )
    assert listening(tmp_path) == {8000: False, 80: False, 8001: True}


def test_owner_of_a_folder_can_be_read_while_it_is_noted_again(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path)
    note(place)
    with (tmp_path / OWNER).open(encoding="utf-8") as seen:
        note(place, os.getpid())
        # It is another file by now, and the earlier one is whole: an agent that looks for what others have left, and found half of it, would end a
        # task that runs.
        assert not os.path.samestat(os.fstat(seen.fileno()), (tmp_path / OWNER).stat())
        assert json.loads(seen.read())["pid"] == os.getpid()
    assert owner_runs(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [OWNER]


def test_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A Unix socket has a short address, and the folders of tests are deep.
    near = Path(tempfile.mkdtemp(prefix="specola-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(near))
    name = f"specola-test-{os.getpid()}"
    place = make(name, [str(tmp_path)])
    assert place.sockets.stat().st_mode & 0o777 == 0o700
    with pytest.raises(PlaceError, match="Another agent"):
        make(name, [str(tmp_path)])
    (place.sockets / "owner.json").write_text('{"pid": 1, "began": -1}')
    again = make(name, [str(tmp_path)])
    again.sockets.chmod(0o755)
    other = make(name, [str(tmp_path)])
    assert other.sockets.parent != near
    for folder in (near, other.sockets, other.disk):
        remove(folder)


def test_what_a_terminal_wrote_before_its_end_is_read_though_the_end_is_an_error() -> None:
    async def read() -> tuple[bytes, bytes]:
        master, slave = pty.openpty()
        os.write(slave, b"one\ntwo\n")
        source = await Source.of(master)
        os.close(slave)
        # The loop that the agent has, until it has told both: what came, and the error.
        for _ in range(20):
            await asyncio.sleep(0)
        first = await source.line()
        return first, await source.read()

    assert asyncio.run(read()) == (b"one\r\n", b"two\r\n")
