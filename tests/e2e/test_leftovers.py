"""What lives on of a job: it keeps the GPUs for a while, is recognised whatever it has thrown off, and
the user is told (semantics.md, 8 and 9)."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from conftest import NO_TIMER, PATIENCE, comm, full_pipe, is_alive, read_stat, wait_for, watched_by
from terminal import shell

QUIET = "</dev/null >/dev/null 2>&1"
# Ways to leave a process. Each writes its pid into the file `left`.
WAYS = {
    "in the background": f"nohup sleep 600 {QUIET} & echo $! >left",
    "in a session of its own": f"setsid sleep 600 {QUIET} & echo $! >left",
    "without environment": f"env -i sleep 600 {QUIET} & echo $! >left",
    "without both": f"setsid env -i sleep 600 {QUIET} & echo $! >left",
    "as a daemon": f"(setsid env -i sh -c 'echo $$ >left; exec sleep 600' {QUIET} &)",
}


def left_pid(pool, name="sleep"):
    """The pid of what was left, once it has become what it is to be."""
    path = pool.directory / "left"
    pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the pid"))
    wait_for(lambda: comm(pid) == name, f"{pid} to be {name}")
    return pid


def leave(pool, way, *options, **more):
    """A run whose command leaves a process, and waits for a line before it ends; and that process."""
    more = {"user": None, **more}
    job = pool.job(*options, command=("sh", "-c", f"{way}; echo started; read word"),
                   stdin=subprocess.PIPE, **more)
    return job, left_pid(pool)


def noted(pool):
    return [int(pid) for pid in re.findall(r"(\d+) \d+ \d+ ",
                                           pool.value("SELECT leftovers FROM reservation"))]


@pytest.fixture
def open_pool(pool):
    """Where other accounts may write, too."""
    pool.directory.chmod(0o777)
    return pool


# --- The grace -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_what_lives_on_keeps_the_gpus_before_it_uses_them(pool, way):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    job, child = leave(pool, WAYS[way], "-g", "2")
    result = pool.finish(job, b"\n")
    assert result.status == 0
    assert result.err == (
        f"canhazgpu: sleep (pid {child}) is still running: GPUs 0 and 1 stay reserved for you for 1h, and then for as "
        "long as they are used; end the process: canhazgpu release --kill --gpu-ids 0,1\n")
    wait_for(lambda: noted(pool) == [child], "it to be noted")
    assert pool.reserved() == [0, 1]
    supervisor = pool.identity("supervisor").pid
    wait_for(lambda: child in watched_by(supervisor))
    os.kill(child, signal.SIGKILL)
    pool.await_free()
    assert [row[-1] for row in pool.usage()] == ["finished"] * 2


@pytest.mark.parametrize("way", ["in the background", "as a daemon"])
def test_what_the_user_is_told_to_type_ends_it(pool, way):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    job, child = leave(pool, WAYS[way])
    told = pool.finish(job, b"\n").err
    command = re.search(r"end the process: canhazgpu (.*)\n", told)[1]
    assert pool.ok(*command.split()) == "released GPU 0\n"
    assert not is_alive(child) and pool.reserved() == []
    assert [row[-1] for row in pool.usage()] == ["killed"]


def test_after_the_grace_what_does_not_use_the_gpus_keeps_nothing(pool):
    pool.policy("leftovers.grace=1s", *NO_TIMER)
    job, child = leave(pool, WAYS["without both"])
    assert "stays reserved for you for 1s" in pool.finish(job, b"\n").err
    pool.await_free()
    assert is_alive(child)


def test_what_uses_the_gpus_keeps_them_after_the_grace(pool):
    pool.policy("leftovers.grace=2s", *NO_TIMER)
    idle = f"setsid sleep 601 {QUIET} & echo $! >idle; "
    job, child = leave(pool, idle + WAYS["as a daemon"])
    idle = int((pool.directory / "idle").read_text())
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    told = pool.finish(job, b"\n").err
    assert told == (f"canhazgpu: GPU 0 stays reserved for you: sleep (pid {child}) uses it; "
                    "end the process: canhazgpu release --kill --gpu-ids 0\n")
    wait_for(lambda: noted(pool) == [child], "the grace to be over")
    assert f"leftover PID {child} (sleep)" in pool.status()[0] and is_alive(idle)
    os.kill(child, signal.SIGKILL)
    pool.await_free()


def test_what_begins_to_use_the_gpus_within_the_grace_keeps_them(pool):
    pool.policy("leftovers.grace=2s", *NO_TIMER)
    idle = f"setsid sleep 601 {QUIET} & echo $! >idle; "
    job, child = leave(pool, idle + WAYS["as a daemon"])
    assert "are still running: GPU 0 stays reserved for you for 2s" in pool.finish(job, b"\n").err
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    wait_for(lambda: noted(pool) == [child], "the grace to be over")
    os.kill(child, signal.SIGKILL)
    pool.await_free()


def test_a_waiter_gets_the_gpus_when_the_grace_is_over(pool):
    pool.policy("leftovers.grace=1s", *NO_TIMER)
    job, child = leave(pool, WAYS["without both"], "-g", "8")
    waiter = pool.waiter("-g", "8")
    pool.finish(job, b"\n")
    assert pool.read_line(waiter) == "started"
    assert is_alive(child)


def test_released_leftovers_have_no_grace(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    job, child = leave(pool, WAYS["without both"], "--leftovers", "release")
    assert pool.finish(job, b"\n").err == ""
    pool.await_free()
    assert is_alive(child)


def test_killed_leftovers_need_not_use_the_gpus(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    job, child = leave(pool, WAYS["without both"], "--leftovers", "kill")
    told = pool.finish(job, b"\n").err
    assert told == ("canhazgpu: the command has ended, and what it left is ended (--leftovers kill): "
                    f"SIGTERM to sleep (pid {child}), which ignores SIGINT; SIGKILL follows after "
                    "30s\n") or "which" not in told, told
    pool.await_free()
    assert not is_alive(child)


def test_workers_that_end_with_their_command_concern_nobody(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    # It reads until its command is gone.
    os.mkfifo(pool.directory / "pipe")
    script = "cat pipe >/dev/null & exec 3>pipe; exec true"
    for _ in range(3):
        result = pool.run("run", "--", "sh", "-c", script)
        assert (result.status, result.err) == (0, "")
        pool.await_free()


# --- Who it is -------------------------------------------------------------------------------------

# The first thread ends, another lives: /proc shows a zombie without environment.
WITHOUT_FIRST_THREAD = """
import ctypes, os, sys, threading, time
if os.fork() == 0:
    os.setsid()
    for fd in range(3):
        os.dup2(os.open("/dev/null", os.O_RDWR), fd)
    def live():
        open("left", "w").write(str(os.getpid()))
        time.sleep(600)
    threading.Thread(target=live).start()
    ctypes.CDLL(None).syscall(60, 0)
