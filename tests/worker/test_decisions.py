"""The table of decisions: every wish, state, handle and observation."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from specola.domain.computing import Observation, Phase
from specola.domain.task import FINAL, RANK, Desired, Endpoint, Reason, TaskState
from specola.worker.decisions import Step, Verdict, answered, cleaned, failed, placed, settled, stream_of
from tests.worker.records import LAB, NOW, SHELL, STREAMS, ended, judged, ready, running, task

QUEUED, STARTING, RUNNING, STOPPING = TaskState.QUEUED, TaskState.STARTING, TaskState.RUNNING, TaskState.STOPPING
FINISHED, FAILED, STOPPED = TaskState.FINISHED, TaskState.FAILED, TaskState.STOPPED
WANTED, UNWANTED, DELETED = Desired.RUNNING, Desired.STOPPED, Desired.DELETED
H = "h1"
CREATED, GONE = Observation(phase=Phase.CREATED), Observation.forgotten()

TABLE: list[tuple[Desired, TaskState, str | None, Observation | None, TaskState, Step]] = [
    # desired, state, handle, observed → state, step
    (WANTED, QUEUED, None, None, STARTING, Step.LAUNCH),
    (UNWANTED, QUEUED, None, None, STOPPED, Step.NOTHING),
    (DELETED, QUEUED, None, None, STOPPED, Step.NOTHING),
    (WANTED, STARTING, None, None, STARTING, Step.LAUNCH),
    (UNWANTED, STARTING, None, None, STARTING, Step.FIND),
    (DELETED, STARTING, None, None, STARTING, Step.FIND),
    (WANTED, STARTING, H, None, STARTING, Step.NOTHING),
    (WANTED, STARTING, H, CREATED, STARTING, Step.NOTHING),
    (WANTED, STARTING, H, running(), STARTING, Step.TRY),
    (WANTED, STARTING, H, ended(), STARTING, Step.SETTLE),
    (WANTED, STARTING, H, GONE, STARTING, Step.SETTLE),
    (UNWANTED, STARTING, H, None, STARTING, Step.NOTHING),
    (UNWANTED, STARTING, H, CREATED, STOPPING, Step.STOP),
    (UNWANTED, STARTING, H, running(), STOPPING, Step.STOP),
    (UNWANTED, STARTING, H, ended(), STARTING, Step.SETTLE),
    (UNWANTED, STARTING, H, GONE, STARTING, Step.SETTLE),
    (WANTED, RUNNING, H, None, RUNNING, Step.NOTHING),
    (WANTED, RUNNING, H, CREATED, RUNNING, Step.NOTHING),
    (WANTED, RUNNING, H, running(), RUNNING, Step.TRY),
    (WANTED, RUNNING, H, ended(), RUNNING, Step.SETTLE),
    (WANTED, RUNNING, H, GONE, RUNNING, Step.SETTLE),
    (UNWANTED, RUNNING, H, None, RUNNING, Step.NOTHING),
    (UNWANTED, RUNNING, H, running(), STOPPING, Step.STOP),
    (UNWANTED, RUNNING, H, ended(), RUNNING, Step.SETTLE),
    (DELETED, RUNNING, H, running(), STOPPING, Step.STOP),
    (UNWANTED, STOPPING, H, None, STOPPING, Step.NOTHING),
    (UNWANTED, STOPPING, H, CREATED, STOPPING, Step.STOP),
    (UNWANTED, STOPPING, H, running(), STOPPING, Step.STOP),
    (UNWANTED, STOPPING, H, ended(), STOPPING, Step.SETTLE),
    (UNWANTED, STOPPING, H, GONE, STOPPING, Step.SETTLE),
    *((WANTED, state, H, None, state, Step.CLEAN) for state in sorted(FINAL)),
    *((WANTED, state, None, None, state, Step.NOTHING) for state in sorted(FINAL)),
    *((UNWANTED, state, None, None, state, Step.NOTHING) for state in sorted(FINAL)),
    *((DELETED, state, H, GONE, state, Step.CLEAN) for state in sorted(FINAL)),
    *((DELETED, state, None, None, state, Step.ERASE) for state in sorted(FINAL)),
]


def words(value: object) -> str:
    return "-" if value is None else getattr(getattr(value, "phase", value), "name", str(value)).lower()


@pytest.mark.parametrize(("desired", "state", "handle", "seen", "then", "step"), TABLE, ids=words)
def test_the_table(
    desired: Desired, state: TaskState, handle: str | None, seen: Observation | None, then: TaskState, step: Step
) -> None:
    verdict = judged(task(state, desired=desired, handle=handle), seen)
    assert (verdict.task.state, verdict.step) == (then, step)


EVERYTHING = list(
    product(Desired, TaskState, (None, H), (None, CREATED, running(), ended(), ended(1), GONE), (None, NOW), (0, 1000))
)


@pytest.mark.parametrize("declared", [(), (LAB,), (LAB, SHELL)], ids=["headless", "one", "two"])
def test_whatever_is_seen_a_task_never_goes_back_and_tells_only_what_changed(declared: tuple[object, ...]) -> None:
    for desired, state, handle, seen, unseen, after in EVERYTHING:
        record = task(state, desired=desired, handle=handle, declared=declared)
        verdict = judged(record, seen, unseen_since=unseen, after=after)
        assert RANK[verdict.task.state] >= RANK[state]
        assert verdict.task.desired is desired
        if verdict.notes or verdict.task.state is not state:
            assert verdict.task != record
        assert bool(verdict.notes) or verdict.task.state is state


def test_deciding_again_about_what_was_decided_writes_nothing_more() -> None:
    for desired, state, handle, seen, unseen, after in EVERYTHING:
        once = judged(task(state, desired=desired, handle=handle), seen, unseen_since=unseen, after=after)
        again = judged(once.task, seen, unseen_since=unseen, after=after)
        if once.task.state is not RUNNING or state is RUNNING:
            assert again.task == once.task or again.task.state is STOPPED
            assert not again.notes or again.task.state is STOPPED


def test_what_cannot_be_asked_keeps_its_state_and_is_unseen_since_it_was_last_seen() -> None:
    record = ready(task(RUNNING, handle=H))
    lost = judged(record, None, unseen_since=NOW)
    assert lost == Verdict(task=replace(record, unseen_since=NOW))
    later = judged(lost.task, None, unseen_since=NOW + timedelta(seconds=9))
    assert later.task.unseen_since == NOW
    found = judged(later.task, running(), after=20)
    assert (found.task.unseen_since, found.task.seen) == (None, NOW + timedelta(seconds=20))
    assert found.task.state is RUNNING


def test_a_stop_asked_for_while_the_computing_is_away_waits_for_it() -> None:
    record = task(RUNNING, desired=UNWANTED, handle=H, unseen_since=NOW)
    assert judged(record, running(), unseen_since=NOW).step is Step.NOTHING
    assert judged(record, running()).step is Step.STOP


def test_a_queued_task_says_that_its_computing_does_not_answer_and_starts_when_it_does() -> None:
    waiting = judged(task(QUEUED), unseen_since=NOW)
    assert (waiting.task.state, waiting.task.reason.code, waiting.step) == (
        QUEUED,
        "computing_unreachable",
        Step.NOTHING,
    )
    assert [note.code for note in waiting.notes] == ["computing_unreachable"]
    assert judged(waiting.task, unseen_since=NOW) == Verdict(task=waiting.task)
    assert judged(waiting.task).step is Step.LAUNCH


def test_a_queued_task_can_be_stopped_while_its_computing_is_away() -> None:
    assert judged(task(QUEUED, desired=UNWANTED), unseen_since=NOW).task.state is STOPPED


def test_where_the_interfaces_are_is_written_down_with_what_exactly_runs() -> None:
    seen = running(image_id="sha256:1", architecture="arm64")
    verdict = judged(task(STARTING, handle=H, declared=(LAB, SHELL)), seen)
    lab, shell = verdict.task.interfaces
    assert lab.endpoint == Endpoint(host="10.0.0.2", port=8888)
    assert shell.endpoint == Endpoint(path=str(STREAMS / "k3f9x2ab4c.22.sock"))
    assert not lab.ready
    assert (verdict.task.image.id, verdict.task.image.architecture) == ("sha256:1", "arm64")
    assert [note.sentence for note in verdict.notes] == ["It runs; waiting for “lab” and “shell” to answer."]


def test_a_headless_task_runs_as_soon_as_its_container_does() -> None:
    verdict = judged(task(STARTING, handle=H, declared=()), running())
    assert (verdict.task.state, verdict.step, verdict.task.started) == (RUNNING, Step.NOTHING, NOW)


def test_a_task_runs_when_its_last_interface_answers() -> None:
    record = judged(task(STARTING, handle=H, declared=(LAB, SHELL)), running()).task
    one = answered(record, "shell", at=NOW)
    assert (one.task.state, [note.code for note in one.notes]) == (STARTING, ["interface_ready"])
    both = answered(one.task, "lab", at=NOW)
    assert (both.task.state, [note.code for note in both.notes]) == (RUNNING, ["interface_ready", "running"])
    assert answered(both.task, "lab", at=NOW) == Verdict(task=both.task)
    assert judged(both.task, running()) == Verdict(task=both.task)


def test_what_answers_by_the_connector_alone_is_recorded_there_and_stays_there() -> None:
    record = judged(task(STARTING, handle=H, declared=(LAB, SHELL)), running()).task
    stream = stream_of(record, LAB, STREAMS)
    found = answered(record, "lab", at=NOW, endpoint=stream).task
    again = judged(found, running()).task
    lab = again.interface("lab")
    assert lab is not None
    assert (lab.endpoint, lab.ready) == (stream, True)
    assert stream == Endpoint(path=str(STREAMS / "k3f9x2ab4c.8888.sock"))


def test_an_answer_that_comes_after_the_end_changes_nothing() -> None:
    record = task(STOPPED)
    assert answered(record, "lab", at=NOW) == Verdict(task=record)
    assert answered(task(RUNNING, declared=()), "lab", at=NOW).notes == ()


def test_when_no_interface_answers_in_time_the_task_fails_and_is_cleaned() -> None:
    record = judged(task(STARTING, handle=H, declared=(LAB, SHELL)), running()).task
    assert judged(record, running(), after=59).step is Step.TRY
    late = judged(record, running(), after=60)
    assert (late.task.state, late.task.reason.code, late.step) == (FAILED, "interface_not_ready", Step.CLEAN)
    assert late.task.reason.sentence == "“lab” and “shell” did not answer within 60 s."
    assert late.task.reason.hint


def test_when_some_answer_in_time_the_task_runs_with_those_and_the_others_are_tried_on() -> None:
    record = judged(task(STARTING, handle=H, declared=(LAB, SHELL)), running()).task
    record = answered(record, "lab", at=NOW).task
    late = judged(record, running(), after=60)
    assert (late.task.state, late.step) == (RUNNING, Step.TRY)
    assert [note.code for note in late.notes] == ["interface_not_ready", "running"]
    assert answered(late.task, "shell", at=NOW).task.interface("shell") is not None


def test_a_clock_on_the_computing_that_goes_wrong_neither_hurries_nor_delays() -> None:
    record = judged(task(STARTING, handle=H), running()).task
    early, late = running(started=NOW - timedelta(days=1)), running(started=NOW + timedelta(days=1))
    assert judged(record, early, after=59).step is Step.TRY
    assert judged(record, early, after=60).task.state is FAILED
    assert judged(record, late, after=60).task.state is FAILED
    unstarted = task(STARTING, handle=H)
    assert judged(unstarted, late, after=10).task.begun == NOW + timedelta(seconds=10)
    assert judged(unstarted, early, after=10).task.begun == NOW


def test_an_address_that_changes_has_to_answer_again() -> None:
    record = ready(task(RUNNING, handle=H))
    moved = judged(record, running(addresses={8888: ("10.0.0.9", 8888)}))
    assert moved.step is Step.TRY
    assert not moved.task.interfaces[0].ready


def test_an_ended_task_is_reached_nowhere() -> None:
    verdict = settled(ready(task(RUNNING, handle=H)), ended(1), at=NOW, log=["one", "two"])
    assert verdict.task.interfaces[0].endpoint is None
    assert not verdict.task.interfaces[0].ready
    assert (verdict.task.state, verdict.task.exit_code, verdict.task.ended) == (FAILED, 1, NOW)
    assert verdict.step is Step.CLEAN
    assert verdict.notes[0].data == {"reason": "exit_code", "exit_code": 1, "log": ["one", "two"]}


def test_the_end_is_when_the_computing_says_but_neither_before_the_start_nor_in_the_future() -> None:
    at = NOW + timedelta(seconds=10)
    for told, expected in ((timedelta(seconds=4), 4), (timedelta(hours=-1), 0), (timedelta(hours=1), 10)):
        verdict = settled(task(RUNNING, handle=H), ended(ended=NOW + told), at=at)
        assert verdict.task.ended == NOW + timedelta(seconds=expected)


def test_a_launch_that_fails_after_a_stop_counts_as_stopped() -> None:
    reason = Reason(code="no_space", sentence="No space.")
    assert failed(task(STARTING), reason, at=NOW).task.state is FAILED
    assert failed(task(STARTING, desired=UNWANTED), reason, at=NOW).task.state is STOPPED
    assert failed(task(FINISHED), reason, at=NOW) == Verdict(task=task(FINISHED))


def test_a_handle_is_written_once_and_let_go_when_nothing_is_left() -> None:
    first = placed(task(STARTING), H, at=NOW)
    assert (first.task.handle, [note.code for note in first.notes]) == (H, ["placed"])
    assert placed(first.task, H, at=NOW) == Verdict(task=first.task)
    late = placed(task(FAILED), H, at=NOW)
    assert (late.task.handle, late.notes) == (H, ())
    assert cleaned(late.task).task.handle is None


def test_every_step_is_in_the_table() -> None:
    assert {row[5] for row in TABLE} == set(Step)


def test_what_another_account_gave_its_name_is_not_the_task() -> None:
    assert task(account="ann").may_be("ann/specola-i-t")
    assert not task(account="ann").may_be("mallory/specola-i-t")
    assert task(account="ann").may_be("specola-i-t")
    assert task(account=None).may_be("namespace/specola-i-t")
