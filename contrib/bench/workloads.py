"""The workloads: each prepares once, then runs one session per contender and repetition, and checks what came out."""

import os
import shutil
import subprocess
from pathlib import Path

import contenders
import inputs
from machine import Fails, environment


def run(command, **more):
    """Runs a step of the preparation; its output is shown only if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(words)}: exit status {done.returncode}\n{done.stdout.decode()[-2000:]}")


class Files:
    """tar, find, ls and cp in one session: ownership lives as long as the session that made it."""

    name, rows = "files", ["tar", "find", "ls", "cp"]
    needs = [("tar", "tar"), ("find", "findutils")]

    # Whole paths: PRoot 5.1.0 resolves statx's relative ones against a shell's first directory, so ls would fail.
    SCRIPT = """clock() { "$CLOCK" "$CPU" "$HERE/clock.results" "$@"; }
mkdir tree
clock tar tar -xf "$TAR" -C "$HERE/tree" || exit
clock find find "$HERE/tree" -printf '%u %g %m %p\\n' >find.out || exit
clock ls ls -lnR "$HERE/tree" >ls.out || exit
clock cp cp -a "$HERE/tree" "$HERE/copy" || exit
find "$HERE/copy" -printf '%u %g %m %p\\n' >copy.out
"""

    def __init__(self, machine, options):
        self.machine, self.options = machine, options
        self.tar = machine.dir / "owned.tar"
        self.expected = inputs.owned_tar(self.tar, options.files)
        self.listing = None
        self.script = machine.dir / "files.sh"
        self.script.write_text(self.SCRIPT)

    def session(self, contender):
        here = self.machine.fresh("files", contenders.uid(contender))
        places = {"HERE": str(here), "CLOCK": str(self.machine.clock), "CPU": str(self.machine.cgroup.counter),
                  "TAR": str(self.tar)}
        command = contenders.on_host(contender, self.options.binary, ["sh", self.script])
        rows = self.machine.session(command, here, places)
        for row, tree, file in (("find", "tree", "find.out"), ("cp", "copy", "copy.out")):
            found = (here / file).read_text().replace(f" {here}/{tree}", " .").splitlines(True)
            if sorted(found) != self.expected:
                rows[row].wrong = "owners or modes are not those of the archive"
        # ls is compared with what it prints for real root, except for the block counts.
        listing = [line for line in (here / "ls.out").read_text().splitlines() if not line.startswith("total ")]
        if contender == contenders.NATIVE:
            self.listing = listing
        elif listing != self.listing:
            rows["ls"].wrong = "prints something else than for real root"
        return rows


class Fork:
    """1,000 times fork and exec of /bin/true."""

    name, rows = "fork", ["fork"]
    needs = [("gcc", "gcc")]

    def __init__(self, machine, options):
        self.machine, self.options = machine, options
        self.spawn = machine.dir / "spawn"
        run(["gcc", "-O2", "-o", self.spawn, options.here / "spawn.c"])

    def session(self, contender):
        here = self.machine.fresh("fork", contenders.uid(contender))
        command = [self.spawn, self.options.forks, "/bin/true"]
        return self.machine.session(contenders.on_host(contender, self.options.binary, command), here, {}, "fork")


class Make:
    """make -j2 of 60 C files."""

    name, rows = "make", ["make"]
    needs = [("gcc", "gcc"), ("make", "make")]

    def __init__(self, machine, options):
        self.machine, self.options = machine, options
        self.source = machine.dir / "source"
        inputs.c_project(self.source, options.units, functions=14)

    def session(self, contender):
        here = self.machine.fresh("make", contenders.uid(contender))
        for file in self.source.iterdir():
            os.chown(shutil.copy(file, here), contenders.uid(contender), contenders.uid(contender))
        command = contenders.on_host(contender, self.options.binary, ["make", "-s", "-j2"])
        rows = self.machine.session(command, here, {}, "make")
        if not (here / "program").exists():
            raise Fails("make: nothing was linked")
        return rows


class Apt:
    """apt-get install of ten packages, and what they depend on, from local .debs in a Debian tree."""

    name, rows = "apt", ["apt"]
    needs = [("debootstrap", "debootstrap"), ("tar", "tar"), ("unshare", "util-linux")]
    # With users, groups, set-id files and file capabilities of their own; all are packages that PRoot 5.1.0 gets
    # through too (screen and others it does not), so that there is a time to compare with.
    PACKAGES = ["at", "cron", "dbus", "fontconfig", "iputils-ping", "man-db", "nginx-light", "redis-server", "sudo",
                "tcpdump"]

    def __init__(self, machine, options):
        self.machine, self.options = machine, options
        keep = Path(options.cache) if options.cache else machine.dir
        keep.mkdir(parents=True, exist_ok=True)
        self.pristine = keep / f"remainroot-bench-{options.suite}.tar"
        if not self.pristine.exists():
            self.prepare()

    def prepare(self):
        """Makes the pristine tree, with fakeroot in it (see contenders.in_tree), and packs it. Its ./debs has the
        packages; it has no lists of packages, so that nothing is fetched later."""
        print(f"# making a {self.options.suite} tree from {self.options.mirror} (once)", flush=True)
        tree = self.machine.dir / "pristine"
        run(["debootstrap", "--variant=minbase", "--include=fakeroot", self.options.suite, tree, self.options.mirror],
            env=environment())
        policy = tree / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")  # no daemon is started
        policy.chmod(0o755)
        resolver = tree / "etc/resolv.conf"
        shutil.copy("/etc/resolv.conf", resolver)
        inside = ["unshare", "--mount", "sh", "-c", contenders.ENTER, tree]
        run(inside + ["apt-get", "clean"], env=environment())  # debootstrap leaves what it installed
        run(inside + ["apt-get", "update"], env=environment())
        run(inside + ["apt-get", "install", "-y", "--download-only", "--no-install-recommends"] + self.PACKAGES,
            env=environment())
        resolver.unlink()
        (tree / "debs").mkdir()
        for deb in (tree / "var/cache/apt/archives").glob("*.deb"):
            deb.rename(tree / "debs" / deb.name)
        shutil.rmtree(tree / "var/lib/apt/lists")
        (tree / "var/lib/apt/lists/partial").mkdir(parents=True)
        (tree / "etc/apt/sources.list").write_text("")
        unfinished = self.pristine.with_suffix(".new")
        run(["tar", "-cf", unfinished, "--numeric-owner", "-C", tree, "."])
        unfinished.rename(self.pristine)
        shutil.rmtree(tree)

    def session(self, contender):
        uid = contenders.uid(contender)
        here = self.machine.fresh("apt", uid)
        tree = here / "tree"
        tree.mkdir()
        os.chown(tree, uid, uid)
        # Each unpacks it with the rights that it has: an unprivileged user owns every file, and gets no devices.
        devices = [] if uid == 0 else ["--exclude=./dev/*"]
        run(contenders.as_user(contender) + ["tar", "-xpf", self.pristine, "-C", tree, "--numeric-owner"] + devices)
        debs = sorted("/debs/" + deb.name for deb in (tree / "debs").iterdir())
        command = ["apt-get", "install", "-y", "--no-install-recommends"] + contenders.apt_options(contender) + debs
        more = {"DEBIAN_FRONTEND": "noninteractive", **contenders.environment(contender)}
        in_tree = contenders.in_tree(contender, self.options.binary, tree, command)
        rows = self.machine.session(in_tree, here, more, "apt")
        installed = set()
        for stanza in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
            if "\nStatus: install ok installed\n" in stanza:
                installed.add(stanza.split("\n", 1)[0].removeprefix("Package: "))
        missing = set(self.PACKAGES) - installed
        if missing:
            raise Fails(f"apt: not configured: {' '.join(sorted(missing))}")
        return rows


ALL = [Files, Fork, Make, Apt]
