"""`run` gives its command everything that it would have had without it, and nothing else."""

import os
import re
import signal
import subprocess

import pytest
from conftest import assert_error, wait_for

PYTHON = ["/usr/bin/python3", "-I", "-S", "-c"]


# --- Exit status -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 75, 126, 255])
def test_exit_status_is_the_commands(pool, status):
    assert pool.run("run", "--", "sh", "-c", f"exit {status}").status == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_death_by_signal_is_the_commands(pool, number):
    assert pool.run("run", "--", "sh", "-c", f"kill -{int(number)} $$").status == -number


def test_a_shell_sees_128_and_the_signal(pool):
    script = "canhazgpu run -- sh -c 'kill -9 $$'; echo $?"
    assert pool.run_command(["sh", "-c", script]).out == "137\n"


@pytest.mark.parametrize(
    "command, status, text",
    [("no-such-command", 127, "command 'no-such-command' not found"),
     ("./no-such-file", 127, "command './no-such-file' not found"),
     ("/etc", 126, "command '/etc' is a directory"),
     ("/etc/passwd", 126, "command '/etc/passwd' is not executable"),
     ("", 127, "command '' not found"),
     ("sleep 1", 127, "command 'sleep 1' not found")])
@pytest.mark.parametrize("full", [False, True])
def test_what_cannot_run_is_found_out_before_queueing(pool, command, status, text, full):
    if full:
        pool.ok("reserve", "--gpus", "8")
    arrivals = pool.value("SELECT next_arrival FROM host")
    reserved = pool.reserved()
    assert_error(pool.run("run", "--", command), status, text)
    assert pool.value("SELECT next_arrival FROM host") == arrivals
    assert pool.reserved() == reserved
    assert pool.usage() == []


# --- Environment -----------------------------------------------------------------------------------


def test_variables(pool):
    pool.ok("reserve", "--gpu-ids", "0,2")
    inherited = {"CUDA_VISIBLE_DEVICES": "7", "CUDA_DEVICE_ORDER": "FASTEST_FIRST",
                 "NVIDIA_VISIBLE_DEVICES": "all", "CANHAZGPU_RESERVATION": "other", "MINE": "kept"}
    out = pool.ok("run", "--gpus", "2", "--", "env", env=inherited)
    env = dict(line.split("=", 1) for line in out.splitlines())
    id = env.pop("CANHAZGPU_RESERVATION")
    assert re.fullmatch(r"[0-9a-z]{8}", id)
    # Asked in this order: it goes from the one to the other.
    reserved = {row[0] for row in pool.rows("SELECT id FROM reservation")}
    assert id in reserved | {row[0] for row in pool.usage()}
    ours = {"CUDA_VISIBLE_DEVICES": "1,3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "NVIDIA_VISIBLE_DEVICES": "GPU-00000000-0000-0000-0000-000000000001,"
                                      "GPU-00000000-0000-0000-0000-000000000003"}
    expected = pool.env({**inherited, **ours})
    del expected["CANHAZGPU_RESERVATION"]
    env.pop("PWD", None)
    assert env == expected


