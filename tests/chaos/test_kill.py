"""kill -9 at every step of every command: the others go on, and nothing is lost or left.

With CHAOS_SECONDS >= 60 every system call is walked; else those that others can see, and a sample of
the rest.
"""

import os
import signal
import subprocess

import pytest
from chaos import IS_LONG
from conftest import IS_SANITIZED, orphans, show, wait_for
from steps import Traced, points, require_tracing

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer can't be watched by another")

JOB = ("sh", "-c", "echo started; read line")


class Walk:
    """Walks the steps of one command, and sees to the host after each."""

    def __init__(self, pool, choice):
        require_tracing(pool)
        self.pool, self.choice = pool, choice
        self.steps = self.kills = 0

    def points(self, traced, short):
        """Where to kill such a one; it is watched to its end. In a short test `short` of them."""
        calls, _ = traced.report()
        return points(calls, self.choice, None if IS_LONG else short)

    def trace(self, words, generation, point, **options):
        self.steps += 1
        self.point = f"{' '.join(words)}: generation {generation}, step {point}"
        return Traced(self.pool, words, generation, *point, **options)

    def killed(self, traced):
        _, was_killed = traced.report()
        self.kills += was_killed
        return was_killed

    def assert_all_free(self):
        """Another client gets everything; nothing is left in the store, running, or lying
        about."""
        pool = self.pool
        result = pool.run("run", "-g", "8", "--wait", "60s", "--", "echo", "ran")
        assert (result.status, result.out) == (0, "ran\n"), (self.point, result)
        wait_for(lambda: not orphans(pool.known()), f"all processes to end ({self.point})")
        assert pool.held() == {} and pool.waiting() == [], self.point
        assert pool.left_over() == set(), self.point
        used = [(record.id, record.gpu) for record in pool.used()]
        assert len(set(used)) == len(used), self.point
        if self.steps % 25 == 0:
            pool.assert_sound()

    def done(self, name):
        self.pool.assert_sound()
        lines = self.pool.status()
        assert len(lines) == 8 and all("AVAILABLE" in line for line in lines), lines
        assert self.kills > 0
        show(f"{self.pool.store}: {name} killed at {self.kills} of {self.steps} steps")


@pytest.fixture
def walk(chaos_pool, choice):
    return Walk(chaos_pool, choice)


def test_run(walk):
    """The command itself, until it has become the user's."""
    words = ["run", "-g", "2", "--", "echo", "started"]
    for point in walk.points(Traced(walk.pool, words), short=35):
        traced = walk.trace(words, 0, point)
        was_killed = walk.killed(traced)
        result = walk.pool.finish(traced.process)
        expected = (-signal.SIGKILL, "") if was_killed else (0, "started\n")
        assert (result.status, result.out) == expected, (walk.point, result)
        walk.assert_all_free()
    walk.done("run")


def assert_protected(walk, job):
    """Whatever has become of its supervisor: nobody else gets the GPUs of a living job. One whose
    supervisor had sent SIGKILL may be seen alive a moment before it has ended."""
    held = [held for held in walk.pool.held().values() if held.kind == "run"]
    assert [one.holder.pid for one in held] == [job.pid], (walk.point, held)
    gpus = ",".join(map(str, held[0].gpus))
    result = walk.pool.run("run", "-G", gpus, "--nonblock", "--", "true")
    assert result.status == 75 or job.poll() is not None, (walk.point, result)


def kill_the_supervisor(walk, generation, point, words):
    traced = walk.trace(words, generation, point, stdin=subprocess.PIPE)
    job = traced.process
    line = walk.pool.read_line(job)
    if line:
        # It has begun, with or without a supervisor.
        assert_protected(walk, job)
        assert job.poll() is None, walk.point
    result = walk.pool.finish(job, b"\n" if line else None)
    was_killed = walk.killed(traced)
    if line:
        assert result.status == 0, (walk.point, result)
    else:
        assert was_killed and result.status == 1, (walk.point, result)
        assert result.err.startswith("canhazgpu: error: cannot start the supervisor"), result
        assert len(result.err.splitlines()) <= 2, (walk.point, result)
    walk.assert_all_free()


def kill_the_waiting_supervisor(walk):
    """Where it spends its life, and few of its steps."""
    walk.point = "a supervisor that waits"
    job = walk.pool.job("-g", "2", command=JOB, stdin=subprocess.PIPE)
    (supervisor,) = walk.pool.supervisors()
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not walk.pool.supervisors(), "it to end")
    assert_protected(walk, job)
    assert walk.pool.finish(job, b"\n").status == 0
    walk.assert_all_free()


def test_supervisor(walk):
    """From its birth to its end; the process between the command and it, too."""
    words = ["run", "-g", "2", "--", *JOB]
    for generation, short in ((1, 4), (2, 30)):
        traced = Traced(walk.pool, words, generation, stdin=subprocess.PIPE)
        assert walk.pool.read_line(traced.process) == "started"
        walk.pool.finish(traced.process, b"\n")
        for point in walk.points(traced, short):
            kill_the_supervisor(walk, generation, point, words)
    kill_the_waiting_supervisor(walk)
    walk.done("supervisor")


