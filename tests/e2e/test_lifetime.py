"""A reservation ends with its job, whatever is killed, and never before (semantics.md, 8 to 14)."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from conftest import (HMS, IS_SANITIZED, NO_TIMER, PATIENCE, Process, comm, is_alive, median,
                      read_stat, wait_for, watched_by)

# A process that obeys SIGINT even where a script starts it in the background.
SLEEPER = "env --default-signal=INT sleep 600"


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)


def kill_supervisor(pool):
    """And waits until it is dead: a signal needs its time on a busy machine."""
    supervisor = pool.identity("supervisor").pid
    kill(supervisor)
    wait_for(lambda: not is_alive(supervisor))
    return supervisor


def stop(pid):
    kill(pid, signal.SIGSTOP)
    wait_for(lambda: read_stat(pid)[0] == "T")


def how_it_ended(pool):
    return [row[-1] for row in pool.usage()]


def status_of(pool, gpu=0):
    return pool.status()[gpu]


# --- Kills -----------------------------------------------------------------------------------------


def test_killed_command(pool):
    """The supervisor gives the GPU back as soon as it hears of the end; nobody has to run another
    command."""
    pool.policy(*NO_TIMER)
    job = pool.job()
    assert pool.identity("holder").pid == job.pid
    wait_for(lambda: job.pid in watched_by(pool.identity("supervisor").pid))
    kill(job.pid)
    pool.await_free()
    assert pool.finish(job).status == -signal.SIGKILL
    assert how_it_ended(pool) == ["finished"]


def test_killed_supervisor(pool):
    job = pool.job("--gpus", "2")
    assert comm(pool.identity("supervisor").pid) == "canhazgpu-super"
    kill_supervisor(pool)
    for gpu in (0, 1):
        assert re.match(rf"GPU {gpu}: IN USE by root for {HMS} \(run, last", status_of(pool, gpu))
    assert pool.run("run", "-G", "1", "--nonblock", "--", "true").status == 75
    assert is_alive(job.pid)
    kill(job.pid)
    job.wait()
    for gpu in (0, 1):
        assert re.fullmatch(rf"GPU {gpu}: AVAILABLE \(last released {HMS} ago\) "
                            r"\[validated: 45MB used\]", status_of(pool, gpu))
    assert pool.reserved() == []
    assert sorted(row[1] for row in pool.usage()) == [0, 1]
    assert how_it_ended(pool) == ["lost"] * 2


def test_a_new_run_gets_what_a_killed_supervisor_left(pool):
    job = pool.job("--gpus", "8")
    kill_supervisor(pool)
    kill(job.pid)
    job.wait()
    assert pool.ok("run", "--gpus", "8", "--nonblock", "--", "echo", "ran") == "ran\n"


@pytest.mark.parametrize("supervisor_first", [True, False])
def test_both_killed_while_somebody_waits(pool, supervisor_first):
    pool.policy(*NO_TIMER)
    job = pool.job("--gpus", "8")
    supervisor = pool.identity("supervisor").pid
    waiter = pool.waiter("--gpus", "8")
    victims = [supervisor, job.pid] if supervisor_first else [job.pid, supervisor]
    for pid in victims:
        kill(pid)
    assert pool.read_line(waiter) == "started"
    assert pool.finish(waiter).status == 0
    pool.await_free()
    assert len(pool.usage()) == 16


def test_supervisor_killed_long_before_the_command_while_somebody_waits(pool):
    pool.policy(*NO_TIMER)
    job = pool.job("--gpus", "8")
    kill_supervisor(pool)
    waiter = pool.waiter("--gpus", "8")
    wait_for(lambda: job.pid in watched_by(waiter.pid))
    kill(job.pid)
    assert pool.read_line(waiter) == "started"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_first_waiter(pool, number):
    """It held GPUs; the next one starts as soon as it is gone."""
    pool.policy(*NO_TIMER)
    pool.ok("reserve", "--gpus", "7")
    first = pool.waiter("--gpus", "2")
    second = pool.waiter("--gpus", "1")
    assert pool.queue_json()["entries"][0]["allocated_gpus"] == [7]
    wait_for(lambda: watched_by(second.pid) == {first.pid})
    kill(first.pid, number)
    assert pool.read_line(second) == "started"
    assert pool.finish(second).status == 0
    assert pool.waiting() == []


def test_killed_waiters_in_the_middle(pool):
    pool.ok("reserve", "--gpus", "8")
    waiters = [pool.waiter() for _ in range(5)]
    for waiter in waiters[:4]:
        kill(waiter.pid)
        waiter.wait()
    pool.ok("release", "--gpu-ids", "3")
    assert pool.read_line(waiters[4]) == "started"


def test_killed_waiting_reserve(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(kind="reserve")
    kill(waiter.pid)
    waiter.wait()
    assert pool.queue_json()["entries"] == []
    pool.ok("release")
    assert pool.reserved() == []
    assert status_of(pool).startswith("GPU 0: AVAILABLE")


def test_a_stopped_waiter_does_not_lose_its_place(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter()
    stop(waiter.pid)
    pool.ok("release")
    assert pool.reserved() == [0] and pool.waiting() == []
    kill(waiter.pid, signal.SIGCONT)
    assert pool.finish(waiter).out == "started\n"


def test_stopped_supervisor(pool):
    job = pool.job()
    supervisor = pool.identity("supervisor").pid
    stop(supervisor)
    assert status_of(pool).startswith("GPU 0: IN USE by root")
    kill(job.pid)
    job.wait()
    assert status_of(pool).startswith("GPU 0: AVAILABLE (last released")
    kill(supervisor, signal.SIGCONT)
    wait_for(lambda: not is_alive(supervisor))
    assert len(pool.usage()) == 1


def test_stopped_supervisor_while_somebody_waits(pool):
    job = pool.job("--gpus", "8")
    supervisor = pool.identity("supervisor").pid
    stop(supervisor)
    waiter = pool.waiter("--gpus", "8")
    kill(job.pid)
    assert pool.read_line(waiter) == "started"
    kill(supervisor, signal.SIGCONT)
    wait_for(lambda: not is_alive(supervisor))


def test_a_stopped_job_keeps_its_gpu(pool):
    job = pool.job()
    stop(job.pid)
    assert status_of(pool).startswith("GPU 0: IN USE by root")
    kill(job.pid, signal.SIGCONT)
    kill(job.pid, signal.SIGTERM)
    pool.await_free()


def test_supervisor_outlives_the_signals_of_a_terminal(pool):
    job = pool.job()
    supervisor = pool.identity("supervisor").pid
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        kill(supervisor, number)
    assert os.getsid(supervisor) != os.getsid(job.pid)
    kill(job.pid)
    pool.await_free()
    assert how_it_ended(pool) == ["finished"]


# --- What the store says of processes --------------------------------------------------------------


def rewrite(pool, column, change):
    """Changes the text of a column of the reservations of runs."""
    for id, text in pool.rows(f"SELECT id, {column} FROM reservation WHERE kind = 'run'"):
        pool.edit(f"UPDATE reservation SET {column} = ? WHERE id = ?", change(text), id)


OTHER_BOOT = "00000000-1111-2222-3333-444444444444"
UPTIME = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
DAY = 24 * 3600 * 10**9


def before_this_boot(text):
    """The moment or process, as a record of before the host booted has it."""
    words = text.split(" ")
    if len(words) == 3:
        # The host had been up for longer then.
        words[0] = str(int(words[0]) - UPTIME - DAY)
        words[1], words[2] = str(int(words[1]) + DAY), OTHER_BOOT
    else:
        words[1], words[3] = str(int(words[1]) + 1), OTHER_BOOT
    return " ".join(words)


def test_reboot(pool):
    pool.ok("reserve", "--gpu-ids", "7", "--duration", "2h")
    manual = pool.rows("SELECT ends, started FROM reservation WHERE kind = 'manual'")
    job = pool.job("--gpus", "2")
    for column in ("holder", "supervisor", "started", "last_heartbeat"):
        rewrite(pool, column, before_this_boot)
    pool.edit("UPDATE reservation SET started = ? WHERE kind = 'manual'",
              before_this_boot(manual[0][1]))
    heartbeat = pool.value("SELECT last_heartbeat FROM reservation WHERE kind = 'run'")
    lines = pool.status()
    assert lines[0].startswith("GPU 0: AVAILABLE (last released ")
    assert lines[1].startswith("GPU 1: AVAILABLE (last released ")
    assert re.match(rf"GPU 7: IN USE by root for {HMS} \(manual, expires in 1h 59m \d+s\)", lines[7])
    assert pool.rows("SELECT ends FROM reservation") == [(manual[0][0],)]
    # Nobody knows when it ended; the last heartbeat is the last that was heard of it.
    assert [(row[5], row[6]) for row in pool.usage()] == [(int(heartbeat.split()[0]), "lost")] * 2
    assert is_alive(job.pid)  # the test's, which has not rebooted


def test_a_waiter_of_before_the_reboot_is_gone(pool):
    pool.ok("reserve", "--gpus", "8")
    pool.policy(*NO_TIMER)
    waiter = pool.waiter()
    for column in ("waiter", "last_heartbeat"):
        text = pool.value(f"SELECT {column} FROM request")
        pool.edit(f"UPDATE request SET {column} = ?", before_this_boot(text))
    assert pool.queue_json()["entries"] == []
    # But this one lives: it finds itself taken out, by nobody's wish, and comes back.
    wait_for(lambda: pool.waiting() == [waiter.request])
    assert OTHER_BOOT not in pool.value("SELECT waiter FROM request") and waiter.poll() is None


def test_another_boot_id_alone_is_no_reboot(pool):
    """A container may have a boot id of its own. Neither a holder that lives, nor a waiter that can't
    be seen but was heard of since the host booted, is of an earlier boot."""
    job = pool.job("--gpus", "2")
    pool.ok("reserve", "--gpus", "6")
    waiter = pool.waiter()
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for column in ("holder", "supervisor", "started", "last_heartbeat"):
        rewrite(pool, column, lambda text: text.replace(boot_id, OTHER_BOOT))
    pool.edit("UPDATE request SET waiter = ?",
              str(Process(before_this_boot(pool.value("SELECT waiter FROM request")))))
    assert pool.status()[0].startswith("GPU 0: IN USE by root")
    assert pool.waiting() == [waiter.request] and pool.usage() == []
    # The same, dead: its command can't be found, and it is silent for too long.
    pool.ok("cancel", waiter.request)
    supervisor = Process(pool.value("SELECT supervisor FROM reservation WHERE kind = 'run'")).pid
    kill(supervisor)
    wait_for(lambda: not is_alive(supervisor))
    kill(job.pid)
    job.wait()
    assert pool.status()[0].startswith("GPU 0: IN USE by root")
    # The boot clock tells, and no wall clock.
    wall, boot, boot_id = pool.value(
        "SELECT last_heartbeat FROM reservation WHERE kind = 'run'").split(" ", 2)
    silence = 301 * 10**9
    rewrite(pool, "last_heartbeat", lambda _: f"{int(wall) - silence} {boot} {boot_id}")
    assert pool.status()[0].startswith("GPU 0: IN USE by root")
    rewrite(pool, "last_heartbeat", lambda _: f"{wall} {int(boot) - silence} {boot_id}")
    assert pool.status()[0].startswith("GPU 0: AVAILABLE")
    assert how_it_ended(pool) == ["lost", "lost"]


def test_pid_of_another_process(pool):
    job = pool.job()
    kill_supervisor(pool)

    def another(text):
        process = Process(text)
        process.ticks += 1
        return str(process)

    rewrite(pool, "holder", another)
    assert status_of(pool).startswith("GPU 0: AVAILABLE")
    assert how_it_ended(pool) == ["lost"]
    assert is_alive(job.pid)


def test_a_supervisor_with_the_pid_of_another_process(pool):
    job = pool.job()
    supervisor = pool.identity("supervisor")
    kill(supervisor.pid)
    wait_for(lambda: not is_alive(supervisor.pid))

    def another(text):
        return str(Process(text.replace(str(supervisor.pid), str(os.getpid()), 1)))

    rewrite(pool, "supervisor", another)
    kill(job.pid)
    job.wait()
    assert status_of(pool).startswith("GPU 0: AVAILABLE")


def test_holder_of_another_pid_namespace(pool):
    job = pool.job()
    kill_supervisor(pool)

    def elsewhere(text):
        process = Process(text)
        process.namespace += 1
        return str(process)

    rewrite(pool, "holder", elsewhere)
    rewrite(pool, "supervisor", elsewhere)
    kill(job.pid)
    job.wait()
    # It can't be seen from here; as long as it is heard of, it lives.
    assert status_of(pool).startswith("GPU 0: IN USE by root")

    def older(seconds):
        def change(text):
            wall, boot, boot_id = text.split(" ", 2)
            return f"{int(wall) - seconds * 10**9} {int(boot) - seconds * 10**9} {boot_id}"
        return change

    rewrite(pool, "last_heartbeat", older(245))
    assert re.search(r"\(run, last heartbeat 0h 4m \d\d?s ago\)", status_of(pool))
    rewrite(pool, "last_heartbeat", older(60))
    assert status_of(pool).startswith("GPU 0: AVAILABLE")
    assert how_it_ended(pool) == ["lost"]


def test_a_heartbeat_does_not_override_a_fact(pool):
    job = pool.job()
    kill_supervisor(pool)
    kill(job.pid)
    job.wait()
    # As if it had been heard of this very moment.
    rewrite(pool, "last_heartbeat",
            lambda text: f"{time.time_ns()} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)} "
                         + text.split(" ", 2)[2])
    assert status_of(pool).startswith("GPU 0: AVAILABLE")


def test_heartbeats(pool):
    pool.policy("heartbeat.interval=0.2s", "heartbeat.timeout=1s")
    job = pool.job()
    seen = {pool.value("SELECT last_heartbeat FROM reservation")}

    def three():
        seen.add(pool.value("SELECT last_heartbeat FROM reservation"))
        return len(seen) >= 4

    wait_for(three)
    kill(job.pid)
    pool.await_free()


# --- What a command leaves behind ------------------------------------------------------------------

PARENT = ("sh", "-c", "setsid env --default-signal=INT sleep 600 </dev/null >/dev/null 2>&1 & "
                      "echo $!; read line")


def job_with_child(pool, *options, on_gpu=0):
    job = pool.job(*options, command=PARENT, stdin=subprocess.PIPE)
    child = int(job.first_line)
    if on_gpu is not None:
        # It has become the program that it is to be.
        wait_for(lambda: comm(child) == "sleep")
        pool.put_processes(on_gpu, {"pid": child, "memory_mb": 5000, "type": "compute"})
    return job, child


def test_a_child_on_the_gpu_keeps_it(pool):
    job, child = job_with_child(pool)
    assert pool.finish(job, b"\n").status == 0
    wait_for(lambda: pool.value("SELECT leftovers FROM reservation").startswith(f"{child} "))
    assert re.fullmatch(
        rf"GPU 0: IN USE by root for {HMS} \(run, command ended, last heartbeat {HMS} ago\) "
        rf"\[validated: 5000MB, 1 processes\] leftover PID {child} \(sleep\)", status_of(pool))
    entry = pool.status_json()[0]
    assert entry["command_ended"] is True
    assert [left["pid"] for left in entry["leftovers"]] == [child]
    assert pool.reserved() == [0]
    wait_for(lambda: child in watched_by(pool.identity("supervisor").pid))
    kill(child)
    pool.await_free()
    assert how_it_ended(pool) == ["finished"]


def test_a_leftover_outlives_the_supervisor_too(pool):
    job, child = job_with_child(pool)
    kill_supervisor(pool)
    assert pool.finish(job, b"\n").status == 0
    assert f"leftover PID {child} (sleep)" in status_of(pool)
    assert pool.reserved() == [0]
    kill(child)
    wait_for(lambda: not is_alive(child))
    assert status_of(pool).startswith("GPU 0: AVAILABLE")


def test_a_waiter_gets_the_gpu_when_the_leftover_ends(pool):
    pool.policy(*NO_TIMER)
    job, child = job_with_child(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    assert pool.finish(job, b"\n").status == 0
    wait_for(lambda: pool.value("SELECT leftovers FROM reservation"))
    assert waiter.poll() is None and len(pool.reserved()) == 8
    kill(child)
    assert pool.read_line(waiter) == "started"


def test_a_child_that_is_not_on_the_gpu_keeps_nothing_without_grace(pool):
    pool.policy("leftovers.grace=0")
    job, child = job_with_child(pool, on_gpu=None)
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert is_alive(child)


def test_a_child_on_another_gpu_keeps_nothing_without_grace(pool):
    pool.policy("leftovers.grace=0")
    job, child = job_with_child(pool, on_gpu=5)
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert is_alive(child)


def test_leftovers_killed(pool):
    job, child = job_with_child(pool, "--leftovers", "kill")
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert not is_alive(child)


def test_leftovers_that_ignore_sigint_are_killed_after_the_grace(pool):
    command = ("sh", "-c", "setsid env --ignore-signal=INT,TERM sleep 600 </dev/null >/dev/null "
                           "2>&1 & echo $!; read line")
    job = pool.job("--leftovers", "kill", "--grace", "0.5s", command=command,
                   stdin=subprocess.PIPE)
    child = int(job.first_line)
    wait_for(lambda: comm(child) == "sleep")
    begin = time.monotonic()
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert time.monotonic() - begin >= 0.5
    assert not is_alive(child)


def test_leftovers_released(pool):
    job, child = job_with_child(pool, "--leftovers", "release")
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert is_alive(child)
    assert status_of(pool) == (f"GPU 0: IN USE WITHOUT RESERVATION by user root - "
                               f"5000MB used by PID {child} (sleep)")
    assert pool.run("run", "-G", "0", "--nonblock", "--", "true").status == 75


# --- --timeout -------------------------------------------------------------------------------------

TREE = f"""
env --default-signal=INT sh -c '{SLEEPER} & echo $!; wait' &
echo $!
setsid {SLEEPER} &
echo $!
echo all
wait
"""


# Tried one after the other: a busy machine needs its time until a job has come to its point.
TIMEOUTS = ["0.5s", "5s", "60s"]


def with_timeout(pool, attempt):
    """What `attempt` gives with the first timeout that is long enough: it gives None when its job was
    ended too early."""
    for timeout in TIMEOUTS:
        if (found := attempt(timeout)) is not None:
            return found
        pool.await_free()
    pytest.fail("no timeout was long enough")


def started_with(pool, *options, lines=1, **more):
    """An attempt: a job with the timeout, once it has said so many lines."""
    def attempt(timeout):
        job = pool.popen("run", "--timeout", timeout, *options, **more)
        job.lines = [pool.read_line(job) for _ in range(lines)]
        return job if all(job.lines) else None
    return attempt


def test_timeout_ends_the_whole_job(pool):
    """A child, a grandchild, and one in a session of its own; none of them waits for the grace."""
    def attempt(timeout):
        job = started_with(pool, "--grace", "1h", "--", "sh", "-c", TREE, lines=4)(timeout)
        if job is None:
            return None
        job.tree = [int(line) for line in job.lines if line != "all"]
        # Until they have become what they are to be, they ignore SIGINT.
        wait_for(lambda: job.poll() is not None or [comm(pid) for pid in job.tree].count("sleep") == 2)
        if job.poll() is None:
            return job
        for pid in filter(is_alive, job.tree):
            kill(pid)
        return None

    job = with_timeout(pool, attempt)
    assert job.wait(PATIENCE) == -signal.SIGINT
    pool.await_free()
    assert not any(is_alive(pid) for pid in job.tree)
    assert how_it_ended(pool)[-1] == "timed_out"


def test_timeout_kills_after_the_grace(pool):
    begin = time.monotonic()
    stubborn = ("sh", "-c", "trap '' INT TERM; echo started; exec sleep 600")
    job = with_timeout(pool, started_with(pool, "--grace", "0.5s", "--", *stubborn))
    assert job.wait(PATIENCE) == -signal.SIGKILL
    assert time.monotonic() - begin >= 0.5 + 0.5
    pool.await_free()
    assert how_it_ended(pool)[-1] == "timed_out"


def test_timeout_lets_a_job_clean_up(pool):
    tidy = ("sh", "-c", f"trap 'echo saved; exit 7' INT; echo started; {SLEEPER} & wait")
    job = with_timeout(pool, started_with(pool, "--", *tidy))
    result = pool.finish(job)
    assert (result.status, result.out) == (7, "saved\n")
    pool.await_free()


def test_timeout_wakes_a_stopped_job(pool):
    def attempt(timeout):
        job = started_with(pool, "--", "sh", "-c", f"echo started; exec {SLEEPER}")(timeout)
        if job:
            kill(job.pid, signal.SIGSTOP)
            state = wait_for(lambda: next(iter(set("TZ") & set(read_stat(job.pid)[0])), None))
        return job if job and state == "T" else None

    job = with_timeout(pool, attempt)
    assert job.wait(PATIENCE) == -signal.SIGINT
    pool.await_free()


def test_time_in_the_queue_does_not_count(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter("--timeout", "1s", command=SLEEPER.split())
    time.sleep(1)  # in the queue for as long as it may run
    pool.ok("release")
    assert waiter.wait(PATIENCE) == -signal.SIGINT
    pool.await_free()
    (times,) = [(row[4], row[5]) for row in pool.usage() if row[-1] == "timed_out"]
    assert times[1] - times[0] >= 1e9


def test_timeout_from_the_environment(pool):
    def attempt(timeout):
        job = pool.popen("run", "--", "sh", "-c", "echo started; exec sleep 600",
                         env={"CANHAZGPU_RUN_TIMEOUT": timeout})
        return job if pool.read_line(job) else None

    assert with_timeout(pool, attempt).wait(PATIENCE) == -signal.SIGINT
    pool.await_free()


# --- Cost ------------------------------------------------------------------------------------------


def switches(pid):
    """How often it has gone to sleep."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])


def memory_kib(pid, *names):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(re.search(rf"^{name}: +(\d+) kB", text, re.M)[1]) for name in names)


def test_a_hundred_idle_waiters_cost_next_to_nothing(pool):
    pool.policy(*NO_TIMER)
    job = pool.job("--gpus", "8")
    waiters = [pool.popen("run", "--", "true") for _ in range(100)]
    pids = [waiter.pid for waiter in waiters] + [pool.identity("supervisor").pid]
    wait_for(lambda: len(pool.waiting()) == 100)

    def all_sleep():
        """Through a whole second, when they have read all the news of each other's coming."""
        before = [switches(pid) for pid in pids]
        time.sleep(1)
        return [switches(pid) for pid in pids] == before

    wait_for(all_sleep, "them all to sleep")
    own = median([memory_kib(pid, "Private_Clean", "Private_Dirty") for pid in pids])
    assert own <= 4096 or IS_SANITIZED
    kill(job.pid)
    for waiter in waiters:
        assert waiter.wait(PATIENCE) == 0
    pool.await_free()
