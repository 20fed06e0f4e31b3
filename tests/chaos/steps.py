"""Kills a process of the program at a chosen step (kill_at.cpp)."""

import os

import pytest

KILL_AT = os.environ.get("CHAOS_KILL_AT", "")


class Traced:
    """A command of the program one of whose processes is watched. `process` is the command itself."""

    def __init__(self, pool, words, generation=0, at=0, then=0, **options):
        reading, writing = os.pipe()
        try:
            self.process = pool.start(
                [KILL_AT, "--report", writing, "--generation", generation, "--at", at, "--then",
                 then, "--", pool.program, *words], pass_fds=[writing], **options)
        finally:
            os.close(writing)
        self.file = os.fdopen(reading)

    def report(self):
        """Waits until the watched process is dead or out of sight. Returns what it did, call by call
        ("-" is one that nobody can see), and whether it was killed."""
        calls, last = [], ""
        for line in self.file:
            last, name = line.split()
            if last.isdigit():
                calls.append(name)
        self.file.close()
        assert last in ("killed", "through"), (last, self.process.args)
        return calls, last == "killed"


def require_tracing(pool):
    """Skips the test where no process may be watched."""
    if not KILL_AT:
        pytest.skip("CHAOS_KILL_AT does not name the program kill_at")
    traced = Traced(pool, ["--version"])
    status = traced.process.wait()
    if status == 125:
        pytest.skip("processes can't be watched here (ptrace)")
    traced.file.close()
    pool.finish(traced.process)


def points(calls, choice, short):
    """Which steps to kill at, as (at, then) pairs: each call, and moments in the midst of writing to
    memory that is shared. In a short test `short` of them: mostly what others can see."""
    every = [(at, 0) for at in range(1, len(calls) + 1)]
    # After these, SQLite writes to the index of its log, which lies in shared memory.
    writing = [at for at, name in enumerate(calls, 1) if name in ("pwrite64", "fcntl")]
    midst = [(choice.choice(writing), int(10 ** choice.uniform(0, 4.5)))
             for _ in range(100 if writing else 0)]
    if short is None:
        return every + midst
    seen = [point for point in every if calls[point[0] - 1] != "-"]
    unseen = [point for point in every if calls[point[0] - 1] == "-"]
    parts = ((seen, short - short // 5 * 2), (unseen, short // 5), (midst, short // 5))
    return [point for part, count in parts for point in choice.sample(part, min(count, len(part)))]
