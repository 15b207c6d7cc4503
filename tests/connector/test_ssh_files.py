"""Files through the front door, with the real `sftp`, `scp` and `rsync`."""

import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ssh_stage import SshStage, open_ssh_stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SIZE = 64 * 1024**2


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:
        yield opened


@pytest.fixture
def large(stage: SshStage) -> Path:
    file = stage.folder / "large"
    file.write_bytes(os.urandom(SIZE))
    return file


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def scp(stage: SshStage, *words: str) -> list[str]:
    return ["scp", *stage.options(), "-P", str(stage.port), *words]


async def test_sftp_puts_and_gets_what_is_the_same_by_checksum(stage: SshStage, large: Path) -> None:
    batch = stage.folder / "batch"
    batch.write_text("pwd\nput large there\nget there back\nmkdir d\nrename there d/moved\nls -l d\n")
    who = f"{stage.task.id}@localhost"
    ran = await stage.run(["sftp", *stage.options(), "-P", str(stage.port), "-b", str(batch), who])
    assert ran.code == 0, ran.err
    assert f"Remote working directory: {stage.home}" in ran.out.decode()
    assert digest(stage.folder / "back") == digest(large) == digest(stage.home / "d/moved")
    shutil.rmtree(stage.home / "d")


@pytest.mark.parametrize("protocol", [[], ["-O"]], ids=["sftp", "scp"])
async def test_scp_copies_folders_both_ways(stage: SshStage, protocol: list[str], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "ä file").write_bytes(b"x" * 100_000)
    (tree / "empty").touch()
    there = f"{stage.task.id}@localhost:copied"
    sent = await stage.run(scp(stage, *protocol, "-r", "-p", str(tree), there))
    assert sent.code == 0, sent.err
    assert (stage.home / "copied/deep/er/ä file").stat().st_size == 100_000
    got = await stage.run(scp(stage, *protocol, "-r", there, str(tmp_path / "back")))
    assert got.code == 0, got.err
    assert (tmp_path / "back/deep/er/ä file").read_bytes() == b"x" * 100_000
    shutil.rmtree(stage.home / "copied")


async def test_scp_of_a_missing_file_says_so(stage: SshStage) -> None:
    ran = await stage.run(scp(stage, f"{stage.task.id}@localhost:missing", "."))
    assert (ran.code, "No such file" in ran.err) == (1, True)


async def test_an_image_without_scp_is_told_in_plain_words(stage: SshStage) -> None:
    ran = await stage.run(stage.ssh("--", "scp -t . ; true").copy())
    assert ran.code == 0
    lacking = await stage.run(stage.ssh("--", "PATH=/nowhere; rsync"))
    assert lacking.code == 127
    plain = await stage.run(stage.ssh("--", "rsync --nonsense-server 2>/dev/null || exit 127"))
    assert "This image has no rsync program. Use scp or sftp" in plain.err


async def test_rsync_sends_only_what_changed(stage: SshStage, large: Path) -> None:
    there = f"{stage.task.id}@localhost:mirror/"
    argv = [
        "rsync",
        "--archive",
        "--checksum",
        "--stats",
        "--no-whole-file",
        "-e",
        stage.remote_shell(),
        str(large),
        there,
    ]
    first = await stage.run(argv)
    assert first.code == 0, first.err
    assert digest(stage.home / "mirror/large") == digest(large)
    with large.open("r+b") as opened:
        opened.write(b"changed")
    second = await stage.run(argv)
    assert second.code == 0, second.err
    assert digest(stage.home / "mirror/large") == digest(large)
    [literal] = [line for line in second.out.decode().splitlines() if line.startswith("Literal data")]
    assert int(literal.split()[2].replace(",", "")) < SIZE // 100
    shutil.rmtree(stage.home / "mirror")


async def test_paths_upwards_lead_where_the_tasks_own_server_says(stage: SshStage, tmp_path: Path) -> None:
    # The front door reads no path: SFTP's bytes go as they are to a server that runs inside the task, with the rights
    # of its user, whose root is the container's. So `..` leads to the container's folders, and there is nothing else.
    batch = tmp_path / "batch"
    batch.write_text("cd ../../../../../../..\npwd\n")
    who = f"{stage.task.id}@localhost"
    ran = await stage.run(["sftp", *stage.options(), "-P", str(stage.port), "-b", str(batch), who])
    assert ran.code == 0, ran.err
    assert "Remote working directory: /\n" in ran.out.decode()


async def test_no_files_of_a_task_that_has_stopped(stage: SshStage) -> None:
    stage.computing.stopped = True
    try:
        ran = await stage.run(scp(stage, f"{stage.task.id}@localhost:x", "."))
    finally:
        stage.computing.stopped = False
    assert ran.code != 0
    assert "The task is not running." in ran.err
