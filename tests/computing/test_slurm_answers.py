"""What Slurm's tools print and complain of, as those of 24.11 do or as its manual says, and what it means."""

from datetime import UTC, datetime, timedelta

import pytest

from specola.computing.batch.errors import AmbiguousError
from specola.computing.batch.scheduling import Entry, Job, JobState
from specola.computing.batch.slurm.cluster import Associations, Configuration, Nodes, Version
from specola.computing.batch.slurm.commands import Cancel, History, Queue, Submit, by_name, limit
from specola.computing.batch.slurm.complaints import answered, cancelled, submitted
from specola.computing.batch.slurm.fields import duration, exit_code, gpus, moment
from specola.computing.batch.slurm.states import meaning
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.placement import GpuKind, Placement
from specola.domain.reasons import ENDS, WAITS
from specola.domain.software import Resources
from specola.ports.hosts import Finished

# squeue --states=all of 24.11, fields apart by 0x1F.
QUEUE = """\
3|try-3|FAILED|NonZeroExitCode|1795819412|1795819412|n1|1795819411
2|try-2|PENDING|JobHeldUser|N/A|N/A|n/a|1795819411
5|try-5|PENDING|Resources|1795820000|1795820600|n/a|1795819411
1|try-1|RUNNING|None|1795819412|1795819532|n1|1795819411
4|try-4|COMPLETING|None|1795819412|1795819413|n1|1795819411
"""
# sacct --parsable2 of 24.11; the last two lines are made by hand, with an empty field for the reason.
BOOKS = """\
1|try-1|CANCELLED by 5001|0:0|1795819411|1795819412|1795819413|n1|None
3|try-3|FAILED|3:0|1795819411|1795819412|1795819412|n1|None
6|try-6|OUT_OF_MEMORY|0:125|1795819411|1795819412|1795819420|n2|None
7|try-7|TIMEOUT|0:0|1795819411|1795819412|1795819540|n2|None
8|try-8|FAILED|0:9|1795819411|1795819412|1795819413|n2|
9|try-9|RUNNING|0:0|1795819411|1795819412|Unknown|n2|
"""
NODES = """\
main*|up|1|4|4000|0/4/0/4|gpu:fake:2|1:00:00|10:00
main*|up|1|4|4000|1/3/0/4|(null)|1:00:00|10:00
gpu|up|1|4|4000+|0/4/0/4|gpu:a100:4(S:0-1),nvme:1|30:00|NONE
long|inact|12|64|257000|0/0/768/768|(null)|infinite|1-00:00:00
"""


def recorded(text: str) -> str:
    return text.replace("|", "\x1f")


def finished(code: int = 0, output: str = "", errors: str = "") -> Finished:
    return Finished(code=code, output=output.encode(), errors=errors.encode())


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def queued(name: str) -> Entry:
    return by_name(Queue("ann").read(recorded(QUEUE)))[name][0]


def booked(name: str) -> Entry:
    return by_name(History("ann", ()).read(recorded(BOOKS)))[name][0]


def test_running_job_tells_start_deadline_and_node() -> None:
    job = queued("try-1")
    assert (job.id, job.state, job.raw, job.node) == ("1", JobState.RUNNING, "RUNNING", "n1")
    assert (job.started, job.deadline, job.forecast) == (at(1795819412), at(1795819532), None)


def test_waiting_job_tells_why_and_when_it_may_start() -> None:
    held, waiting = queued("try-2"), queued("try-5")
    assert (held.state, held.reason, held.raw) == (JobState.WAITING, "held", "PENDING (JobHeldUser)")
    assert held.forecast is None
    assert waiting.forecast is not None
    assert (waiting.forecast.starts, waiting.forecast.source) == (at(1795820000), "scheduler")
    assert (waiting.started, waiting.deadline, waiting.node) == (None, None, "")


def test_ended_job_of_the_queue_has_no_exit_code_yet() -> None:
    job = queued("try-3")
    assert (job.state, job.exit_code, job.ended) == (JobState.ENDED, None, at(1795819412))
    assert queued("try-4").state is JobState.ENDING


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("try-1", None, "cancelled_outside"),
        ("try-3", 3, ""),
        ("try-6", 253, "out_of_memory"),
        ("try-7", None, "time_limit"),
        ("try-8", 137, ""),
    ],
)
def test_books_tell_how_a_job_ended(name: str, code: int | None, reason: str) -> None:
    job = booked(name)
    assert (job.state, job.exit_code, job.reason) == (JobState.ENDED, code, reason)


def test_books_may_lag_behind() -> None:
    job = booked("try-9")
    assert (job.state, job.ended, job.exit_code) == (JobState.RUNNING, None, None)


def test_line_that_was_cut_short_is_left_out() -> None:
    assert set(by_name(Queue("ann").read(recorded(QUEUE)[:-30]))) == {"try-1", "try-2", "try-3", "try-5"}