print("started", flush=True)
sys.stdin.readline()
"""


def test_a_process_without_its_first_thread(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    job = pool.job(command=(sys.executable, "-c", WITHOUT_FIRST_THREAD), stdin=subprocess.PIPE)
    child = left_pid(pool, "python3")
    wait_for(lambda: read_stat(child)[0] == "Z")
    assert f"(pid {child}) is still running" in pool.finish(job, b"\n").err
    wait_for(lambda: noted(pool) == [child], "it to be noted")
    os.kill(child, signal.SIGKILL)
    pool.await_free()


def test_a_leftover_that_becomes_another_program(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    os.mkfifo(pool.directory / "go")
    way = "(setsid env -i /bin/sh -c 'echo $$ >left; read word <go; exec sleep 600' </dev/null >/dev/null 2>&1 &)"
    job = pool.job(command=("sh", "-c", f"{way}; echo started; read word"), stdin=subprocess.PIPE)
    child = left_pid(pool, "sh")
    assert f"sh (pid {child}) is still running" in pool.finish(job, b"\n").err
    (pool.directory / "go").write_text("\n")
    wait_for(lambda: comm(child) == "sleep")
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    assert f"leftover PID {child} (sleep)" in pool.status()[0]
    os.kill(child, signal.SIGKILL)
    pool.await_free()


def test_it_is_of_the_job_where_the_supervisor_was_killed(pool):
    job, child = leave(pool, WAYS["as a daemon"])
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    supervisor = pool.identity("supervisor").pid
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor))
    pool.finish(job, b"\n")
    assert f"leftover PID {child} (sleep)" in pool.status()[0] and pool.reserved() == [0]
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not is_alive(child))
    assert pool.status()[0].startswith("GPU 0: AVAILABLE (last released")


def as_root(pool):
    """A program that does something as root, as sudo does."""
    if os.geteuid() != 0:
        pytest.skip("only root can make such a program")
    copy = pool.directory / "as-root"
    source = pool.directory / "as-root.c"
    source.write_text("#include <unistd.h>\nint main(int n, char **v) "
                      "{ setgid(0); setuid(0); execvp(v[1], v + 1); return 127; }\n")
    if subprocess.run(["cc", "-o", copy, source]).returncode != 0:
        pytest.skip("no C compiler")
    copy.chmod(0o4755)
    return "./as-root env --default-signal=INT"


def test_what_root_does_for_a_job_is_of_it_and_only_root_ends_it(open_pool, users):
    pool = open_pool
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    way = f"({as_root(pool)} setsid env -i sh -c 'echo $$ >left; exec sleep 600' {QUIET} &)"
    job, child = leave(pool, way, user=users.a)
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    assert "WITHOUT RESERVATION" not in pool.status()[0]
    pool.put_processes(0)
    told = pool.finish(job, b"\n").err
    assert told == (f"canhazgpu: sleep (pid {child}) of root is still running: GPU 0 stays reserved for you for 1h, and "
                    f"then for as long as it is used; end the process: sudo kill {child}\n")
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    assert "WITHOUT RESERVATION" not in pool.status()[0]
    os.kill(child, signal.SIGTERM)
    pool.await_free()


def test_what_cannot_be_killed_keeps_the_gpus_that_it_uses(open_pool, users):
    pool = open_pool
    way = f"{as_root(pool)} setsid env -i sleep 600 {QUIET} & echo $! >left"
    job, child = leave(pool, way, "--leftovers", "kill", "--grace", "0.1s", user=users.a)
    pool.put_processes(0, {"pid": child, "memory_mb": 5000})
    assert pool.finish(job, b"\n").err == (
        f"canhazgpu: sleep (pid {child}) of root cannot be ended by you; root can: sudo kill {child}\n")
    wait_for(lambda: noted(pool) == [child], "it to be noted")
    os.kill(child, signal.SIGTERM)
    pool.await_free()


def test_a_timeout_says_what_it_cannot_end(open_pool, users):
    pool = open_pool
    sudo = as_root(pool)
    job = pool.popen("run", "--timeout", "0.2s", "--grace", "0.2s", "--",
                     *sudo.split(), "sleep", "600", user=users.a)
    line = job.stderr.readline().decode()
    assert re.fullmatch(rf"canhazgpu: [a-z-]+ \(pid {job.pid}\) of root cannot be ended by you, and "
                        rf"keeps GPU 0 while it lives; root can: sudo kill {job.pid}\n", line)
    assert is_alive(job.pid) and pool.reserved() == [0]
    os.kill(job.pid, signal.SIGTERM)
    assert job.wait(PATIENCE) == -signal.SIGTERM
    pool.await_free()
    assert [row[-1] for row in pool.usage()] == ["timed_out"]


# --- What a timeout sends --------------------------------------------------------------------------


def timed(pool, script, *options, **more):
    """Runs it with a timeout that is over when the command has said that it is set up."""
    for timeout in ("0.5s", "5s", "60s"):
        result = pool.run("run", "--timeout", timeout, *options, "--", "bash", "-c", script, **more)
        pool.await_free()
        if "ready" in result.out:
            return result, timeout
    pytest.fail("no timeout was long enough")


def test_a_timeout_is_told_and_recorded(pool):
    result, timeout = timed(pool, "echo ready; exec sleep 600")
    assert result.status == -signal.SIGINT
    assert re.fullmatch(rf"canhazgpu: the run's time of {timeout} is over: SIGINT to sleep "
                        r"\(pid \d+\); SIGKILL follows after 30s\n", result.err), result
    assert [row[-1] for row in pool.usage()][-1] == "timed_out"
    assert "timed out after" in pool.ok("events")


def test_who_ignores_sigint_gets_sigterm_at_once(pool):
    """As a job does that a script starts with `&`."""
    result, _ = timed(pool, "trap '' INT; trap 'echo heard; exit 3' TERM; echo ready; "
                            "while :; do sleep 0.01; done", "--grace", "1h")
    assert (result.status, result.out) == (3, "ready\nheard\n")
    assert "which ignores SIGINT; SIGKILL follows after 1h\n" in result.err or \
           "which ignore SIGINT; SIGKILL follows after 1h\n" in result.err


def test_a_job_of_a_script_in_the_background_hears_it(pool):
    script = ("canhazgpu run --timeout 0.5s --grace 1h -- perl -e '$SIG{TERM} = sub { print qq(heard\\n); "
              "exit 5 }; sleep 1 while 1' & wait $!; echo status=$?")
    result = pool.run_command(["sh", "-c", script])
    # Where the time was over before perl was set up, the signal has ended it.
    assert result.out in ("heard\nstatus=5\n", "status=143\n"), result


def test_who_only_catches_sigint_gets_sigterm_after_a_part_of_the_grace(pool):
    result, _ = timed(pool, "trap 'echo int' INT; trap 'echo term; exit 4' TERM; echo ready; "
                            "while :; do sleep 0.01; done", "--grace", "1s")
    assert result.status == 4 and result.out.startswith("ready\nint\n"), result
    assert re.search(r"\(pid \d+\),? .*live.? on after SIGINT; SIGKILL follows after", result.err)


def test_in_the_end_it_is_killed(pool):
    result, _ = timed(pool, "trap '' INT TERM; echo ready; while :; do sleep 0.01; done",
                      "--grace", "0.5s")
    assert result.status == -signal.SIGKILL
    assert re.search(r"SIGKILL to bash \(pid \d+\).*, which lives? on after SIGTERM\n", result.err)


@pytest.mark.parametrize("name", ["TERM", "SIGUSR1", "hup"])
def test_a_signal_of_ones_own(pool, name):
    short = name.upper().removeprefix("SIG")
    result, _ = timed(pool, f"trap 'echo heard; exit 6' {short}; echo ready; "
                            "while :; do sleep 0.01; done", "--signal", name)
    assert (result.status, result.out) == (6, "ready\nheard\n")
    assert f"SIG{short} to bash" in result.err


# --- Where it is told ------------------------------------------------------------------------------


def test_a_pipe_ends_when_all_is_said_although_the_grace_goes_on(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    (pool.directory / "script").write_text(WAYS["without both"])
    result = pool.run_command(["sh", "-c", "canhazgpu run -- sh script 2>&1 | cat; echo end"])
    child = left_pid(pool)
    assert re.fullmatch(rf"canhazgpu: sleep \(pid {child}\) is still running: .*\nend\n", result.out), result
    wait_for(lambda: noted(pool) == [child], "it to be noted")
    assert pool.reserved() == [0]


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2>/dev/null"])
def test_where_nothing_can_be_said_all_goes_on_as_else(pool, closed):
    pool.policy("leftovers.grace=1s", *NO_TIMER)
    (pool.directory / "script").write_text(WAYS["without both"])
    assert pool.run_command(["sh", "-c", f"canhazgpu run -- sh script {closed}"]).status == 0
    pool.await_free()


def test_a_reader_that_reads_nothing_holds_nothing_up(pool):
    pool.policy("leftovers.grace=0", *NO_TIMER)
    read, write = full_pipe()
    job = pool.popen("run", "--leftovers", "kill", "--grace", "0.1s", "--", "sh", "-c",
                     f"setsid env -i sleep 600 {QUIET} & echo $! >left", stderr=write)
    os.close(write)
    child = left_pid(pool)
    assert job.wait(PATIENCE) == 0
    pool.await_free()
    assert not is_alive(child)
    os.close(read)


def test_a_file_gets_it_where_the_job_has_stopped_writing(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    log = pool.directory / "log"
    (pool.directory / "script").write_text("echo out >&2; " + WAYS["without both"])
    assert pool.run_command(["sh", "-c", "canhazgpu run -- sh script 2>log"]).status == 0
    wait_for(lambda: "is still running" in log.read_text(), "the line")
    assert log.read_text().splitlines()[0] == "out"


def test_a_terminal_gets_it_even_in_the_background_and_with_tostop(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    terminal = shell(pool)
    try:
        script = pool.directory / "script"
        script.write_text(WAYS["without both"])
        terminal.type("stty tostop; canhazgpu run -- sh script & wait\r")
        terminal.expect(r"canhazgpu: sleep \(pid \d+\) is still running: GPU 0 stays reserved for you")
    finally:
        terminal.close()


def test_a_silent_job_ends_in_silence(pool):
    result = pool.run("run", "--", "true")
    assert (result.status, result.out, result.err) == (0, "", "")
    pool.await_no_supervisors()


def test_names_of_processes_are_harmless(pool):
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    way = ("setsid python3 -c 'import time; open(\"/proc/self/comm\", \"w\").write(\"a\\033[2J\"); "
           f"open(\"left\", \"w\").write(\"1\"); time.sleep(600)' {QUIET} &")
    job = pool.job(command=("bash", "-c", f"{way} echo started; read word"), stdin=subprocess.PIPE)
    wait_for((pool.directory / "left").exists)
    told = pool.finish(job, b"\n").err
    assert "a\\x1b[2J (pid" in told and "\033" not in told
