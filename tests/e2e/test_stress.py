"""Many at once: no GPU is ever two people's, nothing is lost, nothing is left over."""

import os
import pathlib
import random
import signal
import subprocess
import threading

import pytest
from conftest import IS_SANITIZED, PATIENCE, children_of, comm, show

LOCKCHECK = str(pathlib.Path(__file__).with_name("lockcheck.sh"))


@pytest.fixture
def locks(pool):
    directory = pool.directory / "locks"
    directory.mkdir()
    return directory


TWICE = 99  # the exit status of lockcheck.sh when a GPU was two people's
CROWD_PATIENCE = 5 * PATIENCE  # for the last of many


def supervisors():
    return [pid for pid in children_of(os.getpid()) if comm(pid) == "canhazgpu-super"]


def assert_nothing_left(pool):
    pool.await_free()
    pool.await_no_supervisors()
    assert pool.waiting() == []
    lines = pool.status()
    assert len(lines) == 8 and all(line[7:].startswith("AVAILABLE (") for line in lines), lines


def test_two_hundred_runs_at_once(pool, locks):
    # Under a sanitizer two hundred take minutes.
    jobs = 60 if IS_SANITIZED else 200
    processes = [pool.popen("run", "--", LOCKCHECK, 0.05, env={"LOCKS": str(locks)},
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for _ in range(jobs)]
    statuses = [process.wait(CROWD_PATIENCE) for process in processes]
    assert TWICE not in statuses
    assert statuses == [0] * jobs
    assert_nothing_left(pool)
    usage = pool.usage()
    assert len(usage) == jobs and {row[6] for row in usage} == {"finished"}
    assert len({row[0] for row in usage}) == jobs
    # By the records too, no GPU was two people's.
    for gpu in range(8):
        spans = sorted((row[4], row[5]) for row in usage if row[1] == gpu)
        assert all(one[1] <= next[0] for one, next in zip(spans, spans[1:])), gpu


def test_runs_of_several_gpus(pool, locks):
    """Counts and names mixed; all of a request's GPUs at one instant, or none."""
    choice = random.Random(1)
    processes = []
    for _ in range(60):
        named = sorted(choice.sample(range(8), choice.randint(1, 3)))
        options = (["-G", ",".join(map(str, named))] if choice.random() < 0.5
                   else ["-g", str(choice.randint(1, 8))])
        processes.append(pool.popen("run", *options, "--", LOCKCHECK, 0.02,
                                    env={"LOCKS": str(locks)}, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL))
    statuses = [process.wait(CROWD_PATIENCE) for process in processes]
    assert TWICE not in statuses
    assert statuses == [0] * 60
    assert_nothing_left(pool)


def test_reserve_and_release_at_once(pool):
    script = ("for i in 1 2 3 4 5; do ids=$(canhazgpu reserve -g 2 --short) || exit 1; "
              "canhazgpu release -G $ids >/dev/null || exit 2; done")
    processes = [pool.start(["sh", "-c", script], stderr=subprocess.DEVNULL) for _ in range(12)]
    assert [process.wait(CROWD_PATIENCE) for process in processes] == [0] * 12
    assert_nothing_left(pool)
    assert len(pool.usage()) == 12 * 5 * 2


class Storm:
    """Clients that run one job after another, while a killer kills whom it can find. For each command
    that ends he kills one at most, so that others come to their end however slow the machine is."""

    def __init__(self, pool, locks, clients, runs):
        self.pool, self.locks, self.clients, self.runs = pool, locks, clients, runs
        self.current = {}
        self.statuses = []
        self.has_ended = threading.Semaphore(0)
        self.over = threading.Event()
        self.killed = {"clients": 0, "supervisors": 0}

    def client(self, number):
        choice = random.Random(number)
        while not self.over.is_set():
            options = (["-G", str(choice.randrange(8))] if choice.random() < 0.3
                       else ["-g", str(choice.randint(1, 4))])
            process = subprocess.Popen(
                [self.pool.program, "run", *options, "--", LOCKCHECK,
                 str(choice.choice([0, 0.01, 0.05, 0.2]))],
                env=self.pool.env({"LOCKS": str(self.locks)}), cwd=self.pool.directory,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.current[number] = process
            self.statuses.append(process.wait())
            self.current.pop(number)
            self.has_ended.release()

    def kill_someone(self, choice):
        if choice.random() < 0.7:
            victims = [process for process in list(self.current.values()) if process.poll() is None]
            if victims:
                choice.choice(victims).kill()
                self.killed["clients"] += 1
        elif victims := supervisors():
            try:
                os.kill(choice.choice(victims), signal.SIGKILL)
                self.killed["supervisors"] += 1
            except ProcessLookupError:
                pass

    def rage(self):
        threads = [threading.Thread(target=self.client, args=(number,))
                   for number in range(self.clients)]
        for thread in threads:
            thread.start()
        choice = random.Random()
        is_going_on = True
        while is_going_on and not self.is_enough():
            is_going_on = self.has_ended.acquire(timeout=PATIENCE)
            # Not always at the end of another.
            self.over.wait(choice.uniform(0, 0.02))
            if choice.random() < 0.7:
                self.kill_someone(choice)
        self.over.set()
        for thread in threads:
            thread.join(PATIENCE)
        stuck = [thread for thread in threads if thread.is_alive()]
        if stuck:
            told = self.pool.run("queue").out + self.pool.run("status").out
            for process in list(self.current.values()):
                process.kill()
            for thread in threads:
                thread.join()
            pytest.fail(f"{len(stuck)} clients never got their turn:\n{told}")

    def is_enough(self):
        return len(self.statuses) >= self.runs and self.statuses.count(0) > 50 \
            and min(self.killed.values()) > 20


def test_a_storm_of_kills(pool, locks):
    storm = Storm(pool, locks, clients=30, runs=100 if IS_SANITIZED else 500)
    storm.rage()
    show(f"storm: {len(storm.statuses)} runs, {storm.statuses.count(0)} to their end; killed "
         f"{storm.killed['clients']} clients and {storm.killed['supervisors']} supervisors")
    assert TWICE not in storm.statuses
    # Their own end, ours, or that their supervisor was killed before it was ready.
    assert set(storm.statuses) <= {0, -signal.SIGKILL, 1}
    assert storm.statuses.count(1) <= storm.killed["supervisors"]
    # What a killed supervisor left is found by whoever looks next.
    pool.status()
    assert_nothing_left(pool)
    assert pool.run("run", "-g", "8", "--nonblock", "--", "true").status == 0
    assert [row for row in pool.rows("PRAGMA integrity_check")] == [("ok",)]
