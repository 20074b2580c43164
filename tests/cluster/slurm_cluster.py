"""A real Slurm on this machine: two nodes with four pretended GPUs each and one without, up in a second or two.

It needs slurmctld, slurmd and slurm-client, and neither root, systemd, munge, cgroups nor an accounting database. All
of it lies in one folder, listens on free ports of the loopback, and ends with the process that started it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "setpriv")
SEARCHED = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
NODES = {"gpu1": 4, "gpu2": 4, "cpu1": 0}

# Devices must be character devices, or jobs are given no CUDA_VISIBLE_DEVICES.
DEVICES = ("null", "zero", "full", "random")

# MinJobAge keeps finished jobs in squeue's answers, as a cluster without an accounting database has to. A job that is
# queued again starts once its credentials have expired. The partitions allow what the profile says that it asks for.
CONFIGURATION = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
MailProg=/bin/true
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_min_interval=1,batch_sched_delay=0
ReturnToService=2
MinJobAge=3600
KillWait=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
GresTypes=gpu
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=32 RealMemory=400000{gres}"
PARTITIONS = "PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=2880\nPartitionName=gpu Nodes=gpu[1-2] MaxTime=2880\n"

# What squeue is asked for.
COLUMNS = {
    "id": "JobID",
    "state": "State",
    "name": "Name",
    "comment": "Comment",
    "partition": "Partition",
    "gres": "tres-per-job",
    "restarts": "RestartCnt",
    "minutes": "TimeLimit",
    "memory": "MinMemory",
    "folder": "WorkDir",
}

# Snakemake's job steps drop SLURM_CONF, which clusters with a file in its usual place don't need.
SRUN = '#!/bin/sh\nSLURM_CONF={configuration} exec {srun} "$@"\n'
# Accounts are looked up in a database that there is none of here.
SACCTMGR = "#!/bin/sh\necho lab_account\n"


def missing_programs() -> list[str]:
    """What is not installed of the programs that a cluster here needs."""
    return [name for name in PROGRAMS if not shutil.which(name, path=SEARCHED)]


@dataclass
class Cluster:
    """A running cluster; `environment` makes Slurm's commands talk to it."""

    folder: Path
    environment: dict[str, str]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def call(self, *command: str) -> str:
        """The output of one of Slurm's commands, which must succeed."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        """Jobs that the controller remembers, oldest first."""
        layout = ",".join(f"{column}:400" for column in COLUMNS.values())
        lines = self.call("squeue", "--noheader", f"--states={states}", "--sort=i", f"--Format={layout}").splitlines()
        return [{name: line[400 * n : 400 * (n + 1)].strip() for n, name in enumerate(COLUMNS)} for line in lines]

    def start(self, name: str, *options: str) -> None:
        """Start the controller or a node's daemon, which ends when this process does."""
        program = "slurmctld" if name == "slurmctld" else "slurmd"
        command = ["setpriv", "--pdeathsig", "KILL", program, "-D", *options]
        command += [] if name == "slurmctld" else ["-N", name]
        null = subprocess.DEVNULL
        self.daemons[name] = subprocess.Popen(command, env=self.environment, stdin=null, stdout=null, stderr=null)

    def stop(self, name: str) -> None:
        """End a daemon; the controller saves its state."""
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def wait_for_nodes(self, seconds: float = 20) -> None:
        """Until every node is idle."""
        states = dict.fromkeys(NODES, "")

        def idle() -> bool:
            done = subprocess.run(
                ["sinfo", "--noheader", "-N", "-o", "%N %t"],
                env=self.environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            states.update(line.split() for line in done.stdout.splitlines())
            return set(states.values()) == {"idle"}

        wait_until(idle, seconds, lambda: f"nodes are {states}, see {self.folder}")

    def clear(self) -> None:
        """Cancel all jobs, bring back all daemons and nodes."""
        for name in ("slurmctld", *NODES):
            if name not in self.daemons:
                self.start(name)
        wait_until(self._answers, 20, lambda: "the controller does not answer")
        for name in NODES:
            if "drain" in self.call("sinfo", "--noheader", "-n", name, "-o", "%T"):
                self.call("scontrol", "update", f"NodeName={name}", "State=resume")
        self.call("scancel", "--user", getpass.getuser())
        wait_until(lambda: not self.jobs("pending,running,completing,suspended"), 30, lambda: str(self.jobs()))
        self.wait_for_nodes(60)

    def _answers(self) -> bool:
        done = subprocess.run(["scontrol", "ping"], env=self.environment, capture_output=True, text=True, check=False)
        return "is UP" in done.stdout


def wait_until(holds: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> None:
    """Look five times a second; an AssertionError with the explanation when the time is up."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, explain()
        time.sleep(0.2)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster in the folder; nothing of it is left afterwards, also after an error."""
    cluster = Cluster(folder, _environment(folder))
    _configure(folder)
    try:
        cluster.start("slurmctld", "-c", "-i")
        for name in NODES:
            cluster.start(name)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        _end(cluster)


def _environment(folder: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_", "SNAKEMAKE_"))}
    path = f"{folder / 'bin'}{os.pathsep}{SEARCHED}"
    return {**clean, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}


def _configure(folder: Path) -> None:
    for name in ("state", "bin", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    host, (port, *ports) = socket.gethostname().split(".")[0], _free_ports(1 + len(NODES))
    nodes = [
        NODE.format(name=name, host=host, port=ports[n], gres=f" Gres=gpu:{gpus}" if gpus else "")
        for n, (name, gpus) in enumerate(NODES.items())
    ]
    text = CONFIGURATION.format(host=host, port=port, user=getpass.getuser(), folder=folder)
    (folder / "slurm.conf").write_text(text + "\n".join(nodes) + "\n" + PARTITIONS)
    devices = [f"NodeName=gpu[1-2] Name=gpu File=/dev/{name}" for name in DEVICES]
    (folder / "gres.conf").write_text("\n".join(["AutoDetect=off", *devices]) + "\n")
    srun = SRUN.format(configuration=folder / "slurm.conf", srun=shutil.which("srun"))
    for name, text in {"srun": srun, "sacctmgr": SACCTMGR}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _end(cluster: Cluster) -> None:
    try:
        subprocess.run(["scancel", "--user", getpass.getuser()], env=cluster.environment, check=False, timeout=10)
        wait_until(lambda: not cluster.jobs("running,completing,suspended"), 15, lambda: "jobs are left")
    except (AssertionError, subprocess.TimeoutExpired):
        pass
    for daemon in cluster.daemons.values():
        daemon.terminate()
    for name in list(cluster.daemons):
        cluster.stop(name)
