"""The nvidia provider, through a stand-in for nvidia-smi that answers, dawdles, hangs, or fails."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from conftest import HMS, REPOSITORY, all_pids, assert_error, children_of, validate, wait_for

UUIDS = [f"GPU-5f3a0c1e-0000-4b00-8000-{index:012}" for index in range(4)]

STAND_IN = r"""#!/bin/sh
# Answers from files of its folder, in the order of what they say: wait, then print, then exit.
here=${0%/*}
echo "$*" >>"$here/asked"
[ -e "$here/delay" ] && sleep "$(cat "$here/delay")"
[ -e "$here/hang" ] && exec sleep 1000
[ -e "$here/deaf" ] && { trap '' TERM INT; sleep 1000; }
case $1 in
  --query-gpu=index,uuid,pci.bus_id,name,memory.used,memory.total,utilization.gpu,mig.mode.current)
    cat "$here/gpus" ;;
  --query-compute-apps=gpu_uuid,pid,process_name,used_memory) cat "$here/processes" ;;
  *) echo "ERROR: Option $1 is not recognized."; exit 2 ;;
esac
exit "$(cat "$here/status")"
"""


class NvidiaSmi:
    def __init__(self, pool):
        self.pool = pool
        self.folder = folder = pool.directory / "smi"
        folder.mkdir()
        (folder / "nvidia-smi").write_text(STAND_IN)
        (folder / "nvidia-smi").chmod(0o755)
        self.gpus(*[0, 0, 0, 0])
        self.processes()
        self.put("status", "0")

    def put(self, name, text=""):
        fresh = self.folder / "fresh"
        fresh.write_text(text)
        fresh.rename(self.folder / name)
        self.forget()

    def put_quietly(self, name):
        """Without a trace in what was seen before."""
        (self.folder / name).touch()

    def forget(self):
        """What was seen before, which is shown for half a second."""
        reading = pathlib.Path(f"{self.pool.path}-reading")
        if reading.exists():
            reading.write_text("")

    def asked(self):
        """The questions since the last time."""
        file = self.folder / "asked"
        questions = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return questions

    def drop(self, name):
        (self.folder / name).unlink()

    def gpus(self, *used):
        self.put("gpus", "".join(
            f"{index}, {UUIDS[index]}, 00000000:{26 + index:X}:00.0, NVIDIA Example 80GB, {memory}, "
            "81559, 0, Disabled\n" for index, memory in enumerate(used)))

    def processes(self, *rows):
        self.put("processes", "".join(f"{UUIDS[gpu]}, {pid}, {name}, {memory}\n"
                                      for gpu, pid, name, memory in rows))


@pytest.fixture
def smi(bare_pool):
    smi = NvidiaSmi(bare_pool)
    # A library that can't be loaded, whatever this host has: nvidia-smi is asked.
    (smi.folder / "libnvidia-ml.so.1").touch()
    bare_pool.environment["LD_LIBRARY_PATH"] = str(smi.folder)
    bare_pool.environment["PATH"] = f"{smi.folder}:" + bare_pool.environment["PATH"]
    yield smi
    (smi.folder / "asked").unlink(missing_ok=True)


@pytest.fixture
def nvidia(bare_pool, smi):
    assert bare_pool.ok("admin") == (
        f"set up a pool of 4 GPUs (4x NVIDIA Example 80GB) in {bare_pool.path}\n")
    return bare_pool


def test_admin_finds_the_gpus(nvidia):
    assert nvidia.rows("SELECT gpu, uuid, model FROM gpu") == [
        (index, uuid, "NVIDIA Example 80GB") for index, uuid in enumerate(UUIDS)]
    assert nvidia.value("SELECT provider FROM host") == "nvidia"
    assert_error(nvidia.run("admin", "--gpus", "3"), 1, "--gpus 3 contradicts the 4 GPUs found here",
                 "--force")
    assert nvidia.ok("admin") == (
        f"the pool has 4 GPUs (4x NVIDIA Example 80GB) in {nvidia.path}\n")


def test_a_gpu_in_mig_mode_is_not_granted_on_an_empty_list(nvidia, smi):
    rows = (smi.folder / "gpus").read_text().splitlines(keepends=True)
    rows[0] = rows[0].replace(" 0, 81559, 0, Disabled", " 300, 81559, [N/A], Enabled")
    smi.put("gpus", "".join(rows))
    assert nvidia.run("run", "-G", "0", "--nonblock", "--", "true").status == 75
    assert "does not tell what runs on its MIG devices" in nvidia.status()[0]
    nvidia.ok("run", "-G", "1", "--nonblock", "--", "true")


def test_admin_without_nvidia_smi(bare_pool):
    path = {"PATH": str(bare_pool.directory)}
    assert_error(bare_pool.run("admin", env=path), 1,
                 "found no GPUs: there is no driver and no tool of NVIDIA or AMD",
                 "--provider fake")


def test_status(nvidia, smi):
    assert nvidia.status()[0] == "GPU 0: AVAILABLE (never used) [validated: 0MB used]"
    smi.gpus(0, 8452, 4, 0)
    smi.processes((1, os.getpid(), "/usr/bin/python3", 8000), (1, os.getppid(), "sh", 452))
    line = nvidia.status()[1]
    assert re.fullmatch(rf"GPU 1: IN USE WITHOUT RESERVATION by user \S+ - 8452MB used by "
                        rf"PID {os.getpid()} \(.*\), PID {os.getppid()} \(.*\)", line), line


def test_run(nvidia):
    script = "echo $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES"
    result = nvidia.run("run", "-G", "1,3", "--", "sh", "-c", script)
    assert result.out == f"1,3 {UUIDS[1]},{UUIDS[3]}\n" and result.err == ""


def test_a_run_sees_its_own_processes_as_its_own(nvidia, smi):
    job = nvidia.job("-G", "2")
    smi.gpus(0, 0, 3000, 0)
    smi.processes((2, job.pid, "sleep", 3000))
    assert re.fullmatch(rf"GPU 2: IN USE by root for {HMS} \(run, last heartbeat {HMS} ago\) "
                        r"\[validated: 3000MB, 1 processes\]", nvidia.status()[2])
    job.kill()
    smi.gpus(0, 0, 0, 0)
    smi.processes()
    nvidia.await_free()


def test_idle_gpus_are_not_asked_for_processes(nvidia, smi):
    smi.forget()
    smi.asked()
    nvidia.status()
    asked = smi.asked()
    assert len(asked) == 1 and asked[0].startswith("--query-gpu=")


def test_slow(nvidia, smi):
    smi.put("delay", "0.7")
    assert nvidia.ok("run", "--", "echo", "ran") == "ran\n"
    assert nvidia.run("status").err == ""


HANGS = ["hang", "deaf"]


@pytest.mark.parametrize("how", HANGS)
def test_hanging(nvidia, smi, how):
    nvidia.ok("reserve", "-G", "1", "--duration", "2h")
    nvidia.status()
    smi.put_quietly(how)
    env = {"CANHAZGPU_PROBE_TIMEOUT": "0.3s"}
    text = "nvidia-smi did not answer within 0.3s"
    for command in (["run", "--", "true"], ["reserve"], ["run", "--nonblock", "--", "true"]):
        assert_error(nvidia.run(*command, env=env), 1, text, "stuck")
    result = nvidia.run("status", env=env)
    assert result.status == 0
    assert re.fullmatch(rf"canhazgpu: warning: the GPUs cannot be read: {text}; "
                        rf"showing what was seen {HMS} ago\n", result.err), result
    lines = result.out.splitlines()
    assert re.fullmatch(rf"GPU 0: NOT RESERVED \(never used\) \[validated {HMS} ago: 0MB used\]",
                        lines[0]), lines
    assert nvidia.ok("status", "--summary", env=env).endswith(" ago]\n")
    stale = validate(json.loads(nvidia.ok("status", "--json", env=env)), "status")
    assert stale[0]["stale"] is True
    assert lines[1].startswith("GPU 1: IN USE by root for ")
    # Nothing of it is left: neither request nor process.
    assert nvidia.waiting() == [] and nvidia.reserved() == [1]
    folder = str(smi.folder)

    def left():
        found = []
        for pid in all_pids():
            try:
                if folder.encode() in open(f"/proc/{pid}/cmdline", "rb").read():
                    found.append(pid)
            except OSError:
                pass
        return found

    wait_for(lambda: not left())
    # What needs no look is not kept by it.
    smi.asked()
    assert nvidia.ok("release") == "released GPU 1\n"
    assert smi.asked() == []


def test_many_at_once_share_one_reading(nvidia, smi):
    smi.put("delay", "0.1")
    smi.asked()
    begin = time.monotonic()
    crowd = [nvidia.popen("status") for _ in range(100)]
    for process in crowd:
        result = nvidia.finish(process)
        assert result.status == 0 and result.err == "" and result.out.count("AVAILABLE") == 4
    # A reading is good for half a second; twice as many would still be shared.
    readings = 2 + 4 * (time.monotonic() - begin)
    assert len(smi.asked()) <= readings


def test_who_reserves_looks_for_himself(nvidia, smi):
    nvidia.status()
    smi.asked()
    nvidia.ok("reserve")
    assert len(smi.asked()) == 1


def test_what_is_released_is_not_shown_as_it_was_before(nvidia, smi):
    job = nvidia.job("-G", "2")
    smi.gpus(0, 0, 3000, 0)
    smi.processes((2, 2_000_000_000, "python3", 3000))
    assert "3000MB" in nvidia.status()[2]
    for name, text in (("gpus", (smi.folder / "gpus").read_text().replace("3000", "0")),
                       ("processes", "")):
        (smi.folder / name).write_text(text)
    job.kill()
    nvidia.await_free()
    assert re.fullmatch(rf"GPU 2: AVAILABLE \(last released {HMS} ago\) \[validated: 0MB used\]",
                        nvidia.status()[2])


def test_a_reading_is_no_secret_and_no_trap(nvidia, smi, users):
    """Whoever may use the pool may write the file; that hides nothing for longer than a moment."""
    reading = pathlib.Path(f"{nvidia.path}-reading")
    assert reading.stat().st_mode & 0o777 == 0o666
    assert nvidia.run("status", user=users.a).out.count("AVAILABLE") == 4
    for text in (b"", b"\0" * 4096, b"{}", b"0" * 16 + b" {}", os.urandom(5000)):
        reading.write_bytes(text)
        assert nvidia.ok("status").count("AVAILABLE") == 4
    reading.unlink()
    assert nvidia.ok("status", user=users.a).count("AVAILABLE") == 4
    assert nvidia.ok("run", "--", "echo", "ran") == "ran\n"
    nvidia.ok("admin")
    assert reading.stat().st_mode & 0o777 == 0o666


def test_the_timeout_is_for_all_questions_together(nvidia, smi):
    smi.gpus(0, 500, 0, 0)
    smi.put("delay", "0.7")
    result = nvidia.run("run", "--", "true", env={"CANHAZGPU_PROBE_TIMEOUT": "1s"})
    assert_error(result, 1, "nvidia-smi did not answer within 1s")


def test_hanging_at_the_end_of_a_job(nvidia, smi):
    """Whether what is left of it uses its GPU can't be seen then: so it is kept while that lives."""
    script = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!; read line"
    job = nvidia.job(command=("sh", "-c", script), stdin=subprocess.PIPE,
                     env={"CANHAZGPU_PROBE_TIMEOUT": "0.5s"})
    left = int(job.first_line)
    # While it becomes `sleep` it has no environment that could tell whose it is.
    wait_for(lambda: pathlib.Path(f"/proc/{left}/comm").read_text() == "sleep\n")
    smi.put("hang")
    assert nvidia.finish(job, b"\n").status == 0
    wait_for(lambda: nvidia.value("SELECT leftovers FROM reservation").startswith(f"{left} "))
    assert nvidia.reserved() == [0]
    os.kill(left, signal.SIGKILL)
    nvidia.await_free()


def test_hanging_at_the_end_of_a_job_that_leaves_nothing(nvidia, smi):
    job = nvidia.job()
    smi.put("hang")
    smi.asked()
    job.kill()
    nvidia.await_free()
    assert smi.asked() == []


def test_ctrl_c_while_it_hangs(nvidia, smi):
    smi.put("hang")
    process = nvidia.popen("run", "--", "true")
    wait_for(lambda: (smi.folder / "asked").exists() and
             "--query-gpu" in (smi.folder / "asked").read_text())
    wait_for(lambda: any(b"1000" in command_line(pid) for pid in children_of(process.pid)))
    process.send_signal(signal.SIGINT)
    result = nvidia.finish(process)
    assert result.status in (130, -signal.SIGINT), result


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.parametrize(
    "status, out, text",
    [(9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure "
         "that the latest NVIDIA driver is installed and running.\n\n",
      "nvidia-smi failed: the NVIDIA driver is not loaded"),
     (18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 600.01\n",
      "nvidia-smi failed: driver/library version mismatch"),
     (6, "No devices were found\n", "nvidia-smi failed: no GPU was found"),
     (255, "Failed to initialize NVML: Unknown Error\n",
      "nvidia-smi failed: unknown error"),
     (9, "", "nvidia-smi failed: the NVIDIA driver is not loaded"),
     (1, "something \x1b[31mnew\n", "nvidia-smi failed with exit status 1: 'something \\x1b[31mnew'"),
     (0, "", "nvidia-smi gave no readings")])
def test_failures(nvidia, smi, status, out, text):
    smi.put("gpus", out)
    smi.put("status", str(status))
    for command in (["run", "--", "true"], ["reserve"], ["admin", "--gpus", "4"]):
        result = nvidia.run(*command)
        assert_error(result, 1, text)
    result = nvidia.run("status")
    assert result.status == 0
    assert result.err == f"canhazgpu: warning: the GPUs cannot be read: {text}\n"
    assert result.out.splitlines()[0] == "GPU 0: NOT RESERVED (never used) [not validated]"
    assert nvidia.waiting() == [] and nvidia.reserved() == []


def test_one_lost_gpu_does_not_hide_the_others(nvidia, smi):
    rows = (smi.folder / "gpus").read_text().splitlines()
    rows[2] = (f"Unable to determine the device handle for GPU 0000:1C:00.0: GPU is lost.  Reboot "
               "the system to recover this GPU")
    smi.put("gpus", "\n".join(rows) + "\n")
    smi.put("status", "15")
    lines = nvidia.status()
    assert lines[0].startswith("GPU 0: AVAILABLE") and lines[3].startswith("GPU 3: AVAILABLE")
    assert lines[2].startswith("GPU 2: ERROR (")
    assert nvidia.ok("run", "-g", "3", "--nonblock", "--", "sh", "-c",
                     "echo $CUDA_VISIBLE_DEVICES") == "0,1,3\n"


def test_a_gpu_that_says_so_itself(nvidia, smi):
    rows = (smi.folder / "gpus").read_text().splitlines()
    rows[1] = f"1, {UUIDS[1]}, 00000000:1B:00.0, [GPU requires reset], [GPU requires reset], " \
              "[GPU requires reset], [GPU requires reset], [GPU requires reset]"
    smi.put("gpus", "\n".join(rows) + "\n")
    assert nvidia.status()[1] == "GPU 1: ERROR (GPU requires reset)"
    assert nvidia.run("run", "-G", "1", "--nonblock", "--", "true").status == 75


def test_processes_that_may_not_be_seen(nvidia, smi):
    smi.gpus(0, 60000, 0, 0)
    smi.put("processes", f"{UUIDS[1]}, 1758, [Not Found], 58060\n")
    line = nvidia.status()[1]
    assert line.startswith("GPU 1: IN USE WITHOUT RESERVATION by "), line
    assert "PID 1758" in line
    assert nvidia.run("run", "-G", "1", "--nonblock", "--", "true").status == 75


def test_the_question_for_processes_fails(nvidia, smi):
    """Unknown is never free."""
    smi.gpus(0, 500, 0, 0)
    smi.drop("processes")
    smi.put("status", "1")
    assert nvidia.run("run", "--", "true").status == 1
    assert nvidia.run("status").status == 0


def test_the_probe_as_another_account(nvidia, smi, users):
    assert nvidia.ok("run", "--", "echo", "ran", user=users.a) == "ran\n"


def test_probe_key(nvidia):
    assert "libnvidia-ml.so.1" in nvidia.run("status", env={"CANHAZGPU_PROBE": "nvml"}).err
    assert nvidia.run("status", env={"CANHAZGPU_PROBE": "nvidia-smi"}).status == 0


def test_sigchld_ignored(nvidia):
    """As some daemons start their children."""
    result = nvidia.run_command(["sh", "-c", "trap '' CHLD; exec canhazgpu run -- echo ran"])
    assert result.status in (0, 1)
    if result.status == 1:
        assert_error(result, 1, "SIGCHLD")


def test_json_is_valid(nvidia):
    assert [entry["uuid"] for entry in json.loads(nvidia.ok("status", "--json"))] == UUIDS