@pytest.mark.parametrize(
    ("state", "reason", "where", "code"),
    [
        ("PENDING", "None", JobState.WAITING, "scheduling"),
        ("PENDING", "(Priority)", JobState.WAITING, "priority"),
        ("PENDING", "QOSMaxCpuPerUserLimit", JobState.WAITING, "limit"),
        ("PENDING", "AssocGrpCPUMinutesLimit", JobState.WAITING, "quota"),
        ("PENDING", "JobHeldAdmin", JobState.WAITING, "held_by_administrator"),
        ("PENDING", "launch failed requeued held", JobState.WAITING, "held_by_administrator"),
        ("PENDING", "BeginTime", JobState.WAITING, "begin_time"),
        ("PENDING", "Dependency", JobState.WAITING, "dependency"),
        ("PENDING", "DependencyNeverSatisfied", JobState.WAITING, "unsatisfiable"),
        ("PENDING", "ReqNodeNotAvail, UnavailableNodes:n[1-2]", JobState.WAITING, "nodes_unavailable"),
        (
            "PENDING",
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            JobState.WAITING,
            "nodes_unavailable",
        ),
        ("PENDING", "PartitionTimeLimit", JobState.WAITING, "unsatisfiable"),
        ("PENDING", "PartitionDown", JobState.WAITING, "partition_closed"),
        ("PENDING", "InvalidAccount", JobState.WAITING, "account_refused"),
        ("PENDING", "Reservation", JobState.WAITING, "reservation"),
        ("PENDING", "Licenses", JobState.WAITING, "licenses"),
        ("PENDING", "SomethingNew", JobState.WAITING, "scheduling"),
        ("CONFIGURING", "None", JobState.WAITING, "starting"),
        ("REQUEUED", "None", JobState.WAITING, "requeued"),
        ("REQUEUE_HOLD", "None", JobState.WAITING, "held_by_administrator"),
        ("SUSPENDED", "None", JobState.RUNNING, "suspended"),
        ("COMPLETING", "None", JobState.ENDING, ""),
        ("NODE_FAIL", "NodeDown", JobState.ENDED, "node_failed"),
        ("PREEMPTED", "None", JobState.ENDED, "preempted"),
        ("BOOT_FAIL", "None", JobState.ENDED, "boot_failed"),
        ("DEADLINE", "None", JobState.ENDED, "time_limit"),
        ("CANCELLED+", "None", JobState.ENDED, "cancelled_outside"),
        ("CANCELLED", "DependencyNeverSatisfied", JobState.ENDED, "image_pull"),
        ("COMPLETED", "None", JobState.ENDED, ""),
        ("NEVER_HEARD_OF", "None", JobState.RUNNING, ""),
    ],
)
def test_states_and_reasons_have_codes(state: str, reason: str, where: JobState, code: str) -> None:
    found = meaning(state, reason)
    assert (found.state, found.reason) == (where, code)
    if code and code != "suspended":
        assert code in (ENDS if where is JobState.ENDED else WAITS)


def test_partitions_are_told_with_limits_and_what_is_free() -> None:
    main, gpu, long = Nodes().read(recorded(NODES))
    assert (main.name, main.is_default, main.nodes, main.cpus, main.idle) == ("main", True, 2, 4, 7)
    assert (main.longest, main.usual) == (timedelta(hours=1), timedelta(minutes=10))
    assert main.gpus == (GpuKind(model="fake", count=2),)
    assert (gpu.gpus, gpu.memory, gpu.usual) == ((GpuKind(model="a100", count=4),), 4000 * 1024**2, None)
    assert (long.is_open, long.longest, long.usual, long.cpus) == (False, None, timedelta(days=1), 64)


def test_small_answers() -> None:
    assert Version().read("slurm-wlm 24.11.5\n") == "24.11.5"
    assert Associations("ann").read("science\nphysics\nscience\n") == ("science", "physics")
    assert Configuration().kill_wait("KillOnBadExit   = 0\nKillWait        = 5 sec\n") == timedelta(seconds=5)
    assert Configuration().kill_wait("nothing") == timedelta(seconds=30)
    assert list(gpus("gpu:2,gpu:v100:1(IDX:0)")) == [("", 2), ("v100", 1)]
    assert [duration(one) for one in ("2-03:04:05", "04:05", "UNLIMITED")] == [
        timedelta(days=2, hours=3, minutes=4, seconds=5),
        timedelta(minutes=4, seconds=5),
        None,
    ]
    assert [moment(one) for one in ("N/A", "Unknown", "0", "17")] == [None, None, None, at(17)]
    assert [exit_code(one) for one in ("0:0", "2:0", "0:15", "")] == [0, 2, 143, None]
    assert [limit(timedelta(seconds=one)) for one in (1, 90, 90000)] == ["0-00:01:00", "0-00:02:00", "1-01:00:00"]


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        (0, "slurm_load_jobs error: Socket timed out on send/recv operation"),
        (1, "squeue: error: slurm_receive_msgs: [[login]:6817] failed: Zero Bytes were transmitted or received"),
        (1, "slurm_load_jobs error: Slurm backup controller in standby mode"),
        (
            1,
            "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:127.0.0.1:6819: Connection refused",
        ),
        (0, "sacct: error: Problem talking to the database: Connection refused"),
        (1, 'squeue: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2"'),
        (127, "bash: squeue: command not found"),
        (255, ""),
    ],
)
def test_what_could_not_be_asked_is_no_answer(code: int, complaint: str) -> None:
    with pytest.raises(ComputingUnreachableError):
        answered("cluster", finished(code, "", complaint))


