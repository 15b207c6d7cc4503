"""The configuration of the lab's Slurm: what a computing centre's looks like, only smaller."""

from dataclasses import dataclass

__all__ = ["ACCOUNT", "GPUS", "LOGIN", "NODES", "Cluster"]

LOGIN = "login"
NODES = {"n1": 11, "n2": 12}
"""The compute nodes, and the last numbers of their addresses."""
ACCOUNT = "science"
# Numbers that the kernel leaves to experiments: there is nothing behind them, and a job without them is refused.
GPUS = {"fakegpu0": (240, 0), "fakegpu1": (240, 1)}
GPU_NODE = "n1"
SLURM = """\
ClusterName=lab
SlurmctldHost={login}({address})
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
MailProg=/bin/true
ReturnToService=2
MinJobAge=60
KillWait=5
SlurmdTimeout=30
SchedulerParameters=bf_interval=5,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SlurmdParameters=config_overrides
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
PrologFlags=Contain
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=task=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment,job_env,job_script
AccountingStorageTRES=gres/gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={gpu} NodeAddr={gpu_address} CPUs=4 RealMemory=4000 Gres=gpu:fake:{gpus}
NodeName={other} NodeAddr={other_address} CPUs=4 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES DefaultTime=10 MaxTime=60 PriorityTier=10
PartitionName=gpu Nodes={gpu} DefaultTime=10 MaxTime=30 PriorityTier=10
PartitionName=spare Nodes=ALL DefaultTime=10 MaxTime=60 PriorityTier=1
"""
DATABASE = """\
DbdHost={login}
AuthType=auth/munge
SlurmUser=slurm
PidFile=/run/slurmdbd/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
"""
GROUPS = """\
CgroupPlugin={plugin}
CgroupMountpoint=/sys/fs/cgroup
IgnoreSystemd=yes
ConstrainCores=yes
ConstrainRAMSpace=yes
ConstrainDevices=yes
AllowedSwapSpace=0
"""
# Whoever has no job on a node does not get in; whoever has is put among the job's processes.
ACCESS = """\
auth required pam_deny.so
account required pam_unix.so
account required pam_slurm_adopt.so action_no_jobs=deny action_unknown=newest action_adopt_failure=deny action_generic_failure=deny
session required pam_env.so
"""
TABLES = """\
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON slurm_acct_db.* TO slurm@localhost;
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one cluster.

    Parameters
    ----------
    number
        The number of its networks.
    unified
        The machine below has control groups of version 2.
    """

    number: int
    unified: bool

    def address(self, name: str) -> str:
        """Return the address of one of its machines on the network of the compute nodes."""
        return f"10.78.{self.number}.{NODES.get(name, 1)}"

    def hosts(self) -> str:
        """Return the names of its machines as /etc/hosts has them."""
        lines = (f"{self.address(name)} {name}\n" for name in (LOGIN, *NODES))
        return "127.0.0.1 localhost\n" + "".join(lines)

    def slurm(self) -> str:
        """Return slurm.conf, the same on all machines."""
        (other,) = (name for name in NODES if name != GPU_NODE)
        return SLURM.format(
            login=LOGIN,
            address=self.address(LOGIN),
            gpu=GPU_NODE,
            gpu_address=self.address(GPU_NODE),
            gpus=len(GPUS),
            other=other,
            other_address=self.address(other),
        )

    def groups(self) -> str:
        """Return cgroup.conf."""
        return GROUPS.format(plugin="cgroup/v2" if self.unified else "cgroup/v1")

    def gres(self) -> str:
        """Return gres.conf."""
        return f"NodeName={GPU_NODE} Name=gpu Type=fake File=/dev/fakegpu[0-{len(GPUS) - 1}]\n"

    def database(self) -> str:
        """Return slurmdbd.conf."""
        return DATABASE.format(login=LOGIN)
