"""What is said of a batch task, for everything that its scheduler and its agent may say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from specola.computing.batch.observing import Seen, chosen, judge
from specola.computing.batch.scheduling import Entry, JobState
from specola.computing.batch.traces import Look, Sweep, Trace
from specola.domain.computing import Observation, Phase
from specola.domain.errors import ComputingUnreachableError
from specola.domain.placement import Forecast
from specola.ports.hosts import Finished

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
JOB = Entry(id="7", name="a", state=JobState.RUNNING, raw="RUNNING", node="n1", deadline=NOW + timedelta(hours=1))
HANDED_IN = Trace(there=True, job={"id": "7", "image_id": "sha256:1", "architecture": "amd64"})


def said(**status: Any) -> Trace:
    return replace(HANDED_IN, mark="7", status={"phase": "running", "started": NOW.timestamp() - 60, **status})


def farewell(code: int | None, *, reason: str = "exited", ago: float = 1.0, **more: Any) -> Trace:
    return said(phase="ended", exit_code=code, reason=reason, ended=NOW.timestamp() - ago, **more)


def seen(trace: Trace, *entries: Entry, missing: float = 0.0, books: bool = True) -> Observation:
    everything = Seen(trace=trace, entries=entries, missing=timedelta(seconds=missing), books=books)
    return judge(everything, now=NOW).observation


def test_waiting_task_tells_why_and_its_forecast() -> None:
    forecast = Forecast(starts=NOW, source="scheduler")
    entry = replace(JOB, state=JobState.WAITING, reason="resources", raw="PENDING (Resources)", forecast=forecast)
    told = seen(HANDED_IN, entry)
    assert (told.phase, told.reason, told.raw, told.forecast) == (
        Phase.CREATED,
        "resources",
        "PENDING (Resources)",
        forecast,
    )


def test_job_that_runs_is_a_task_that_starts_until_its_agent_says_more() -> None:
    assert seen(HANDED_IN, JOB).phase is Phase.CREATED
    assert seen(said(phase="pulling", sentence="Fetching"), JOB).reason == "image"
    told = seen(said(), JOB)
    assert (told.phase, told.node, told.deadline, told.image_id) == (Phase.RUNNING, "n1", JOB.deadline, "sha256:1")


def test_agent_may_tell_of_the_start_before_the_scheduler_is_asked_again() -> None:
    waiting = Seen(trace=said(), entries=(replace(JOB, state=JobState.WAITING, reason="priority"),))
    judgement = judge(waiting, now=NOW)
    assert judgement.observation.phase is Phase.RUNNING
    assert judgement.in_doubt


def test_task_that_was_put_back_into_the_queue_says_so() -> None:
    told = seen(said(), replace(JOB, state=JobState.WAITING, reason="begin_time"))
    assert (told.phase, told.reason) == (Phase.CREATED, "requeued")


@pytest.mark.parametrize("code", [0, 3])
def test_farewell_of_the_agent_is_an_end_at_once(code: int) -> None:
    told = seen(farewell(code), JOB)
    assert (told.phase, told.exit_code, told.reason) == (Phase.ENDED, code, "")


def test_scheduler_is_heard_before_a_killed_task_has_ended() -> None:
    killed = farewell(137)
    assert seen(killed, JOB).phase is Phase.RUNNING
    assert seen(killed, replace(JOB, state=JobState.ENDING)).phase is Phase.RUNNING
    told = seen(killed, replace(JOB, state=JobState.ENDED, reason="out_of_memory", exit_code=253))
    assert (told.phase, told.exit_code, told.reason) == (Phase.ENDED, 137, "out_of_memory")
    assert seen(farewell(137, ago=60), replace(JOB, state=JobState.ENDING)).phase is Phase.ENDED


@pytest.mark.parametrize(
    "reason", ["time_limit", "out_of_memory", "node_failed", "preempted", "boot_failed", "cancelled_outside"]
)
def test_end_that_the_agent_could_not_tell_is_the_schedulers(reason: str) -> None:
    told = seen(said(), replace(JOB, state=JobState.ENDED, reason=reason, raw="X"))
    assert (told.phase, told.reason, told.raw) == (Phase.ENDED, reason, "X")


def test_agents_own_words_are_translated() -> None:
    told = seen(farewell(None, reason="no_space", sentence="Full.", ago=60), replace(JOB, state=JobState.ENDED))
    assert (told.reason, told.sentence) == ("storage_full", "Full.")


def test_exit_code_is_waited_for_as_long_as_the_books_may_be_late() -> None:
    ended = replace(JOB, state=JobState.ENDED, raw="FAILED")
    assert seen(said(), ended, missing=5).phase is Phase.RUNNING
    assert seen(said(), ended, missing=31).phase is Phase.ENDED
    assert seen(said(), replace(ended, exit_code=9)).exit_code == 9


def test_unlisted_task_has_not_ended_until_it_was_missing_for_long() -> None:
    assert seen(HANDED_IN, missing=1).phase is Phase.CREATED
    assert seen(said(), missing=1).phase is Phase.RUNNING
    assert seen(HANDED_IN, missing=31).phase is Phase.FORGOTTEN
    lost = seen(said(), missing=31)
    assert (lost.phase, lost.reason, lost.exit_code) == (Phase.ENDED, "agent_lost", 137)
    assert seen(farewell(0)).phase is Phase.ENDED


def test_removed_task_is_forgotten_though_the_books_keep_it() -> None:
    assert seen(Trace(), replace(JOB, state=JobState.ENDED)) == Observation.forgotten()
    assert seen(Trace()) == Observation.forgotten()
    assert seen(Trace(), JOB).phase is Phase.CREATED


def test_missing_file_system_makes_no_task_forgotten() -> None:
    nothing = Trace(known=False)
    assert seen(nothing, missing=1).phase is Phase.CREATED
    assert seen(nothing, JOB).phase is Phase.CREATED
    assert seen(nothing, replace(JOB, state=JobState.ENDED, exit_code=0)).phase is Phase.ENDED


def test_task_is_the_job_that_began() -> None:
    first, second = replace(JOB, id="7", state=JobState.ENDED), replace(JOB, id="8")
    assert chosen(replace(HANDED_IN, mark="8"), (first, second)) is second
    assert chosen(HANDED_IN, (first, second)) is first
    assert chosen(Trace(there=True), (first, second)) is second
    assert chosen(Trace(there=True), ()) is None


def finished(text: str, *, code: int = 0) -> Finished:
    return Finished(code=code, output=text.encode(), errors=b"cd: Stale file handle")


def test_traces_are_read_for_all_tasks_at_once() -> None:
    text = '\x1ea\x1fthere\x1f7\n\x1f{"id": "7"}\x1f{"phase": "running"}\x1eb\x1f\x1f\x1f\x1f\x1ec\x1fthere\x1f\x1f{"id\x1f'
    found = Look("/f", ("a", "b", "c")).read("cluster", finished(text))
    assert found["a"] == Trace(there=True, mark="7", job={"id": "7"}, status={"phase": "running"})
    assert found["b"] == Trace()
    assert found["c"] == Trace(there=True)
    assert Look("/f", ("a",)).read("cluster", finished("gone")) == {"a": Trace(known=False)}


def test_folder_that_cannot_be_read_is_no_answer() -> None:
    with pytest.raises(ComputingUnreachableError):
        Look("/f", ("a",)).read("cluster", finished("", code=3))
    with pytest.raises(ComputingUnreachableError):
        Look("/f", ("a", "b")).read("cluster", finished("\x1ea\x1f\x1f\x1f\x1f"))
    with pytest.raises(ComputingUnreachableError):
        Sweep("/f").read("cluster", finished("", code=3))
    assert list(Sweep("/f").read("cluster", finished("gone"))) == []
    assert list(Sweep("/f").read("cluster", finished("\x1ea\x1eb"))) == ["a", "b"]