@pytest.mark.skipif(not IS_LONG, reason="only in a long run")
def test_supervisor_that_ends_its_job(walk):
    """--timeout: a supervisor that is killed then can't end the job, but its GPUs stay its own."""
    stubborn = ("sh", "-c", "trap '' INT TERM; echo started; while :; do sleep 0.05; done >/dev/null")
    words = ["run", "-g", "2", "--timeout", "0.3s", "--grace", "0.2s", "--", *stubborn]
    traced = Traced(walk.pool, words, 2)
    for point in walk.points(traced, short=0):
        traced = walk.trace(words, 2, point)
        line = walk.pool.read_line(traced.process)
        was_killed = walk.killed(traced)
        if line and traced.process.poll() is None and was_killed:
            assert_protected(walk, traced.process)
            traced.process.kill()
        walk.pool.finish(traced.process)
        walk.assert_all_free()
    walk.done("supervisor with --timeout")


def test_waiter(walk):
    """In the queue and out of it: whoever is behind it gets the GPUs."""
    pool = walk.pool
    words = ["run", "-g", "8", "--", "echo", "started"]

    def blocked():
        return pool.job("-g", "8", command=JOB, stdin=subprocess.PIPE)

    def told(process):
        return process.stderr.readline()

    blocker = blocked()
    traced = Traced(pool, words)
    assert told(traced.process)
    pool.finish(blocker, b"\n")
    for point in walk.points(traced, short=12):
        blocker = blocked()
        traced = walk.trace(words, 0, point)
        told(traced.process)  # or its end
        second = pool.waiter("-g", "8")
        pool.finish(blocker, b"\n")
        was_killed = walk.killed(traced)
        first = pool.finish(traced.process)
        expected = (-signal.SIGKILL, "") if was_killed else (0, "started\n")
        assert (first.status, first.out) == expected, (walk.point, first)
        result = pool.finish(second)
        assert (result.status, result.out) == (0, "started\n"), (walk.point, result)
        walk.assert_all_free()
    walk.done("waiter")


# --- The other commands ----------------------------------------------------------------------------


def state(pool):
    """All that a command changes, but for the moments at which it did."""
    held = sorted((one.kind, one.label, tuple(one.gpus), one.ends) for one in pool.held().values())
    return held, pool.waiting(), pool.drained()


def nothing(pool):
    return


def reserved(pool):
    pool.ok("reserve", "-G", "3-5", "--duration", "1h", "--user", "mine")


def drained(pool):
    pool.ok("admin", "--drain", "2,3")


def without_ends(what):
    held, waiting, out_of_service = what
    return [one[:3] for one in held], waiting, out_of_service


# The command, what is there before, and what it prints (which is then promised).
COMMANDS = {
    "reserve": (["reserve", "-G", "1,2", "--short"], nothing),
    "release": (["release"], reserved),
    "extend": (["extend", "2h"], reserved),
    "drain": (["admin", "--drain", "1"], drained),
    "undrain": (["admin", "--undrain", "2,3"], drained),
    "clear": (["admin", "--force", "--yes", "-g", "8"], reserved),
    "status": (["status"], reserved),
    "report": (["report"], reserved),
}


def restore(pool):
    pool.ok("admin", "--force", "--yes", "-g", "8")
    if pool.drained():
        pool.ok("admin", "--undrain", "0-7")


@pytest.mark.parametrize("name", COMMANDS)
def test_all_or_nothing(walk, name):
    """What the command changes is changed wholly or not at all, and what it has said holds."""
    pool = walk.pool
    words, prepare = COMMANDS[name]

    def prepared():
        restore(pool)
        # What a killed one has left, the next has put away.
        assert pool.left_over() == set()
        prepare(pool)
        return state(pool)

    prepared()
    traced = Traced(pool, words)
    found = walk.points(traced, short=4)
    assert pool.finish(traced.process).status == 0
    after = without_ends(state(pool))
    for point in found:
        before = prepared()
        traced = walk.trace(words, 0, point)
        was_killed = walk.killed(traced)
        result = pool.finish(traced.process)
        # The next to come puts away what the dead one left half done.
        pool.run("run", "-G", "7", "--nonblock", "--", "true")
        wait_for(lambda: not orphans(pool.known()), f"all processes to end ({walk.point})")
        now = state(pool)
        if was_killed and result.out == "":
            assert now == before or without_ends(now) == after, (walk.point, before, now)
        else:
            assert without_ends(now) == after, (walk.point, result, now)
    restore(pool)
    walk.assert_all_free()
    walk.done(name)


def test_making_the_pool(bare_chaos_pool, choice):
    """`admin` for the first time: whatever it has left, the next one makes a pool of it."""
    pool = bare_chaos_pool
    require_tracing(pool)
    words = ["admin", "--provider", "fake", "--gpus", "8"]
    traced = Traced(pool, words)
    calls, _ = traced.report()
    assert pool.finish(traced.process).status == 0
    found = points(calls, choice, None if IS_LONG else 8)
    for point in found:
        forget_the_pool(pool)
        traced = Traced(pool, words, 0, *point)
        traced.report()
        pool.finish(traced.process)
        pool.ok(*words)
        assert pool.ok("run", "-g", "8", "--nonblock", "--", "echo", "ran") == "ran\n", point
        wait_for(lambda: not orphans(pool.known()))
        assert pool.left_over() == set(), point
    show(f"{pool.store}: admin killed at {len(found)} steps")


def forget_the_pool(pool):
    import shutil

    if pool.store == "redis":
        pool.ask("FLUSHALL")
    pool.gpus_file.unlink(missing_ok=True)
    for path in pool.directory.glob("pool.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
