"""A private Slurm: munged, slurmctld and a slurmd a node, in a folder of its own, gone at the end.

    with cluster.Cluster(nodes=2) as slurm:
        slurm.run("sinfo")

Each node is a network namespace with its own host name, so that it is another machine to Slurm and
to Open MPI, and can be lost. Where namespaces are not to be had there is one node, this machine.
Nothing is shared with a Slurm that may be installed here: ports, socket, key and state are its own.

    cluster.py [NODES]      starts one, prints the environment it takes, and stays until Ctrl-C
"""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 300  # s, for what has to happen, on a busy machine too
PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo"]


class Unavailable(Exception):
    """There can be no cluster here; the text says why."""


def can_have_namespaces():
    probe = f"atelier-probe-{os.getpid()}"
    if not shutil.which("ip") or subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return False
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return subprocess.run(["unshare", "--uts", "--mount", "true"], capture_output=True).returncode == 0


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    def __init__(self, nodes=1, cpus=2, memory_mb=4000, settings="", partitions=""):
        self.cpus, self.memory_mb, self.settings, self.partitions = cpus, memory_mb, settings, partitions
        self.wanted = nodes
        self.folder = None
        self.daemons = {}  # name: Popen
        self.links = []

    # --- life ---

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable("a private Slurm needs root")
        missing = [name for name in PROGRAMS if not shutil.which(name)]
        if missing:
            raise Unavailable("not installed: " + ", ".join(missing))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-slurm-"))
        os.chmod(self.folder, 0o755)
        try:
            self._network()
            self._configure()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if "slurmctld" in self.daemons:
            with contextlib.suppress(subprocess.SubprocessError):
                self.run("scancel", "--user=root", "--signal=KILL", "--full", check=False, timeout=10)
        for name in list(self.daemons):
            self._stop(name)
        self._kill_strays()
        for name in self.nodes if self.links else []:
            subprocess.run(["ip", "netns", "del", self.space(name)], capture_output=True)
        for link in self.links:
            subprocess.run(["ip", "link", "del", link], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_strays(self):
        """What jobs left: everything that runs with this cluster's configuration."""
        mark = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(process.name) != os.getpid() and mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)

    # --- network ---

    def space(self, node):
        return f"{self.tag}-{node}"

    def _network(self):
        self.tag = f"at{os.getpid() % 100000}"
        if not can_have_namespaces():
            if self.wanted > 1:
                raise Unavailable("several nodes need network namespaces")
            self.nodes = {socket.gethostname(): "127.0.0.1"}
            self.controller = "127.0.0.1"
            return
        net = f"10.{random.randint(100, 250)}.{random.randint(1, 250)}"
        self.controller = f"{net}.1"
        self.nodes = {f"n{i + 1}": f"{net}.{i + 10}" for i in range(self.wanted)}
        bridge = f"{self.tag}b"
        ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)
        self.links.append(bridge)
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{self.controller}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        hosts = ["127.0.0.1 localhost", f"{self.controller} {socket.gethostname()}"]
        hosts += [f"{address} {name}" for name, address in self.nodes.items()]
        (self.folder / "hosts").write_text("\n".join(hosts) + "\n")
        for name, address in self.nodes.items():
            space, outside = self.space(name), f"{self.tag}{name}"
            ip("netns", "add", space)
            ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", outside, "master", bridge)
            ip("link", "set", outside, "up")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def inside(self, node, *command):
        """A command as run on a node."""
        if not self.links:
            return list(command)
        script = ('mount --bind "$0" /etc/hosts; hostname "$1"; shift; exec "$@"')
        return ["nsenter", f"--net=/run/netns/{self.space(node)}", "unshare", "--uts", "--mount", "sh", "-c", script,
                str(self.folder / "hosts"), node, *command]

    # --- daemons ---

    def _configure(self):
        folder, ports = self.folder, free_ports(2)
        (folder / "key").write_bytes(os.urandom(128))
        os.chmod(folder / "key", 0o600)
        for name in ["munge", "state", "spool", "log"]:
            (folder / name).mkdir()
        lines = f"""
            ClusterName=atelier
            SlurmctldHost={socket.gethostname()}({self.controller})
            SlurmUser=root
            SlurmdUser=root
            AuthType=auth/munge
            AuthInfo=socket={folder}/munge/socket
            CryptoType=crypto/munge
            SlurmctldPort={ports[0]}
            SlurmdPort={ports[1]}
            SlurmctldPidFile={folder}/slurmctld.pid
            SlurmdPidFile={folder}/slurmd.%n.pid
            SlurmctldLogFile={folder}/log/slurmctld
            SlurmdLogFile={folder}/log/slurmd.%n
            StateSaveLocation={folder}/state
            SlurmdSpoolDir={folder}/spool/%n
            MpiDefault=none
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SwitchType=switch/none
            JobAcctGatherType=jobacct_gather/none
            AccountingStorageType=accounting_storage/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_CPU_Memory
            SlurmdParameters=config_overrides
            SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
            SlurmctldTimeout=30
            SlurmdTimeout=30
            KillWait=5
            MinJobAge=600
            ReturnToService=2
            {self.settings}
            """.replace("CryptoType", "CredType").replace("crypto/munge", "cred/munge")
        text = "\n".join(line.strip() for line in lines.splitlines() if line.strip()) + "\n"
        for name, address in self.nodes.items():
            text += f"NodeName={name} NodeAddr={address} CPUs={self.cpus} RealMemory={self.memory_mb} State=UNKNOWN\n"
        text += "PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP\n" + self.partitions
        (folder / "slurm.conf").write_text(text)
        self.environment = dict(os.environ, SLURM_CONF=str(folder / "slurm.conf"),
                                ATELIER_CACHE=str(folder / "cache"))  # no measurements of this machine
        for name in [key for key in self.environment if key.startswith("SLURM_") and key != "SLURM_CONF"]:
            del self.environment[name]

    def _spawn(self, name, command):
        log = open(self.folder / "log" / (name + ".out"), "ab")
        self.daemons[name] = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                              stderr=log, start_new_session=True)
        log.close()

    def _start(self):
        folder = self.folder
        self._spawn("munged", ["munged", "--foreground", "--force", f"--key-file={folder}/key",
                               f"--socket={folder}/munge/socket", f"--pid-file={folder}/munge/pid",
                               f"--log-file={folder}/log/munged", f"--seed-file={folder}/munge/seed"])
        self.wait(lambda: (folder / "munge/socket").exists(), "munged")
        self._spawn("slurmctld", ["slurmctld", "-D", "-f", str(folder / "slurm.conf")])
        for name in self.nodes:
            self.start_node(name)
        self.wait(self.all_idle, "the nodes to come up")

    def start_node(self, name):
        self._spawn(name, self.inside(name, "slurmd", "-D", "-N", name, "-f", str(self.folder / "slurm.conf")))

    def lose_node(self, name):
        """The machine is gone at once: its daemon, and everything that ran there."""
        assert self.links, "without namespaces the only node is this machine"
        for _ in range(3):
            listed = subprocess.run(["ip", "netns", "pids", self.space(name)], capture_output=True, text=True)
            for pid in listed.stdout.split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
        self.daemons.pop(name).wait()

    def _stop(self, name):
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    # --- use ---

    def run(self, *command, check=True, timeout=PATIENCE, **options):
        done = subprocess.run([str(word) for word in command], env=self.environment, capture_output=True, text=True,
                              timeout=timeout, **options)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def wait(self, condition, what, say=None):
        """what: a text; say(): what else to tell when it was in vain."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what}\n{say() if say else self.logs()}")
            time.sleep(0.2)

    def logs(self):
        return "\n".join(f"== {path.name}\n" + path.read_text(errors="replace")[-2000:]
                         for path in sorted((self.folder / "log").glob("*")))

    def all_idle(self):
        done = self.run("sinfo", "-h", "-N", "-o", "%t", check=False)
        states = done.stdout.split()
        return len(states) >= len(self.nodes) and all(state == "idle" for state in states)

    def job(self, number):
        """What scontrol says of a job, as a dictionary; empty when it is forgotten."""
        done = self.run("scontrol", "-o", "show", "job", number, check=False)
        return dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)

    def state(self, number):
        return self.job(number).get("JobState", "")


def main():
    with Cluster(nodes=int(sys.argv[1]) if len(sys.argv) > 1 else 1) as slurm:
        print(f"export SLURM_CONF={slurm.folder}/slurm.conf", flush=True)
        print(slurm.run("sinfo", "-N").stdout, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    try:
        main()
    except Unavailable as reason:
        sys.exit(f"cluster.py: {reason}")
