"""What an engine's answers mean, read without an engine."""

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from specola.clock import ManualClock
from specola.computing.engine.frames import lines
from specola.computing.engine.images import count
from specola.computing.engine.kernel import out_of_memory
from specola.computing.engine.observing import ended, halted, measured
from specola.computing.kinds import Context, open_computing
from specola.computing.locks import alone
from specola.domain.computing import Phase
from specola.domain.errors import InvalidError

pytestmark = pytest.mark.anyio

NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


async def read(data: bytes) -> list[tuple[str, str, datetime | None]]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [(line.stream, line.text, line.at) async for line in lines(reader)]


async def test_lines_are_put_together_from_frames_of_both_streams() -> None:
    data = (
        frame(1, b"2026-11-22T10:00:00.123456789Z one ")
        + frame(2, b"2026-11-22T10:00:01Z oops\n")
        + frame(1, b"2026-11-22T10:00:02.5Z line\nsecond\n")
        + frame(1, b"2026-11-22T10:00:03Z no end")
    )
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert await read(data) == [
        ("stderr", "oops", at + timedelta(seconds=1)),
        ("stdout", "one line", at + timedelta(microseconds=123456)),
        ("stdout", "second", at + timedelta(seconds=2.5)),
        ("stdout", "no end", at + timedelta(seconds=3)),
    ]


async def test_line_without_end_comes_in_pieces() -> None:
    told = await read(frame(1, b"2026-11-22T10:00:00Z " + b"x" * 200_000))
    assert [len(text) for _, text, _ in told] == [65536, 65536, 65536, 200_000 - 3 * 65536]


async def test_frame_cut_short_is_no_end() -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await read(frame(1, b"2026-11-22T10:00:00Z whole\n") + frame(1, b"half")[:-2])


def test_bytes_of_a_pull_are_summed_over_layers() -> None:
    layers: dict[str, tuple[int, int]] = {}
    for line in (
        {"status": "Pulling from library/x", "id": "1"},
        {"status": "Already exists", "progressDetail": {}, "id": "a"},
        {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": 5, "total": 50}, "id": "c"},
        {"status": "Download complete", "progressDetail": {}, "id": "b"},
        {"status": "Extracting", "progressDetail": {"current": 3, "total": 100}, "id": "b"},
    ):
        count(layers, line)
    assert layers == {"b": (100, 100), "c": (5, 50)}


@pytest.mark.parametrize(
    ("told", "kernel", "reason"), [(True, False, "out_of_memory"), (False, True, "out_of_memory"), (False, False, "")]
)
def test_forced_end_is_told_from_running_out_of_memory(told: bool, kernel: bool, reason: str) -> None:  # noqa: FBT001 -- parametrised
    state = {"ExitCode": 137, "OOMKilled": told, "StartedAt": "2026-11-22T10:00:00.5Z", "FinishedAt": NEVER}
    seen = ended({"Id": "abc", "State": state, "Config": {}}, out_of_memory=lambda _: kernel)
    assert (seen.exit_code, seen.reason, seen.ended) == (137, reason, None)
    assert seen.started == datetime(2026, 11, 22, 10, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("finished", [NEVER, "2026-11-22T11:00:00Z"])
def test_container_that_ran_when_its_machine_went_off_has_ended(finished: str) -> None:
    # What Podman 4.3 says after the machine has started again: as of one that was made, but for its start.
    state = {"Status": "created", "ExitCode": 0, "StartedAt": "2026-11-22T10:00:00.5Z", "FinishedAt": finished}
    seen = halted({"State": state, "Config": {}})
    assert seen is not None
    assert (seen.phase, seen.exit_code, seen.reason) == (Phase.ENDED, None, "node_failed")
    assert halted({"State": state | {"StartedAt": NEVER}}) is None
    assert halted({"State": state | {"Status": "running"}}) is None


def test_kernel_message_about_another_container_is_not_ours(tmp_path: Path) -> None:
    messages = tmp_path / "kmsg"
    messages.write_text("6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/libpod_parent/libpod-abc,task=dd\n")
    assert out_of_memory("abc", messages=messages)
    assert not out_of_memory("def", messages=messages)
    assert not out_of_memory("abc", messages=tmp_path / "none")


def test_processor_time_is_the_difference_of_two_samples() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    told = {
        "cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000}},
        "memory_stats": {"usage": 1000, "stats": {"inactive_file": 300}},
        "networks": {"eth0": {"rx_bytes": 7, "tx_bytes": 8}},
    }
    usage, sample = measured(told, at=at, before=(at - timedelta(seconds=2), 1_000_000_000))
    assert (usage.cpus, usage.memory, usage.received, usage.sent) == (1.0, 700, 7, 8)
    assert measured(told, at=at, before=None)[0].cpus == 0
    assert sample == (at, 3_000_000_000)


async def test_lock_is_held_by_one_at_a_time_and_leaves_no_file(tmp_path: Path) -> None:
    inside, most = 0, 0

    async def hold() -> None:
        nonlocal inside, most
        async with alone(tmp_path / "folder" / "lock"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(hold() for _ in range(8)))
    assert most == 1
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    "settings", [{"urll": "x"}, {"url": "ssh://x"}, {"networks": "10.0.0.0/29"}, {"networks": "x"}, {"processes": 1}]
)
def test_settings_that_are_wrong_are_named(settings: dict[str, object], tmp_path: Path) -> None:
    context = Context(installation="x", data=tmp_path, clock=ManualClock())
    with pytest.raises(InvalidError) as caught:
        open_computing("engine", name="here", settings=settings, context=context)
    assert caught.value.field.startswith("settings.") or "pool" in caught.value.sentence


def test_kind_that_does_not_exist_is_named(tmp_path: Path) -> None:
    context = Context(installation="x", data=tmp_path, clock=ManualClock())
    with pytest.raises(InvalidError):
        open_computing("mainframe", name="here", settings={}, context=context)
