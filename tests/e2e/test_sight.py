"""What a client can see decides what it may judge: namespaces, boot ids and clocks of its own
(semantics.md, 11 and 13)."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import NO_TIMER, assert_error, is_alive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and accounts need root")

TIME_NAMESPACE = ["unshare", "--time", "--boottime", "1000000", "--fork", "--kill-child"]
# With the /proc of its host.
PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]
HOUR = 3600 * 10**9


@pytest.fixture
def job(pool, users):
    """Others have GPU 0 for a run, and GPU 7 until it expires; one waits, and ends nothing itself."""
    job = pool.job("--gpu-ids", "0", user=users.a)
    job.waiter = pool.waiter("--gpu-ids", "0", user=users.a, env=NO_TIMER)
    os.kill(job.waiter.pid, signal.SIGSTOP)
    pool.ok("reserve", "--gpu-ids", "7", "--duration", "2h", user=users.a)
    return job


def succeed(pool, *words):
    result = pool.run_command(words)
    assert result.status == 0, result
    return result.out


def expire(pool, gpu):
    """As if it had been granted three hours ago."""
    started, ends = pool.rows("SELECT started, ends FROM reservation WHERE gpus = ?", str(gpu))[0]
    wall, boot, boot_id = started.split(" ", 2)
    pool.edit("UPDATE reservation SET started = ?, ends = ? WHERE gpus = ?",
              f"{int(wall) - 3 * HOUR} {int(boot) - 3 * HOUR} {boot_id}", int(ends) - 3 * HOUR,
              str(gpu))


def has_all(pool, job):
    return {0, 7} <= set(pool.reserved()) and pool.waiting() == [job.waiter.request] and \
        is_alive(job.pid)


def test_from_a_time_namespace_nobody_elses_is_ended(pool, job):
    def client(*words):
        return succeed(pool, *TIME_NAMESPACE, pool.program, *words)

    client("reserve", "--gpu-ids", "1")
    assert client("run", "--gpu-ids", "2", "--", "echo", "done") == "done\n"
    assert has_all(pool, job)
    expire(pool, 7)
    for words in (["status"], ["queue"], ["report"], ["release"]):
        client(*words)
    assert has_all(pool, job)
    assert "note  judgement  this process is in a time namespace" in client("doctor")
    # Who sees it all ends what is over, and nothing else.
    assert "judgement" not in pool.ok("doctor")
    assert pool.reserved() == [0] and is_alive(job.pid)
    assert [row[6] for row in pool.usage()].count("expired") == 1


def test_what_is_written_in_a_time_namespace_has_the_clock_of_the_host(pool):
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    job = pool.start([*TIME_NAMESPACE, pool.program, "run", "--", "sh", "-c",
                      "echo started; exec sleep 600"])
    assert pool.read_line(job) == "started"
    for column in ("started", "last_heartbeat"):
        moment = pool.value(f"SELECT {column} FROM reservation")
        assert before <= int(moment.split()[1]) <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    # Its start counts otherwise there than here, so it goes by its heartbeats.
    assert pool.status()[0].startswith("GPU 0: IN USE by root")
    assert pool.reserved() == [0]


def test_with_the_proc_of_another_pid_namespace_nobody_is_judged(pool, job):
    def client(*words):
        return pool.run_command([*PID_NAMESPACE, pool.program, *words])

    expire(pool, 7)
    for words in (["status"], ["queue"], ["report"], ["doctor"]):
        assert client(*words).status == 0
    assert has_all(pool, job)
    assert "note  judgement  /proc does not show the pid namespace" in client("doctor").out
    # Nobody could find these by their pids.
    for words in (["run", "--gpu-ids", "1", "--", "true"], ["reserve", "--gpu-ids", "1"]):
        assert_error(client(*words), 1, "/proc does not show the pid namespace", "--mount-proc")
    assert has_all(pool, job)


def test_another_boot_id_under_the_name_of_the_host_is_no_reboot(pool, job):
    boot_id = pool.directory / "boot_id"
    boot_id.write_text("11111111-2222-3333-4444-555555555555\n")
    enter = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'

    def client(*words):
        return succeed(pool, "unshare", "--mount", "sh", "-c", enter, boot_id, pool.program,
                       *words)

    for words in (["status"], ["queue"], ["reserve", "--gpu-ids", "1"], ["report"]):
        client(*words)
    assert has_all(pool, job) and pool.usage() == []
    assert pool.value("SELECT boot_id FROM host").startswith("11111111-")
    pool.ok("status")
    assert has_all(pool, job) and 1 in pool.reserved() and pool.usage() == []


# Shifts the wall clock of its process alone.
SHIFT = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec* now) {
  const int result = syscall(SYS_clock_gettime, id, now);
  if (result == 0 && id == CLOCK_REALTIME) now->tv_sec += atol(getenv("SHIFT"));
  return result;
}
"""


@pytest.fixture
def ahead(pool):
    """The environment of a client whose wall clock is 100,000 s ahead."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        pytest.skip("there is no C compiler")
    library = pool.directory / "shift.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-o", library, "-"], check=True,
                   input=SHIFT.encode())
    return {"LD_PRELOAD": str(library), "SHIFT": "100000"}


def test_a_wall_clock_that_is_ahead_expires_nothing(pool, job, ahead):
    assert "expired" in pool.ok("status", env=ahead)
    for words in (["reserve", "--gpu-ids", "1"], ["queue"], ["report"]):
        pool.ok(*words, env=ahead)
    assert has_all(pool, job) and pool.usage() == []
    # What was asked for has passed on both clocks.
    expire(pool, 7)
    pool.ok("status", env=ahead)
    assert 7 not in pool.reserved() and [row[6] for row in pool.usage()] == ["expired"]


def switches(pid):
    """How often it has gone to sleep."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("voluntary_")).split()[1])


def test_a_waiter_whose_clock_is_ahead_sleeps_until_the_other_clock_says_so(pool, job, ahead):
    waiter = pool.waiter("--gpu-ids", "7", env={**ahead, **NO_TIMER})
    before = switches(waiter.pid)
    for _ in range(20):
        pool.ok("queue")
    assert switches(waiter.pid) - before < 20
    expire(pool, 7)
    pool.ok("status")
    assert pool.finish(waiter).out == "started\n"
