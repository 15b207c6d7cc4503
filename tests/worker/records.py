"""Records to decide about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from specola.domain.computing import Observation, Phase
from specola.domain.software import Interface, Protocol, Release
from specola.domain.task import Desired, Endpoint, ImageRecord, InterfaceState, Reason, Task, TaskState
from specola.worker.decisions import Look, Verdict, decide
from specola.worker.timing import Timing

__all__ = ["LAB", "NOW", "SHELL", "STREAMS", "TIMING", "ended", "judged", "running", "task"]

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
STREAMS = Path("/data/run/streams")
TIMING = Timing(ready=timedelta(seconds=60))
LAB = Interface(name="lab", port=8888)
SHELL = Interface(name="shell", port=22, protocol=Protocol.SSH)


def task(state: TaskState = TaskState.QUEUED, **changes: Any) -> Task:
    """Make a record; `interfaces` are those of its release."""
    interfaces = changes.pop("declared", (LAB,))
    record = Task(
        id="k3f9x2ab4c",
        name="lab",
        owner="p1",
        software=None,
        title="Lab",
        release=Release(id="r1", version="1", image="example.test/lab:1", interfaces=interfaces),
        computing="local",
        resources=Release(id="", version="", image="").resources,
        environment={},
        parameters={},
        image=ImageRecord(reference="example.test/lab:1"),
        desired=Desired.RUNNING,
        state=state,
        reason=Reason(code=state.value, sentence="."),
        since=NOW,
        created=NOW,
        interfaces=tuple(InterfaceState(name=one.name) for one in interfaces),
    )
    return replace(record, **changes)


def running(**changes: Any) -> Observation:
    """Say that the container runs, reachable at its port 8888."""
    facts: dict[str, Any] = {"started": NOW, "addresses": {8888: ("10.0.0.2", 8888)}} | changes
    return Observation(phase=Phase.RUNNING, **facts)


def ended(exit_code: int | None = 0, **changes: Any) -> Observation:
    """Say that the container ended."""
    return Observation(phase=Phase.ENDED, exit_code=exit_code, **changes)


def judged(
    record: Task, observation: Observation | None = None, *, after: float = 0, unseen_since: datetime | None = None
) -> Verdict:
    """Decide about a record some seconds after NOW."""
    look = Look(at=NOW + timedelta(seconds=after), observation=observation, unseen_since=unseen_since)
    return decide(record, look, streams=STREAMS, timing=TIMING)


def ready(record: Task) -> Task:
    """Return the record with every interface answering at the address that `running` tells."""
    states = tuple(
        InterfaceState(name=one.name, ready=True, endpoint=Endpoint(host="10.0.0.2", port=8888), since=NOW)
        for one in record.interfaces
    )
    return replace(record, interfaces=states)
