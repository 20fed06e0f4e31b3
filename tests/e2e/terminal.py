"""A terminal as people have it: a pseudo-terminal with a session of its own, and what it shows."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest
from conftest import PATIENCE

PROMPT = "READY> "


class Terminal:
    def __init__(self, argv, env, cwd, columns=80, lines=24):
        self.master, slave = pty.openpty()
        self.resize(columns, lines)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([str(word) for word in argv], stdin=slave, stdout=slave,
                                        stderr=slave, env={"TERM": "xterm", **env}, cwd=cwd,
                                        preexec_fn=take_terminal)
        os.close(slave)
        self.shown = ""
        self.place = 0

    def resize(self, columns, lines=24):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def attributes(self):
        return termios.tcgetattr(self.master)

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, timeout):
        """Whether something more was shown, or the end came."""
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the last one has closed it
            return False
        self.shown += data.decode("utf-8", "surrogateescape")
        return bool(data)

    def expect(self, pattern, timeout=PATIENCE):
        """Waits for it to be shown after what was expected before; returns the match."""
        deadline = time.monotonic() + timeout
        alive = True
        while True:
            match = re.compile(pattern).search(self.shown, self.place)
            if match:
                self.place = match.end()
                return match
            if not alive or time.monotonic() > deadline:
                pytest.fail(f"{pattern!r} was not shown, but {self.shown[self.place:]!r} "
                            f"after {self.shown[:self.place]!r}")
            alive = self._read(0.05)

    def everything(self, timeout=PATIENCE):
        """What is shown until the process ends."""
        deadline = time.monotonic() + timeout
        while self._read(0.05) and time.monotonic() < deadline:
            pass
        self.process.wait(timeout)
        return self.shown.replace("\r\n", "\n")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def shell(pool, columns=80):
    """An interactive bash with job control."""
    inputrc = pool.directory / "inputrc"
    inputrc.write_text("set enable-bracketed-paste off\n")
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"],
                        pool.env({"PS1": PROMPT, "HISTFILE": None, "INPUTRC": str(inputrc)}),
                        pool.directory, columns)
    terminal.expect(PROMPT)
    return terminal