def test_ids_are_ascending_however_they_were_named(pool):
    out = pool.ok("run", "--gpu-ids", "5, 1,3-4", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert out == "1,3,4,5\n"


def test_indices_are_those_of_now_where_gpus_have_moved(pool):
    pool.edit_gpus(lambda gpus: gpus.reverse())
    script = "echo $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES"
    out = pool.ok("run", "--gpu-ids", "0", "--", "sh", "-c", script)
    assert out == "7 GPU-00000000-0000-0000-0000-000000000000\n"


# --- Streams ---------------------------------------------------------------------------------------


def test_a_pipeline_sees_the_commands_output_alone(pool):
    data = os.urandom(3_000_000)
    result = pool.run("run", "--", "cat", input=data)
    assert result.status == 0
    assert result.raw_out == data
    assert result.raw_err == b""


def test_stderr_is_the_commands_alone(pool):
    result = pool.run("run", "--", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_verbose_tells_the_ids_on_stderr(pool):
    result = pool.run("-v", "run", "--", "echo", "out")
    assert (result.out, result.err) == ("out\n", "canhazgpu: got GPU 0\n")


def test_a_waiting_run_keeps_stdout_and_stdin_to_the_command(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(command=("cat",), stdin=subprocess.PIPE)
    assert waiter.told.startswith("canhazgpu: 1st in queue, waiting for 1 GPU")
    pool.ok("release")
    result = pool.finish(waiter, b"through")
    assert result.raw_out == b"through"
    assert re.fullmatch(r"(canhazgpu: 1st in queue, .*\n)*canhazgpu: got GPU 0\n", result.err)


def test_it_runs_with_all_streams_closed(pool):
    mark = pool.directory / "mark"
    script = f"exec canhazgpu run -- sh -c 'echo done > {mark}' <&- >&- 2>&-"
    assert pool.run_command(["sh", "-c", script]).status == 0
    assert mark.read_text() == "done\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-"])
@pytest.mark.parametrize("waits", [False, True])
def test_nothing_of_ours_takes_the_place_of_a_closed_stream(pool, closed, waits):
    """Closed, or /dev/null (SQLite sees to it that no database becomes descriptor 2)."""
    listing = pool.directory / "listing"
    script = pool.directory / "script"
    script.write_text(f"for f in 0 1 2; do readlink /proc/$$/fd/$f >>{listing}; done; true")
    shell = f"exec canhazgpu run -- sh {script} {closed}"
    if waits:
        pool.ok("reserve", "--gpus", "8", "--duration", "0.5s")
    assert pool.run_command(["sh", "-c", shell], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL).status == 0
    # The shell itself may open its files in the empty places.
    assert set(listing.read_text().split()) <= {"/dev/null", str(script), str(listing)}


# --- The process -----------------------------------------------------------------------------------


def test_the_command_is_this_process(pool):
    process = pool.popen("run", "--", "sh", "-c", "echo $$")
    assert pool.finish(process).out == f"{process.pid}\n"


def test_the_command_has_no_child_that_it_did_not_start(pool):
    program = """
import os
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none")
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            stat = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat[1]) == os.getpid():
            print("child", name)
"""
    assert pool.ok("run", "--", *PYTHON, program) == "none\n"


def test_no_descriptor_leaks(pool):
    def descriptors(*prefix, **options):
        out = pool.run_command([*prefix, "ls", "-l", "/proc/self/fd"], **options).out
        found = re.findall(r" (\d+) -> (.*)", out)
        return [number for number, target in found if not re.search(r"/proc/\d+/fd", target)]

    assert descriptors() == ["0", "1", "2"]
    assert descriptors(pool.program, "run", "--") == ["0", "1", "2"]
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(command=("ls", "-l", "/proc/self/fd"))
    pool.ok("release")
    out = pool.finish(waiter).out
    found = re.findall(r" (\d+) -> (.*)", out)
    assert [number for number, target in found if "/proc/" not in target] == ["0", "1", "2"]


def test_descriptors_meant_for_the_command_arrive(pool):
    read, write = os.pipe()
    result = pool.run("run", "--", "bash", "-c", f"echo hello >&{write}", pass_fds=[write])
    os.close(write)
    with open(read) as file:
        assert (result.status, file.read()) == (0, "hello\n")


def test_the_supervisor_keeps_no_pipe_open(pool):
    # Else whoever reads the output to its end would wait for the supervisor, not the command.
    pool.ok("run", "--leftovers", "keep", "--", "true")
    process = pool.popen("run", "--", "sh", "-c", "echo out; sleep 600 >/dev/null 2>&1 & echo $!")
    process.stdout.readline()
    child = int(process.stdout.readline())
    pool.put_processes(1, {"pid": child, "memory_mb": 5000})
    assert process.stdout.read() == b""
    os.kill(child, signal.SIGKILL)


STATE = ("sh", "-c",
         "grep -E '^(Sig(Blk|Ign|Cgt|Pnd)|ShdPnd|NoNewPrivs|Seccomp):' /proc/self/status; "
         "cut -d' ' -f5-8 /proc/self/stat; cat /proc/self/oom_score_adj /proc/self/limits; "
         "pwd; umask; nice; cat /proc/self/cgroup")


def disturb():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD])
    for number in (signal.SIGINT, signal.SIGUSR2, signal.SIGPIPE, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o027)
    os.nice(3)
    os.setsid()
    os.chdir("/usr/share")


