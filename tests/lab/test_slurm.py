"""The lab's Slurm, used with its own commands over the ordinary `ssh`: what becomes of jobs, and who gets at them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lab import slurm
from lab.place import Condition
from lab.slurm import Slurm
from tests.support.lab import LAB, Account, Login, opens, until

# What the job without end shows is seen at the end, in another file: it takes more than a minute.
pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("endless")]

HOG = "x = b'x' * 300_000_000; import time; time.sleep(60)"


def test_a_job_runs_on_a_node_in_the_shared_home_and_is_accounted(cluster: Slurm, ann: Account) -> None:
    job = ann.submit("hostname; pwd")
    assert ann.ends(job) == "COMPLETED"
    node, home = ann.login.run(f"cat job-{job}.out").split()
    assert node in [one.name for one in cluster.nodes]
    assert home == "/home/ann"
    assert ann.field(job, "user,account,exitcode") == f"ann|{cluster.account}|0:0"


def test_the_login_node_takes_certificates_of_its_authority(cluster: Slurm, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    assert not opens(cluster.keys, cluster.login, tmp_path / "key", "ben")
    sign = ["ssh-keygen", "-q", "-s", str(cluster.keys.authority), "-I", "test", "-n", "ben", "-V", "+5m"]
    subprocess.run([*sign, str(tmp_path / "key.pub")], check=True, capture_output=True)
    assert opens(cluster.keys, cluster.login, tmp_path / "key", "ben")
    assert not opens(cluster.keys, cluster.login, tmp_path / "key", "ann")


def test_a_step_carries_bytes_into_a_job_and_back_unchanged(cluster: Slurm, ann: Account) -> None:
    job = ann.submit("sleep 600")
    ann.runs(job)
    sent = os.urandom(1_000_000)
    step = f"srun --jobid={job} --overlap --unbuffered --quiet --nodes=1 --ntasks=1 cat"
    assert ann.login.tries(step, given=sent).stdout == sent
    ben = Login(cluster.keys, "ben", cluster.login.name)
    assert "denied" in ben.tries(step, given=sent).stderr.decode()
    ann.login.run(f"scancel {job}")
    assert re.fullmatch(r"CANCELLED by 5001", ann.ends(job))


def test_a_job_that_takes_too_much_memory_is_killed(ann: Account) -> None:
    job = ann.submit(f'python3 -c "{HOG}"', "--mem=60")
    assert ann.ends(job) == "OUT_OF_MEMORY"


def test_a_job_is_held_released_and_put_back_into_the_queue(ann: Account) -> None:
    job = ann.submit("sleep 600", "--hold", "--requeue")
    assert ann.login.run(f"squeue --noheader --jobs={job} --format='%T %r'") == "PENDING JobHeldUser"
    ann.login.run(f"scontrol release {job}")
    ann.runs(job)
    ann.login.run(f"scontrol requeue {job}")
    until("The job in the queue", lambda: ann.login.run(f"squeue --noheader --jobs={job} --format=%T") == "PENDING")
    assert "Restarts=1" in ann.login.run(f"scontrol show job {job}")
    ann.login.run(f"scancel {job}")
    assert ann.ends(job).startswith("CANCELLED")


def test_a_job_gets_the_gpu_that_it_asked_for_and_no_other(ann: Account) -> None:
    # There is no driver behind these: to be refused is something else than to find nobody there.
    trial = "echo $CUDA_VISIBLE_DEVICES; for n in 0 1; do cat /dev/fakegpu$n 2>&1; done; true"
    told = ann.login.run(f"srun --quiet --partition=gpu --gres=gpu:1 sh -c '{trial}'").splitlines()
    number = int(told[0])
    assert "No such device" in told[1 + number]
    assert "not permitted" in told[2 - number]


def test_a_node_lets_in_who_has_a_job_on_it_and_ends_what_they_leave_there(cluster: Slurm) -> None:
    ben = Account(Login(cluster.keys, "ben", cluster.login.name))
    job = ben.submit("sleep 600", "--nodelist=n2")
    node = ben.runs(job)
    assert Login(cluster.keys, "ann", node).tries("true").returncode == 255
    inside = Login(cluster.keys, "ben", node)
    assert f"job_{job}" in inside.run("cat /proc/self/cgroup; nohup sleep 4711 >/dev/null 2>&1 &")
    ben.login.run(f"scancel {job}")
    assert ben.ends(job).startswith("CANCELLED")
    machine = cluster.place.machine(node)
    until("The end of what was left", lambda: not machine.succeeds("pgrep", "--full", "sleep 4711"))


def test_a_job_goes_on_while_the_login_node_starts_anew(cluster: Slurm, ann: Account) -> None:
    job = ann.submit("sleep 600")
    node = ann.runs(job)
    login = cluster.place.machine(cluster.login.name)
    # It saves what it knows when it ends, else every few seconds; without that, its jobs would be nobody's.
    login.end("slurmctld")
    login.halt()
    assert slurm.up(LAB) == cluster
    assert ann.runs(job) == node
    # A step that is asked for while the controller finds its way again may be kept waiting for minutes; the next is not.
    step = f"timeout 5 srun --jobid={job} --overlap --quiet hostname"
    until("A step", lambda: ann.login.tries(step).stdout.decode().strip() == node)
    ann.login.run(f"scancel {job}")
    assert ann.ends(job).startswith("CANCELLED")


def test_a_job_makes_way_for_one_that_goes_before(cluster: Slurm, ann: Account) -> None:
    ben = Account(Login(cluster.keys, "ben", cluster.login.name))
    lesser = ben.submit("sleep 600", "--partition=spare", "--nodelist=n2", "--ntasks=4", "--requeue")
    ben.runs(lesser)
    greater = ann.submit("true", "--nodelist=n2", "--ntasks=4")
    assert ann.ends(greater) == "COMPLETED"
    assert "PREEMPTED" in ben.login.run(
        f"sacct --noheader --duplicates --allocations --jobs={lesser} --format=state%20"
    )
    ben.login.run(f"scancel {lesser}")


def test_containers_run_inside_a_job_by_either_program(ann: Account, image: str) -> None:
    apptainer = f"apptainer --quiet pull --force --no-https box.sif docker://{image} && apptainer --quiet exec box.sif"
    places = "podman --root=/scratch/$SLURM_JOB_ID/root --runroot=/scratch/$SLURM_JOB_ID/run"
    lines = (
        "export XDG_RUNTIME_DIR=/scratch/$SLURM_JOB_ID/tmp; mkdir -p -m 700 $XDG_RUNTIME_DIR",
        f"{apptainer} cat /www/index.html",
        f"{places} run --rm --network=none {image} cat /www/index.html",
    )
    job = ann.submit("\n".join(lines))
    state = ann.ends(job)
    assert (state, ann.login.run(f"cat job-{job}.out").count("hello")) == ("COMPLETED", 2)


def test_no_network_of_this_machine_leads_to_the_nodes(cluster: Slurm) -> None:
    routes = Path("/proc/net/fib_trie").read_text(encoding="ascii")
    assert f" {cluster.login.address.rpartition('.')[0]}.1\n" in routes
    assert not any(f" {node.address.rpartition('.')[0]}." in routes for node in cluster.nodes)


def test_it_is_up_as_a_whole(cluster: Slurm) -> None:
    assert slurm.status(LAB).condition is Condition.UP
