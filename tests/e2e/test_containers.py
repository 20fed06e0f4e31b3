"""What containers do to processes: an engine that forbids a system call, and a first process that buries
nobody (semantics.md, 11)."""

import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from conftest import NO_TIMER, assert_error, comm, is_alive, read_stat, wait_for

FORBID = pathlib.Path(__file__).with_name("forbid.py")
PIDFD_OPEN = 434  # on every architecture

both_ways = pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS], ids=["EPERM", "ENOSYS"])


def without_pidfds(pool, number):
    """What to write before a command that may not open a pidfd."""
    words = [sys.executable, FORBID, PIDFD_OPEN, number]
    probe = "import os\ntry: os.pidfd_open(os.getpid())\nexcept OSError as error: print(error.errno)"
    told = pool.run_command([*words, sys.executable, "-c", probe])
    if told.out != f"{number}\n":
        pytest.skip(f"no system call can be forbidden here: {told}")
    return words


# --- An engine that forbids pidfd_open -------------------------------------------------------------


@both_ways
def test_a_run_that_nobody_could_watch_says_so_at_once(pool, number):
    forbidden = without_pidfds(pool, number)
    pool.ok("reserve", "--gpus", "8")
    result = pool.run_command([*forbidden, pool.program, "run", "--", "true"])
    assert_error(result, 77 if number == errno.EPERM else 1, "cannot watch process",
                 "pidfd_open is forbidden here (seccomp), or the kernel is older than Linux 5.3: "
                 "update the container engine")
    assert "--security-opt seccomp=unconfined" in result.err
    assert pool.waiting() == [] and "queued" not in pool.ok("events").replace("8 GPUs", "", 1)[80:]


@both_ways
def test_everything_else_works_without_it(pool, number):
    forbidden = without_pidfds(pool, number)

    def ok(*words):
        result = pool.run_command([*forbidden, pool.program, *words])
        assert result.status == 0, result
        return result.out

    assert ok("reserve", "--nonblock", "--short").strip() == "0"
    assert ok("status").startswith("GPU 0: IN USE by root")
    assert ok("release") == "released GPU 0\n"


@both_ways
def test_who_lives_is_told_without_it(pool, number):
    forbidden = without_pidfds(pool, number)
    pool.policy(*NO_TIMER)
    job = pool.job()
    supervisor = pool.identity("supervisor").pid
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor))

    def status():
        return pool.run_command([*forbidden, pool.program, "status"]).out.splitlines()[0]

    assert status().startswith("GPU 0: IN USE by root")
    # It stays a zombie until somebody waits for it.
    os.kill(job.pid, signal.SIGKILL)
    wait_for(lambda: read_stat(job.pid)[0] == "Z")
    assert status().startswith("GPU 0: AVAILABLE (last released")
    assert job.wait() == -signal.SIGKILL


@both_ways
def test_a_command_without_its_first_thread_lives_without_it(pool, number):
    forbidden = without_pidfds(pool, number)
    program = ("import ctypes, threading, time\n"
               "threading.Thread(target=time.sleep, args=(600,)).start()\n"
               "print('started', flush=True)\nctypes.CDLL(None).syscall(60, 0)")
    job = pool.job(command=(sys.executable, "-c", program))
    wait_for(lambda: read_stat(job.pid)[0] == "Z")
    supervisor = pool.identity("supervisor").pid
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor))
    out = pool.run_command([*forbidden, pool.program, "status"]).out
    assert out.startswith("GPU 0: IN USE by root")


@both_ways
def test_doctor_says_that_nothing_can_be_watched(pool, number):
    result = pool.run_command([*without_pidfds(pool, number), pool.program, "doctor"])
    assert result.status == 1
    assert "BAD   watching   cannot watch process" in result.out
    assert "pidfd_open is forbidden here" in result.out


# --- A first process that buries nobody ------------------------------------------------------------

# The first process of a container: does what it reads, and waits for no other children.
CARELESS = r"""
import subprocess, sys
for line in sys.stdin:
    done = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    sys.stdout.write(done.stdout.decode() + "end\n")
    sys.stdout.flush()
"""


class Container:
    def __init__(self, pool):
        self.pool = pool
        isolated = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = pool.start([*isolated, sys.executable, "-c", CARELESS], stdin=subprocess.PIPE)

    def do(self, line):
        """What the line of a shell prints."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        lines = []
        while (read := self.pool.read_line(self.process)) not in ("end", ""):
            lines.append(read)
        return "\n".join(lines)

    def supervisors(self):
        """The states of all of them."""
        return self.do("cat /proc/[0-9]*/stat | sed -n 's/.*(canhazgpu-super) \\(.\\).*/\\1/p'").split()


@pytest.fixture
def container(pool):
    if os.geteuid() != 0:
        pytest.skip("only root makes a pid namespace")
    return Container(pool)


def test_doctor_names_a_first_process_that_buries_nobody(pool, container):
    assert "zombies" not in container.do("canhazgpu doctor")
    container.do("canhazgpu run -- true; canhazgpu run -- true")
    wait_for(lambda: container.supervisors() == ["Z", "Z"], "the supervisors to end")
    told = container.do("canhazgpu doctor")
    assert ("process 1 (python3) waits for no children: 2 supervisors of ended runs left as zombies, "
            "which hold nothing but their pids") in told, told
    assert "-> start the container with an init: docker run --init" in told


@pytest.mark.parametrize("prefix", ["", f"{sys.executable} {FORBID} {PIDFD_OPEN} {errno.EPERM} "],
                         ids=["with pidfds", "without"])
def test_a_zombie_is_no_living_supervisor(pool, container, prefix):
    pool.policy(*NO_TIMER)
    container.do("canhazgpu run -- sleep 600 >/dev/null 2>&1 & echo $! >job")
    wait_for(lambda: container.supervisors() == ["S"])
    wait_for(lambda: pool.value("SELECT supervisor FROM reservation"))
    supervisor = pool.identity("supervisor").pid
    container.do(f"kill -9 {supervisor} $(cat job)")
    wait_for(lambda: container.supervisors() == ["Z"])
    assert container.do(f"{prefix}canhazgpu status").startswith("GPU 0: AVAILABLE (last released")
