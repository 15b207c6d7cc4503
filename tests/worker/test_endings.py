"""How the end of a container is told."""

import pytest

from specola.domain.computing import Observation
from specola.domain.reasons import ENDS, EndReason
from specola.domain.task import Desired, InterfaceState, TaskState
from specola.worker.endings import ending
from tests.worker.records import ended, task

CASES = [
    (1, "exit_code", "The command ended with exit code 1."),
    (3, "exit_code", "The command ended with exit code 3."),
    (125, "command", "The command could not be started by the engine (exit code 125)."),
    (126, "command_unknown", "The command cannot be executed (exit code 126)."),
    (127, "command_unknown", "The command was not found in the image (exit code 127)."),
    (130, "killed", "The command was interrupted (signal 2)."),
    (132, "crashed", "The command used an instruction this processor does not have (signal 4)."),
    (134, "crashed", "The command gave up by itself (signal 6)."),
    (137, "killed", "The command was killed (signal 9), by somebody on its computing or for lack of memory."),
    (139, "crashed", "The command crashed: it touched memory that is not its own (signal 11)."),
    (143, "killed", "The command was asked to end (signal 15) by somebody on its computing."),
    (159, "crashed", "The command was ended by signal 31 (SIGSYS)."),
    (255, "exit_code", "The command ended with exit code 255."),
    (None, "ended", "It ended; its exit code is not known."),
]


@pytest.mark.parametrize(("code", "name", "sentence"), CASES)
def test_an_exit_code_is_told_in_plain_words(code: int | None, name: str, sentence: str) -> None:
    state, reason = ending(task(TaskState.RUNNING), ended(code))
    assert (state, reason.code, reason.sentence) == (TaskState.FAILED, name, sentence)


def test_the_last_words_are_quoted() -> None:
    _, reason = ending(task(TaskState.RUNNING), ended(1), log=["Traceback", "no such setting", "  ", ""])
    assert reason.hint == "It last wrote: “no such setting”"


def test_a_very_long_last_line_is_cut() -> None:
    _, reason = ending(task(TaskState.RUNNING), ended(1), log=["x" * 10_000])
    assert len(reason.hint) < 400


def test_out_of_memory_names_the_limit() -> None:
    state, reason = ending(task(TaskState.RUNNING), ended(137, reason="out_of_memory"))
    assert (state, reason.code) == (TaskState.FAILED, "out_of_memory")
    assert "2 GiB" in reason.sentence


def test_what_the_computing_says_itself_is_kept() -> None:
    _, reason = ending(task(TaskState.RUNNING), ended(1, reason="evicted", sentence="Its node was drained."))
    assert (reason.code, reason.sentence) == ("evicted", "Its node was drained.")


def test_a_stopped_task_is_stopped_whatever_its_exit_code() -> None:
    for seen in (ended(0), ended(137), ended(1), ended(137, reason="out_of_memory"), Observation.forgotten()):
        state, reason = ending(task(TaskState.STOPPING, desired=Desired.STOPPED), seen)
        assert (state, reason.code) == (TaskState.STOPPED, "stopped")


def test_a_container_removed_from_outside_is_lost() -> None:
    state, reason = ending(task(TaskState.RUNNING), Observation.forgotten())
    assert (state, reason.code) == (TaskState.FAILED, "lost")
    assert reason.hint


def test_a_command_without_interfaces_finishes() -> None:
    state, reason = ending(task(TaskState.STARTING, declared=()), ended(0))
    assert (state, reason.code) == (TaskState.FINISHED, "finished")


def test_an_application_that_was_closed_from_inside_finishes() -> None:
    served = task(TaskState.STARTING, interfaces=(InterfaceState(name="lab", ready=True),))
    for record in (task(TaskState.RUNNING), served):
        assert ending(record, ended(0))[0] is TaskState.FINISHED


def test_a_server_that_ends_before_it_served_has_failed() -> None:
    state, reason = ending(task(TaskState.STARTING), ended(0), log=["usage: serve PORT"])
    assert (state, reason.code) == (TaskState.FAILED, "ended_early")
    assert "usage: serve PORT" in reason.hint


@pytest.mark.parametrize("code", sorted(set(EndReason) - {EndReason.TIME_LIMIT, EndReason.OUT_OF_MEMORY}))
def test_an_end_that_its_computing_explains_is_told_in_its_words_with_a_hint(code: EndReason) -> None:
    for exit_code in (0, 1, 137, None):
        state, reason = ending(task(TaskState.RUNNING), ended(exit_code, reason=code.value))
        assert (state, reason) == (TaskState.FAILED, ENDS[code])
        assert reason.hint


def test_a_computing_that_says_more_is_quoted() -> None:
    seen = ended(None, reason="node_failed", sentence="node7 does not answer its controller.")
    assert ending(task(TaskState.RUNNING), seen)[1].sentence == "node7 does not answer its controller."


def test_a_job_that_can_never_start_says_why() -> None:
    state, reason = ending(task(TaskState.STARTING), ended(None, reason="unsatisfiable"))
    assert (state, reason.code) == (TaskState.FAILED, "unsatisfiable")


def test_a_stop_that_was_asked_for_is_a_stop_whatever_its_computing_says() -> None:
    record = task(TaskState.STOPPING, desired=Desired.STOPPED)
    assert ending(record, ended(0, reason="cancelled_outside"))[0] is TaskState.STOPPED
