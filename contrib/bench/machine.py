"""The bench's hold on the machine: its work directory, the cgroup whose CPU time is read, and how programs are run."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SESSION_SECONDS = 900  # longer than any session that still makes progress


class Fails(Exception):
    """A contender's session did not do what the workload asks for; says why."""


@dataclass
class Sample:
    """One measurement: seconds, and what is wrong with the outcome of a command that said nothing."""

    wall: float
    cpu: float
    wrong: str = ""


def environment(more=()):
    """Nothing of the caller's: the same for every contender."""
    return {"PATH": PATH, "LC_ALL": "C", "HOME": "/", "TERM": "dumb", **dict(more)}


def directory_for(wanted, bytes_wanted):
    """Where to work: as asked, else /dev/shm if there is room and programs may run there, else /var/tmp."""
    if wanted:
        return wanted
    shm = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if shm and not shm.f_flag & os.ST_NOEXEC and shm.f_bavail * shm.f_frsize >= bytes_wanted:
        return "/dev/shm"
    return "/var/tmp"


def file_system_of(path):
    """The type of the file system that holds `path`, from the longest mount point that is a prefix of it."""
    best = ("", "?")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        if (str(path) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


class Cgroup:
    """One cgroup for the whole bench: sessions run one after the other, so differences of its counter are theirs.
    A wrapper's tracer and fakeroot's daemon are in it like everything else that a session starts; getrusage would
    miss them, for they are not waited for by the shell that runs a row."""

    def __init__(self):
        own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, point, kind, options = line.split()[:4]
            controllers = next((names for names in own if "cpuacct" in names.split(",")), None)
            if kind == "cgroup" and "cpuacct" in options.split(","):
                parent, counter = point + own[controllers], "cpuacct.usage"
                break
            if kind == "cgroup2" and controllers is None:
                parent, counter = point + own[""], "cpu.stat"
                break
        else:
            raise SystemExit("bench: no cgroup hierarchy with CPU accounting is mounted")
        self.path = Path(parent) / f"remainroot-bench-{os.getpid()}"
        self.path.mkdir()
        self.counter = self.path / counter
        self.members = self.path / "cgroup.procs"

    def enter(self):
        """Moves the calling process into it (between fork and exec)."""
        self.members.write_text(str(os.getpid()))

    def clear(self):
        """Ends what a session left running; returns how many processes that were."""
        left = 0
        for _ in range(100):
            pids = self.members.read_text().split()
            if not pids:
                break
            left = max(left, len(pids))
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        return left

    def remove(self):
        self.clear()
        self.path.rmdir()


class Machine:
    """A work directory and a cgroup, both gone at the end (`with`)."""

    def __init__(self, wanted, bytes_wanted):
        parent = directory_for(wanted, bytes_wanted)
        self.cgroup = Cgroup()
        self.dir = Path(tempfile.mkdtemp(prefix="remainroot-bench-", dir=parent))
        self.dir.chmod(0o755)  # the unprivileged uid passes through
        self.file_system = file_system_of(self.dir)
        self.clock = self.dir / "clock"
        self.log = self.dir / "log"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cgroup.remove()
        shutil.rmtree(self.dir)

    def fresh(self, name, uid):
        """An empty directory that `uid` owns, in place of what was there."""
        path = self.dir / name
        if path.exists():
            shutil.rmtree(path)
        path.mkdir()
        os.chown(path, uid, uid)
        return path

    def session(self, command, cwd, more_environment, timed=None):
        """Runs a session in the cgroup and returns its rows, {name: Sample}. With `timed`, the
        whole of it is the row of that name, from the start of the wrapper to its end; else its own script runs clock.
        """
        results = Path(cwd) / "clock.results"
        results.touch()
        os.chown(results, os.stat(cwd).st_uid, -1)
        if timed:
            command = [self.clock, self.cgroup.counter, results, timed] + command
        with open(self.log, "wb") as log:
            running = subprocess.Popen(
                [str(word) for word in command], cwd=cwd, env=environment(more_environment), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=self.cgroup.enter)
            try:
                status = running.wait(SESSION_SECONDS)
            except subprocess.TimeoutExpired:
                status = f"timeout after {SESSION_SECONDS} s"
            finally:
                self.cgroup.clear()
                running.wait()
        rows = {}
        for line in results.read_text().splitlines():
            name, wall, cpu, code = line.split()
            if code != "0":
                raise Fails(f"{name}: exit status {code}: {self.last_words()}")
            rows[name] = Sample(int(wall) / 1e9, int(cpu) / 1e9)
        if status != 0:
            raise Fails(f"session: {status}: {self.last_words()}")
        return rows

    def last_words(self):
        """The end of what the session printed, on one line."""
        return " | ".join(self.log.read_text(errors="replace").strip().splitlines()[-4:])