def normal():
    os.chdir("/usr")


@pytest.mark.parametrize("prepare", [normal, disturb])
def test_the_command_inherits_what_it_would_have_without_run(pool, prepare):
    def seen(result):
        assert result.status == 0, result
        # The pids of group and session are those of the process; that they are is the point. What
        # belongs to a run is marked by a limit that means nothing else.
        return re.sub(r"(Max file locks +)\d+ +", r"\1" + "unlimited".ljust(21), result.out)

    options = {"preexec_fn": prepare, "start_new_session": False}
    script = [*STATE[:2], STATE[2].replace("cut -d' ' -f5-8 /proc/self/stat",
                                           "[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ]; echo $?; "
                                           "cut -d' ' -f7-8 /proc/$$/stat")]
    expected = seen(pool.run_command(script, **options))
    assert seen(pool.run("run", "--", *script, **options)) == expected
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(command=script, **options)
    pool.ok("release")
    assert seen(pool.finish(waiter)) == expected


def test_nohup(pool):
    out = pool.directory / "out"
    with open(out, "wb") as file:
        process = pool.start(["nohup", pool.program, "run", "--", "sh", "-c",
                              "echo started; read line; echo ended"],
                             stdin=subprocess.PIPE, stdout=file)
        wait_for(lambda: out.read_text() == "started\n")
        process.send_signal(signal.SIGHUP)
        result = pool.finish(process, b"\n")
    assert result.status == 0
    assert out.read_text() == "started\nended\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_does_not_end_the_waiting(pool, number):
    """nohup, and background jobs of a script, wait in the queue too."""
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    waiter.send_signal(number)
    # Whatever wakes it next, it looks at its signals first.
    pool.ok("release")
    result = pool.finish(waiter)
    assert (result.status, result.out) == (0, "started\n"), result


# --- Commands --------------------------------------------------------------------------------------


def test_arguments_arrive_as_they_are(pool):
    words = ["", " ", "two words", "-x", "--gpus", "--", "new\nline", "ä€😀", "'\"$`\\", "*"]
    out = pool.ok("run", "-g", "1", "--", "printf", "%s\\0", *words)
    assert out == "".join(word + "\0" for word in words)


def test_bytes_that_are_no_utf8_arrive(pool):
    result = pool.run_command([pool.program, "run", "--", "printf", "%s", b"\xff\xfe".decode(
        "utf-8", "surrogateescape")])
    assert result.raw_out == b"\xff\xfe"


def test_the_command_is_searched_for_as_a_shell_does(pool):
    (pool.directory / "tools").mkdir()
    tool = pool.directory / "tools/my-tool"
    tool.write_text("#!/bin/sh\necho tool $0 $1\n")
    tool.chmod(0o755)
    path = {"PATH": f"/nowhere:{pool.directory}/tools:/usr/bin:/bin"}
    assert pool.ok("run", "--", "my-tool", "x", env=path) == f"tool {tool} x\n"
    assert pool.ok("run", "--", "./tools/my-tool", "x") == "tool ./tools/my-tool x\n"
    assert pool.ok("run", "--", "bash", "-c", "echo $0") == "bash\n"


