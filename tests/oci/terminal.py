"""Containers with a terminal, as somebody at one has them: terminal.py PODMAN-COMMAND...

What is printed is for the test to look at. It waits for what has to happen, and fails after half a minute.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 30


def resize(descriptor, rows, columns):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, words):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            resize(0, 24, 80)
            os.execvp(words[0], words)
        self.seen = ""

    def wait_for(self, pattern):
        """What is printed up to the end of what the pattern matches."""
        limit = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            ready = select.select([self.descriptor], [], [], max(0, limit - time.monotonic()))[0]
            try:
                more = os.read(self.descriptor, 4096) if ready else b""
            except OSError:
                more = b""
            if not more:
                sys.exit(f"waited for {pattern!r} in vain: {self.seen!r}")
            self.seen += more.decode().replace("\r", "")
        text, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return text

    def type(self, keys):
        for key in keys:
            os.write(self.descriptor, key.encode())

    def ask(self, line):
        """What the shell prints until it is ready again."""
        os.write(self.descriptor, line.encode() + b"\n")
        return self.wait_for("ready> ").removesuffix("ready> ").strip()

    def end(self):
        """The exit status."""
        try:
            while more := os.read(self.descriptor, 4096):
                self.seen += more.decode()
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def shell(words):
    """A shell that has been put through what a terminal does."""
    shell = Terminal(words + ["bash", "--norc", "--noediting", "-i"])
    shell.ask("stty -echo; PS1='rea''dy> '")
    print(shell.ask("id -u; tty; stty size"))
    resize(shell.descriptor, 50, 132)
    limit = time.monotonic() + PATIENCE
    while (size := shell.ask("stty size")) != "50 132" and time.monotonic() < limit:
        time.sleep(0.05)
    print("resized to", size)
    # Job control: the keyboard stops, continues and interrupts what is in front.
    shell.type("echo started; sleep 1000\n")
    shell.wait_for("started\n")
    time.sleep(0.2)
    shell.type("\x1a")
    shell.wait_for("Stopped.*ready> ")
    shell.type("fg\n")
    shell.wait_for("sleep 1000\n")
    time.sleep(0.2)
    shell.type("\x03")
    shell.wait_for("ready> ")
    print("interrupted:", shell.ask("echo $?"))
    return shell


podman = sys.argv[1:]
first = shell(podman + ["run", "--interactive", "--tty", "--name", "tty", "--user", "33", "--network", "host", "remainroot-test"])
first.type("\x10")
time.sleep(0.2)
first.type("\x11")
print("detached:", first.end())
again = Terminal(podman + ["attach", "tty"])
again.type("\n")
again.wait_for("ready> ")
print("attached:", again.ask("id -u"))
second = shell(podman + ["exec", "--interactive", "--tty", "--user", "4:33", "tty"])
second.type("exit 9\n")
print("exec:", second.end())
again.type("exit 3\n")
again.end()