def test_answer_with_a_warning_is_an_answer() -> None:
    assert (
        answered("cluster", finished(0, "x\n", "Warning: Permanently added 'n1' to the list of known hosts.")) == "x\n"
    )


def test_submission_tells_the_job() -> None:
    assert submitted("cluster", finished(0, "1234;lab\n")) == "1234"
    assert submitted("cluster", finished(0, "1234\n", "sbatch: lua: welcome\n")) == "1234"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (1, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"),
        (1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"),
        (1, "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying."),
        (1, ""),
        (137, ""),
        (0, ""),
    ],
)
def test_lost_answer_to_a_submission_is_ambiguous(code: int, complaint: str) -> None:
    with pytest.raises(AmbiguousError):
        submitted("cluster", finished(code, "", complaint))


@pytest.mark.parametrize(
    ("complaint", "word"),
    [
        ("Invalid account or account/partition combination specified", "account"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "time"),
        (
            "invalid partition specified: nowhere\nsbatch: error: Batch job submission failed: Invalid partition name specified",
            "partition",
        ),
        (
            "Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available",
            "memory",
        ),
        ("Requested node configuration is not available", "No machine"),
        ("Invalid generic resource (gres) specification", "GPUs"),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "reached"),
        ("Invalid qos specification", "quality"),
        ("Something nobody has seen", "Something nobody has seen"),
    ],
)
def test_refusal_is_told_in_plain_words_with_slurms_own(complaint: str, word: str) -> None:
    text = f"sbatch: error: Batch job submission failed: {complaint}"
    with pytest.raises(LaunchError) as caught:
        submitted("cluster", finished(1, "", text))
    assert word in caught.value.sentence
    assert caught.value.reason_code == "refused"


def test_cancelling_what_has_ended_is_silent() -> None:
    cancelled("cluster", finished(0))
    cancelled("cluster", finished(1, "", "scancel: error: Kill job error on job id 7: Invalid job id specified"))
    cancelled(
        "cluster",
        finished(1, "", "scancel: error: Kill job error on job id 7: Job/step already completing or completed"),
    )
    with pytest.raises(ComputingUnreachableError):
        cancelled("cluster", finished(1, "", "scancel: error: Unable to contact slurm controller (connect failure)"))


def test_order_has_everything_and_no_secret() -> None:
    job = Job(
        name="specola-x-abc",
        command=("python3", "/home/ann/.specola/agent/1/agent.pyz", "run", "/home/ann/a b"),
        folder="/home/ann/a b",
        output="/home/ann/a b/agent.out",
        mark="/home/ann/a b/begun",
        comment="specola task=abc",
        resources=Resources(cpus=1.5, memory=1024**3 + 1, gpus=2, gpu_model="fake"),
        placement=Placement(time=timedelta(hours=2), partition="gpu", project="science", options={"qos": "high"}),
        path=("/opt/bin",),
        after="17",
        clean_stop=timedelta(seconds=60),
    )
    argv = Submit(job).argv()
    assert {
        "--parsable",
        "--no-requeue",
        "--export=NONE",
        "--job-name=specola-x-abc",
        "--chdir=/home/ann/a b",
        "--dependency=afterok:17,singleton",
        "--kill-on-invalid-dep=yes",
        "--signal=B:USR1@60",
        "--cpus-per-task=2",
        "--mem=1025M",
        "--gres=gpu:fake:2",
        "--time=0-02:00:00",
        "--partition=gpu",
        "--account=science",
        "--qos=high",
    } <= set(argv)
    lines = Submit(job).script().decode().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[-1] == "exec python3 /home/ann/.specola/agent/1/agent.pyz run '/home/ann/a b'"
    assert "'/home/ann/a b/begun'" in lines[-2]
    assert 'export PATH=/opt/bin:"$PATH"' in lines


@pytest.mark.parametrize("option", ["wrap", "export", "output", "uid", "chdir", "get-user-env", "bb"])
def test_option_that_names_files_or_commands_is_refused(option: str) -> None:
    job = Job(
        name="a",
        command=("true",),
        folder="/",
        output="/dev/null",
        comment="",
        resources=Resources(),
        placement=Placement(options={option: "x"}),
    )
    with pytest.raises(LaunchError):
        Submit(job).argv()


def test_gentle_end_reaches_the_batch_process_alone() -> None:
    assert Cancel("7", gently=True).argv()[2:] == ["scancel", "--signal=TERM", "--batch", "7"]
    assert Cancel("7").argv()[2:] == ["scancel", "7"]
