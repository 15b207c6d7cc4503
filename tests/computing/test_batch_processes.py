"""Processes as jobs: how they are found among all others of their account."""

from datetime import UTC, datetime, timedelta

from specola.computing.batch.names import Names, Ticket
from specola.computing.batch.processes.commands import Listing, Signal, Start
from specola.computing.batch.scheduling import Job
from specola.domain.placement import Placement
from specola.domain.software import Resources

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
AGENT = "/home/ann/.specola/agent/0a/agent.pyz"
PROCESSES = f"""\
  100     1     60 timeout --signal=USR1 --kill-after=120 3600 python3 {AGENT} run /home/ann/.specola/here/tasks/abc
  101   100     60 python3 {AGENT} run /home/ann/.specola/here/tasks/abc
  102   101     60 python3 {AGENT} run /home/ann/.specola/here/tasks/abc
  103   101     50 python3 {AGENT} relay /run/user/5001/specola-here-abc
  104     1     50 python3 {AGENT} run /home/ann/.specola/elsewhere/tasks/def
  105     1     50 grep python3 {AGENT} run /home/ann/.specola/here/tasks/ghi
  106     1     10 /usr/bin/python3.11 {AGENT} run /scratch/a b/here/tasks/jkl
"""


def test_agents_of_this_installation_are_found_each_once() -> None:
    found = list(Listing("ann").read(PROCESSES, Names("here"), now=NOW))
    assert [(one.id, one.name, one.started) for one in found] == [
        ("101", "specola-here-abc", NOW - timedelta(seconds=60)),
        ("106", "specola-here-jkl", NOW - timedelta(seconds=10)),
    ]


def test_start_hands_everything_over_as_arguments() -> None:
    job = Job(
        name="specola-here-abc",
        command=("python3", AGENT, "run", "/home/ann/a b"),
        folder="/home/ann/a b",
        output="/home/ann/a b/agent.out",
        mark="/home/ann/a b/begun",
        comment="",
        resources=Resources(cpus=1.5, memory=1024),
        placement=Placement(time=timedelta(hours=1)),
        path=("/opt/bin",),
    )
    argv = Start(job).argv()
    assert argv[:2] == ["sh", "-c"]
    assert argv[3:9] == ["start", job.mark, job.output, job.name, "1024", "150"]
    assert argv[9] == "env"
    assert argv[-7:] == ["--signal=USR1", "--kill-after=120", "3600", *job.command]
    assert Signal("7", "TERM").argv()[3:] == ["signal", "7", "TERM", "agent.pyz"]


def test_handles_are_known_before_there_is_a_job() -> None:
    names = Names("here")
    assert names.handle("ann", "abc") == "ann/specola-here-abc"
    assert names.ticket("ann/specola-here-abc") == Ticket("ann", "abc")
    assert names.ticket("/specola-here-abc") == Ticket("", "abc")
    strangers = ("nobody", "ann/specola-there-abc", "ann/" + names.probe_job, "ann/" + names.image_job("0a1b"), "")
    assert [names.ticket(one) for one in strangers] == [None] * 5
