"""How a container ended, in words: exit codes and causes turned into a state and a reason."""

import signal
from collections.abc import Sequence

from specola.domain.computing import Observation, Phase
from specola.domain.durations import format_duration
from specola.domain.reasons import ENDS, WAITS, EndReason, told
from specola.domain.task import Desired, Reason, Task, TaskState

__all__ = ["ending"]

SIGNALLED = 128
"""Shells and engines report a process ended by signal N as exit code 128 + N (POSIX.1-2017, 2.8.2)."""

SIGNALS = {
    signal.SIGKILL: "was killed (signal 9), by somebody on its computing or for lack of memory",
    signal.SIGTERM: "was asked to end (signal 15) by somebody on its computing",
    signal.SIGINT: "was interrupted (signal 2)",
    signal.SIGSEGV: "crashed: it touched memory that is not its own (signal 11)",
    signal.SIGBUS: "crashed: it touched memory that is not there (signal 7); more shared memory may help",
    signal.SIGABRT: "gave up by itself (signal 6)",
    signal.SIGFPE: "crashed in a calculation (signal 8)",
    signal.SIGILL: "used an instruction this processor does not have (signal 4)",
    signal.SIGXCPU: "used up its processor time (signal 24)",
}
COMMANDS = {
    125: ("command", "could not be started by the engine (exit code 125)", "Check the command and the user."),
    126: ("command_unknown", "cannot be executed (exit code 126)", "Check that the file may be executed in the image."),
    127: ("command_unknown", "was not found in the image (exit code 127)", "Check how the command is spelt."),
}


def ending(task: Task, observation: Observation, *, log: Sequence[str] = ()) -> tuple[TaskState, Reason]:
    """Say in which state a task ends, and why.

    Parameters
    ----------
    task
        The record, still live.
    observation
        What the computing said: ended, or forgotten.
    log
        The last lines the task wrote, oldest first; the last of them is quoted where something went wrong.
    """
    if EndReason.TIME_LIMIT in {observation.reason, task.reason.code if task.state is TaskState.STOPPING else ""}:
        return _at_its_limit(task, observation)
    if task.desired is not Desired.RUNNING:
        return TaskState.STOPPED, Reason(code="stopped", sentence="It was stopped as asked.")
    if observation.phase is Phase.FORGOTTEN:
        return TaskState.FAILED, Reason(
            code="lost",
            sentence="Its container was removed outside the platform.",
            hint="Run it again; files in your home are kept.",
        )
    if observation.reason == EndReason.OUT_OF_MEMORY:
        limit = task.resources.memory / 1024**3
        return TaskState.FAILED, Reason(
            code=EndReason.OUT_OF_MEMORY.value,
            sentence=f"It needed more than its {limit:.3g} GiB of memory and was ended.",
            hint="Run it again with more memory.",
        )
    if observation.reason in ENDS or observation.reason in WAITS:
        # A job may also be ended before it ever started: then what it waited for says why.
        return TaskState.FAILED, told({**WAITS, **ENDS}, observation.reason, observation.sentence)
    if observation.exit_code == 0:
        return _ended_well(task, log)
    return TaskState.FAILED, _failure(observation, log)


def _at_its_limit(task: Task, observation: Observation) -> tuple[TaskState, Reason]:
    """What served until its time was over did what it was to do; a command that was cut off did not."""
    time = task.placement.time
    sentence = f"It reached its time limit of {format_duration(time)} and was ended." if time else ""
    served = bool(task.release.interfaces) and task.started is not None
    reason = told(ENDS, EndReason.TIME_LIMIT, observation.sentence or sentence)
    return TaskState.STOPPED if served else TaskState.FAILED, reason


def _ended_well(task: Task, log: Sequence[str]) -> tuple[TaskState, Reason]:
    """Exit code 0 is good, unless something was to be served and never was."""
    served = task.state is TaskState.RUNNING or any(one.ready for one in task.interfaces)
    if task.release.interfaces and not served:
        return TaskState.FAILED, Reason(
            code="ended_early",
            sentence="The command ended (exit code 0) before any interface answered.",
            hint=_quoted(log) or "Give a command that keeps serving.",
        )
    return TaskState.FINISHED, Reason(code="finished", sentence="It ended by itself, without an error.")


def _failure(observation: Observation, log: Sequence[str]) -> Reason:
    code = observation.exit_code
    if observation.sentence:
        return Reason(code=observation.reason or "exit_code", sentence=observation.sentence, hint=_quoted(log))
    if code is None:
        return Reason(code="ended", sentence="It ended; its exit code is not known.", hint=_quoted(log))
    if code in COMMANDS:
        name, what, hint = COMMANDS[code]
        return Reason(code=name, sentence=f"The command {what}.", hint=_quoted(log) or hint)
    if code > SIGNALLED and (what := _signal(code - SIGNALLED)):
        name = "killed" if code - SIGNALLED in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT} else "crashed"
        return Reason(code=name, sentence=f"The command {what}.", hint=_quoted(log))
    return Reason(code="exit_code", sentence=f"The command ended with exit code {code}.", hint=_quoted(log))


def _signal(number: int) -> str:
    try:
        known = signal.Signals(number)
    except ValueError:
        return ""
    return SIGNALS.get(known, f"was ended by signal {number} ({known.name})")


def _quoted(log: Sequence[str]) -> str:
    """Quote the last line that says something; the whole end of the log is in the event."""
    last = next((line.strip() for line in reversed(log) if line.strip()), "")
    if not last:
        return ""
    return f"It last wrote: “{last[:300]}”"
