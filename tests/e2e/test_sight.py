"""What a client can see decides what it may judge: namespaces, boot ids and clocks of its own
(semantics.md, 11 and 13)."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import NO_TIMER, assert_error, is_alive, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and accounts need root")

TIME_NAMESPACE = ["unshare", "--time", "--boottime", "1000000", "--fork", "--kill-child"]
# With the /proc of its host.
PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]
HOUR = 3600 * 10**9


@pytest.fixture
def job(pool, users):
    """Others have GPU 0 for a run, and GPU 7 until it expires; one waits, and ends nothing itself."""
    pool.policy(*NO_TIMER)
    job = pool.job("--gpu-ids", "0", user=users.a)
    job.waiter = pool.waiter("--gpu-ids", "0", user=users.a)
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


def test_what_proc_hides_is_not_ended_for_its_silence(pool, users):
    """Somebody has the pid of the command, and another account is not told who (hidepid)."""
    job = pool.job("--gpu-ids", "0", user=users.a)
    supervisor = pool.identity("supervisor").pid
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor))
    wall, boot, boot_id = pool.value("SELECT last_heartbeat FROM reservation").split(" ", 2)
    pool.edit("UPDATE reservation SET last_heartbeat = ?",
              f"{int(wall) - HOUR} {int(boot) - HOUR} {boot_id}")
    enter = 'mount -t proc -o hidepid=2 proc /proc && exec setpriv "$@"'
    client = ["unshare", "--mount", "sh", "-c", enter, "sh", f"--reuid={users.b.uid}",
              f"--regid={users.b.gid}", "--clear-groups", pool.program]
    assert "hidepid" in succeed(pool, *client, "doctor")
    for words in (["status"], ["reserve", "--gpu-ids", "1"]):
        succeed(pool, *client, *words)
    assert pool.reserved() == [0, 1] and is_alive(job.pid)
    # That nobody has the pid any more, anybody can tell.
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    succeed(pool, *client, "status")
    assert pool.reserved() == [1]


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
    waiter = pool.waiter("--gpu-ids", "7", env=ahead)
    before = switches(waiter.pid)
    for _ in range(20):
        pool.ok("queue")
    assert switches(waiter.pid) - before < 20
    expire(pool, 7)
    pool.ok("status")
    assert pool.finish(waiter).out == "started\n"


# --- Who sees fewer GPUs ---------------------------------------------------------------------------


def show_only(pool, user, *seen):
    """The account sees these GPUs alone, as in a container; root sees all."""
    def change(gpus):
        for index, gpu in enumerate(gpus):
            gpu["seen_by"] = [0, user.uid] if index in seen else [0]
    pool.edit_gpus(change)


def obstacles(pool):
    """What the pool has against each GPU."""
    return [json.loads(text).get("obstacle")
            for (text,) in pool.rows("SELECT record FROM pool WHERE field LIKE 'gpu:%'")]


def waits_without_sight(pool):
    """Whether a request in the queue does not see all GPUs."""
    return any("visible" in json.loads(text) for (text,) in
               pool.rows("SELECT record FROM pool WHERE field LIKE 'request:%'"))


def test_who_sees_fewer_gpus_gets_those(pool, users):
    show_only(pool, users.a, 2, 5)
    script = ("sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert pool.ok("run", "--gpus", "2", "--nonblock", "--", *script, user=users.a) == "2,5\n"
    pool.ok("reserve", "--gpu-ids", "2,5")
    assert_error(pool.run("run", "--nonblock", "--", "true", user=users.a), 75,
                 "GPUs 2 and 5 reserved by root")


def test_what_can_never_be_granted_there_is_refused_at_once(pool, users):
    show_only(pool, users.a, 0, 2)
    hint = "from here only GPUs 0,2 can be seen"
    for kind in (["reserve"], ["run"]):
        end = ["--", "true"] if kind == ["run"] else []
        assert_error(pool.run(*kind, "--gpus", "3", *end, user=users.a), 2,
                     "3 GPUs can never be granted here: 2 of 8 can be seen", hint)
        assert_error(pool.run(*kind, "--gpu-ids", "0,1", *end, user=users.a), 2,
                     "GPU 1 cannot be seen from here", hint)
    show_only(pool, users.a)
    assert_error(pool.run("run", "--gpus", "2", "--", "true", user=users.a), 2,
                 "2 GPUs can never be granted here: 0 of 8 can be seen",
                 "from here no GPU can be seen")
    assert pool.waiting() == [] and pool.reserved() == []
    pool.ok("run", "--gpus", "8", "--nonblock", "--", "true")


def test_who_sees_fewer_gpus_holds_back_nobody(pool, users):
    """It waits for its only GPU, and all others are given to those who see them."""
    show_only(pool, users.a, 0)
    pool.policy(*NO_TIMER)
    pool.job("--gpu-ids", "0")
    waiter = pool.waiter(user=users.a)
    assert "GPU 0 reserved by root, GPUs 1-7 invisible to the waiter" in waiter.told
    pool.ok("run", "--gpus", "7", "--nonblock", "--", "true")
    assert obstacles(pool) == [None] * 8 and pool.waiting() == [waiter.request]


def test_who_does_not_see_a_gpu_says_nothing_of_it(pool, users):
    show_only(pool, users.a, 0)
    pool.ok("reserve", "--gpu-ids", "1")
    lines = pool.status(user=users.a)
    assert lines[0].startswith("GPU 0: AVAILABLE") and lines[1].startswith("GPU 1: IN USE by root")
    assert lines[2] == "GPU 2: ERROR (cannot be seen from here)"
    pool.ok("run", "--nonblock", "--", "true", user=users.a)
    assert obstacles(pool) == [None] * 8
    assert pool.status()[2].startswith("GPU 2: AVAILABLE")
    assert "cannot be seen from here: 1, 2, 3, 4, 5, 6 and 7" in pool.ok("doctor", user=users.a)


def test_a_gpu_that_is_lost_is_in_error_for_all(pool, users):
    """Root sees all that there are: what it misses is lost, whatever others fail to see."""
    show_only(pool, users.a, 0, 7)
    pool.edit_gpus(lambda gpus: gpus.pop())
    for _ in range(2):
        assert pool.run("run", "--gpu-ids", "7", "--nonblock", "--", "true").status == 75
        assert obstacles(pool)[7]["what"] == "not found by the GPU tool"
        pool.ok("run", "--nonblock", "--", "true", user=users.a)
        pool.await_free()
        assert obstacles(pool)[7]["what"] == "not found by the GPU tool"
    assert pool.status()[7] == "GPU 7: ERROR (not found by the GPU tool)"


def test_a_gpu_that_comes_into_sight_is_granted(pool, users):
    """A waiter that lost sight of its GPU holds nothing, looks again, and gets it."""
    pool.ok("reserve", "--gpu-ids", "0,1")
    waiter = pool.waiter("--gpu-ids", "0,1", user=users.a)
    show_only(pool, users.a, 1)
    pool.ok("release")
    # Granted, it looks, and gives back what it does not see.
    wait_for(lambda: waits_without_sight(pool))
    assert pool.ok("run", "--gpu-ids", "0,1", "--nonblock", "--", "echo", "mine") == "mine\n"
    show_only(pool, users.a, 0, 1)
    assert pool.finish(waiter).out == "started\n"


def test_who_cannot_read_the_gpus_says_nothing_of_them(pool, users):
    pool.ok("reserve", "--gpu-ids", "0")
    waiter = pool.waiter("--gpu-ids", "0", user=users.a)
    pool.gpus_file.chmod(0o600)
    pool.ok("release")
    wait_for(lambda: waits_without_sight(pool))
    assert obstacles(pool) == [None] * 8
    pool.ok("run", "--gpu-ids", "0", "--nonblock", "--", "true")
    pool.gpus_file.chmod(0o666)
    assert pool.finish(waiter).out == "started\n"


SMI = r"""#!/bin/sh
rows() {
  echo "0, GPU-5f3a0c1e-0000-4b00-8000-000000000000, 00000000:1A:00.0, Example, 0, 81559, 0, Disabled, [N/A], No, None"
  [ "$(id -u)" = 0 ] || return
  echo "1, GPU-5f3a0c1e-0000-4b00-8000-000000000001, 00000000:1B:00.0, Example, 0, 81559, 0, Disabled, [N/A], No, None"
}
case $1 in --query-gpu=*) rows ;; esac
"""


@pytest.fixture
def smi(bare_pool):
    """Two GPUs by nvidia-smi, which prints the second one for root alone."""
    folder = bare_pool.directory / "smi"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(SMI)
    (folder / "nvidia-smi").chmod(0o755)
    (folder / "libnvidia-ml.so.1").touch()
    bare_pool.environment["LD_LIBRARY_PATH"] = str(folder)
    bare_pool.environment["PATH"] = f"{folder}:" + bare_pool.environment["PATH"]
    bare_pool.ok("admin")
    return bare_pool


def test_the_queue_moves_where_one_sees_fewer_gpus(smi, users):
    smi.job("--gpu-ids", "0")
    waiter = smi.waiter(user=users.a)
    for _ in range(5):
        assert smi.ok("run", "--nonblock", "--", "echo", "mine") == "mine\n"
        wait_for(lambda: smi.reserved() == [0])
    assert waiter.poll() is None and obstacles(smi) == [None] * 2


def test_a_reading_is_not_shown_to_those_who_see_more(smi, users):
    for _ in range(5):
        assert [line[:16] for line in smi.status(user=users.a)] == ["GPU 0: AVAILABLE"[:16],
                                                                    "GPU 1: ERROR (ca"]
        assert all("AVAILABLE" in line for line in smi.status())
        # Nor the other way round, for a grant.
        assert_error(smi.run("run", "--gpu-ids", "1", "--", "true", user=users.a), 2,
                     "GPU 1 cannot be seen from here")