def test_a_script_without_interpreter_is_run_by_the_shell(pool):
    script = pool.directory / "script"
    script.write_text("echo shell $1 $CUDA_VISIBLE_DEVICES\n")
    script.chmod(0o755)
    assert pool.ok("run", "--", "./script", "x") == "shell x 0\n"


def test_a_script_whose_interpreter_is_missing_frees_its_gpu(pool):
    script = pool.directory / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert_error(pool.run("run", "--", "./script"), 127, "cannot run './script'")
    pool.await_free()


def test_a_relative_store_is_the_same_for_all_parts_of_a_run(pool):
    result = pool.run("--store", "sqlite:pool.db", "run", "--", "echo", "ran",
                      env={"CANHAZGPU_STORE": None})
    assert (result.status, result.out) == (0, "ran\n"), result
    pool.await_free()


def test_a_run_within_a_run(pool):
    script = "echo $CUDA_VISIBLE_DEVICES; canhazgpu run -- sh -c 'echo $CUDA_VISIBLE_DEVICES'"
    assert pool.ok("run", "--", "sh", "-c", script) == "0\n0\n"
    pool.await_free()


def test_chg_is_the_same_program(pool):
    assert pool.run_command(["chg", "run", "--", "echo", "ran"]).out == "ran\n"


def test_the_gpu_is_free_when_a_sequence_goes_on(pool):
    """`run a; run --nonblock b` with one GPU: nothing of a is in b's way."""
    for _ in range(10):
        result = pool.run_command(
            ["sh", "-c", "canhazgpu run -g 8 -- true; canhazgpu run -g 8 -w 5s -- echo ran"])
        assert (result.status, result.out) == (0, "ran\n"), result


# --- Wrong usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, text, hint",
    [(["--gpu-ids", "42"], "unknown GPU '42': this host has 8 (0-7)", None),
     (["--gpu-ids", "7,8"], "unknown GPU '8': this host has 8 (0-7)", None),
     (["--gpus", "9"], "9 GPUs can never be granted: this host has 8 (0-7)", None),
     (["--gpus", "2", "--gpu-ids", "1"], "--gpus 2 contradicts --gpu-ids 1", "leave --gpus out"),
     (["--gpu-ids", "1,1"], "'1,1'", None),
     (["--gpu-ids", "0-3,2"], "'0-3,2'", None),
     (["--gpu-ids", ""], "''", None),
     (["--gpu-ids", "x"], "'x'", None),
     (["--gpu-ids", "3-1"], "'3-1'", None),
     (["--gpu-ids", "-1"], "'-1'", None),
     (["--gpus", "0"], "'0'", None),
     (["--gpus", "-1"], "'-1'", None),
     (["--gpus", "1.5"], "'1.5'", None),
     (["--gpus", "99999999999999999999"], "'99999999999999999999'", None),
     (["--gpus", ""], "''", None)])
def test_what_can_never_be_granted_is_refused_at_once(pool, options, text, hint):
    pool.ok("reserve", "--gpus", "8")
    before = pool.rows("SELECT * FROM reservation")
    assert_error(pool.run("run", *options, "--", "true"), 2, text, hint)
    assert pool.rows("SELECT * FROM reservation") == before
    assert pool.waiting() == []


def test_a_count_that_agrees_with_the_ids_is_fine(pool):
    assert pool.ok("run", "-g", "2", "-G", "1,3", "--", "sh", "-c",
                   "echo $CUDA_VISIBLE_DEVICES") == "1,3\n"


def test_the_separator_is_required(pool):
    assert_error(pool.run("run", "python", "x"), 2, "unexpected word 'python' before '--'",
                 "canhazgpu run --gpus 1 -- python")
    assert_error(pool.run("run"), 2, "no command given to run", "--")
    assert_error(pool.run("run", "--"), 2, "no command given to run", "--")
    assert_error(pool.run("status", "--", "true"), 2, "only 'canhazgpu run' takes a command")
    assert pool.usage() == [] and pool.reserved() == []
