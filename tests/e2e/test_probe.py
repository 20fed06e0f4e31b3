"""The nvidia provider, through a stand-in for nvidia-smi that answers, dawdles, hangs, or fails."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from conftest import (HMS, REPOSITORY, all_pids, assert_error, children_of, in_wsl, validate,
                      wait_for)

UUIDS = [f"GPU-5f3a0c1e-0000-4b00-8000-{index:012}" for index in range(4)]

STAND_IN = r"""#!/bin/sh
# Answers from files of its folder, in the order of what they say: wait, then print, then exit.
here=${0%/*}
echo "$*" >>"$here/asked"
[ -e "$here/delay" ] && sleep "$(cat "$here/delay")"
[ -e "$here/hang" ] && exec sleep 1000
[ -e "$here/deaf" ] && { trap '' TERM INT; sleep 1000; }
case $1 in
  --query-gpu=*)
    for field in $(cat "$here/unknown"); do  # in the order in which it would find them
      case $1, in *,$field,*) echo "Field \"$field\" is not a valid field to query."; echo; exit 2 ;; esac
    done
    fields=; place=0
    for field in index uuid pci.bus_id name memory.used memory.total utilization.gpu \
        mig.mode.current retired_pages.pending remapped_rows.pending gpu_recovery_action; do
      place=$((place + 1))
      case ,${1#*=}, in *,$field,*) fields=$fields,$place ;; esac
    done
    cut -d, -f"${fields#,}" "$here/gpus" ;;
  --query-compute-apps=gpu_uuid,pid,process_name,used_memory) cat "$here/processes" ;;
  -L) cat "$here/list" ;;
  -q) [ "$*" = "-q -d PIDS" ] && cat "$here/log" ;;
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
        for name in ("unknown", "list", "log"):
            self.put(name)

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
            "81559, 0, Disabled, [N/A], No, None\n" for index, memory in enumerate(used)))

    def change(self, gpu, **fields):
        """Fields of one GPU's row, by their names with _ for a dot."""
        names = ["index", "uuid", "pci_bus_id", "name", "memory_used", "memory_total", "utilization_gpu",
                 "mig_mode_current", "retired_pages_pending", "remapped_rows_pending",
                 "gpu_recovery_action"]
        rows = [row.split(", ") for row in (self.folder / "gpus").read_text().splitlines()]
        for name, value in fields.items():
            rows[gpu][names.index(name)] = value
        self.put("gpus", "".join(", ".join(row) + "\n" for row in rows))

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
              "[GPU requires reset], [GPU requires reset], [GPU requires reset], [N/A], [N/A], [N/A]"
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


# --- What a driver does not tell, and what it asks for ---


def is_refused(result, text):
    assert_error(result, 2, text, "canhazgpu doctor")
    return True


def test_a_gpu_whose_memory_is_not_told_by_design(nvidia, smi):
    """As a GB10's or a Jetson's: its processes decide."""
    smi.change(0, memory_used="[N/A]", memory_total="[N/A]")
    assert nvidia.status()[0] == "GPU 0: AVAILABLE (never used) [validated: no actual usage detected]"
    assert validate(nvidia.status_json(), "status")[0]["not_supported"] == ["memory"]
    assert nvidia.ok("run", "-G", "0", "--nonblock", "--", "echo", "ran") == "ran\n"
    nvidia.await_free()
    for memory in ("700", "[N/A]"):
        smi.processes((0, os.getpid(), "/usr/bin/python3", memory))
        assert nvidia.status()[0].startswith("GPU 0: IN USE WITHOUT RESERVATION by user root - ")
        assert nvidia.run("run", "-G", "0", "--nonblock", "--", "true").status == 75
    assert nvidia.run("admin").err == ""


def test_a_gpu_whose_memory_cannot_be_read(nvidia, smi):
    """That is no design of its driver's."""
    smi.change(0, memory_used="[Unknown Error]")
    assert nvidia.status()[0] == "GPU 0: ERROR (its memory cannot be read)"
    assert nvidia.run("run", "-G", "0", "--nonblock", "--", "true").status == 75


def test_a_gpu_that_lists_no_processes(nvidia, smi):
    smi.put("processes", f"{UUIDS[1]}, [Not Supported], [Not Supported], [Not Supported]\n")
    smi.gpus(0, 300, 0, 0)
    assert nvidia.status()[1] == "GPU 1: AVAILABLE (never used) [validated: 300MB used]"
    assert validate(nvidia.status_json(), "status")[1]["not_supported"] == ["processes"]
    assert nvidia.ok("run", "-G", "1", "--nonblock", "--", "echo", "ran") == "ran\n"
    nvidia.await_free()
    smi.gpus(0, 5000, 0, 0)
    assert nvidia.status()[1] == ("GPU 1: IN USE WITHOUT RESERVATION by unknown user - 5000MB used by "
                                  "unknown process")
    smi.put("processes", f"{UUIDS[1]}, [Insufficient Permissions], [Insufficient Permissions], 3\n")
    assert nvidia.status()[1] == "GPU 1: ERROR (nvidia-smi does not tell its processes)"


def test_a_gpu_of_which_neither_is_told_is_never_granted(nvidia, smi):
    """Whoever asks for it is told at once, instead of waiting for ever."""
    smi.change(1, memory_used="[N/A]", memory_total="[N/A]")
    smi.put("processes", f"{UUIDS[1]}, [N/A], [N/A], [N/A]\n")
    why = "its driver tells neither its memory nor its processes"
    assert nvidia.status()[1] == f"GPU 1: ERROR ({why})"
    for command in (["run", "-G", "1"], ["run", "-G", "0,1"]):
        assert is_refused(nvidia.run(*command, "--", "true"), f"GPU 1 can never be granted: {why}")
    assert is_refused(nvidia.run("reserve", "-g", "4"),
                      f"4 GPUs can never be granted: this host has 4 (0-3), but not GPU 1: {why}")
    assert nvidia.waiting() == []
    assert nvidia.ok("run", "-g", "3", "--", "echo", "ran") == "ran\n"
    result = nvidia.run("admin")
    assert result.status == 0
    assert result.err == f"canhazgpu: warning: GPU 1 can never be granted: {why}\n"
    result = nvidia.run("doctor")
    assert result.status == 1 and f"BAD   reading     GPU 1: {why}" in result.out, result
    # Drained, it is nobody's concern.
    nvidia.ok("admin", "--drain", "1")
    assert nvidia.status()[1].startswith("GPU 1: OUT OF SERVICE")


def test_two_gpus_with_one_uuid(nvidia, smi):
    """CUDA knows a GPU by its UUID or its place, and a pool by its UUID alone."""
    smi.change(3, uuid=UUIDS[2])
    nvidia.ok("admin", "--force", "--yes")
    why = f"two GPUs have the UUID {UUIDS[2]}"
    lines = nvidia.status()
    assert lines[2:] == [f"GPU {index}: ERROR ({why})" for index in (2, 3)]
    assert nvidia.ok("run", "-g", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1\n"
    assert is_refused(nvidia.run("run", "-g", "3", "--", "true"), why)
    assert f"GPU 2: {why}" in nvidia.run("doctor").out


def test_a_gpu_without_uuid(nvidia, smi):
    smi.change(2, uuid="[N/A]")
    assert nvidia.status()[2] == "GPU 2: ERROR (nvidia-smi does not tell its UUID)"
    assert nvidia.ok("run", "-g", "3", "--nonblock", "--", "echo", "ran") == "ran\n"


# --- Cards that come and go ---


def without(smi, gpu):
    rows = (smi.folder / "gpus").read_text().splitlines()
    del rows[gpu]
    smi.put("gpus", "".join(f"{index}, {row.split(', ', 1)[1]}\n" for index, row in enumerate(rows)))


def test_admin_lets_no_card_go_unasked(nvidia, smi):
    nvidia.ok("admin", "--drain", "1", "--note", "fan broken")
    before = (smi.folder / "gpus").read_text()
    without(smi, 1)
    assert_error(nvidia.run("admin"), 1, "GPU 1 of the pool was not found; nothing was changed",
                 "canhazgpu doctor; if it is gone for good, add --force")
    assert len(nvidia.rows("SELECT 1 FROM gpu")) == 4
    without(smi, 0)
    assert_error(nvidia.run("admin"), 1, "GPUs 0 and 1 of the pool were not found; nothing was changed",
                 "if they are gone")
    assert nvidia.ok("admin", "--force").splitlines() == [
        f"the pool has 2 GPUs (2x NVIDIA Example 80GB) in {nvidia.path}",
        "left the pool: GPUs 0 and 1", "GPU 1 stays out of service if it comes back"]
    # Repaired or not: somebody has drained it.
    smi.put("gpus", before)
    nvidia.ok("admin")
    assert [row[0] for row in nvidia.rows("SELECT uuid FROM gpu ORDER BY gpu")] == UUIDS
    assert nvidia.status()[1] == "GPU 1: OUT OF SERVICE (fan broken)"
    assert nvidia.status()[0].startswith("GPU 0: AVAILABLE")
    nvidia.ok("admin", "--undrain", "1")
    nvidia.ok("admin")
    assert nvidia.status()[1].startswith("GPU 1: AVAILABLE")


# --- nvidia-smi in other moods ---


def test_a_warning_of_the_inforom_is_no_failure(nvidia, smi):
    smi.gpus(0, 40, 0, 0)
    smi.put("status", "14")
    assert nvidia.run("status").err == ""
    assert nvidia.ok("run", "-g", "4", "--nonblock", "--", "echo", "ran") == "ran\n"


@pytest.mark.parametrize("unknown, questions", [
    ("gpu_recovery_action", 2), ("retired_pages.pending remapped_rows.pending gpu_recovery_action", 4),
    ("mig.mode.current", 2)])
def test_an_older_nvidia_smi_is_asked_for_less(nvidia, smi, unknown, questions):
    smi.put("unknown", unknown)
    smi.asked()
    assert nvidia.status() == [f"GPU {index}: AVAILABLE (never used) [validated: 0MB used]"
                               for index in range(4)]
    assert len(smi.asked()) == questions
    if "gpu_recovery_action" not in unknown:
        smi.change(1, gpu_recovery_action="Reset")
        assert nvidia.status()[1] == "GPU 1: ERROR (its driver asks for a reset)"
    smi.put("unknown", "memory.used")
    assert "does not know all the fields" in nvidia.run("status").err


def test_a_slow_nvidia_smi(nvidia, smi):
    smi.put_quietly("hang")
    result = nvidia.run("run", "--", "true", env={"CANHAZGPU_PROBE_TIMEOUT": "0.3s"})
    assert_error(result, 1, "nvidia-smi did not answer within 0.3s",
                 "persistence mode (sudo nvidia-smi -pm 1), or a longer probe.timeout "
                 "(CANHAZGPU_PROBE_TIMEOUT=0.9s)")


def test_processes_of_windows(nvidia, smi):
    """Around WSL: their pids mean nothing here, where another process has the same."""
    smi.gpus(0, 400, 0, 0)
    smi.processes((1, os.getpid(), r"C:\Program Files\x, y\TextInputHost.exe", "[N/A]"))
    gpu = validate(json.loads(in_wsl(nvidia, "status", "--json")), "status")[1]
    assert gpu["status"] == "AVAILABLE"
    assert gpu["processes"] == [{"pid": os.getpid(), "program": "TextInputHost.exe", "type": "COMPUTE"}]
    smi.gpus(0, 5000, 0, 0)
    smi.processes((1, os.getpid(), r"C:\x\train.exe", "[N/A]"))
    assert in_wsl(nvidia, "status").splitlines()[1] == (
        "GPU 1: IN USE WITHOUT RESERVATION by unknown user - 5000MB used by unknown process")


@pytest.mark.parametrize("memory", ["850", "[N/A]"])
def test_a_process_that_is_called_as_one_of_windows(nvidia, smi, memory):
    """By Wine, or by `exec -a`: it is one of this host all the same."""
    smi.gpus(0, 850, 0, 0)
    smi.processes((1, os.getpid(), r"C:\wine\game.exe", memory))
    assert nvidia.status()[1].startswith("GPU 1: IN USE WITHOUT RESERVATION by user root")
    assert nvidia.run("run", "-G", "1", "--nonblock", "--", "true").status == 75
    if memory != "[N/A]":
        assert "IN USE WITHOUT RESERVATION by user root" in in_wsl(nvidia, "status")


def log_of(index, *processes):
    text = (f"\n==============NVSMI LOG==============\n\nAttached GPUs  : 4\n"
            f"GPU 00000000:{26 + index:X}:00.0\n    Processes\n")
    for pid, kind, name, memory in processes:
        text += (f"        GPU instance ID     : N/A\n        Process ID          : {pid}\n"
                 f"            Type            : {kind}\n            Name            : {name}\n"
                 f"            Used GPU Memory : {memory} MiB\n")
    return text


def test_a_desktop(nvidia, smi):
    """What draws is no use, and only the log lists it: `status` with NVML says the same."""
    smi.gpus(0, 1128, 0, 0)
    smi.put("log", log_of(1, (os.getpid(), "G", "/usr/lib/xorg/Xorg", 628), (2_000_000_000, "G", "x", 500)))
    assert nvidia.status()[1] == "GPU 1: AVAILABLE (never used) [validated: 1128MB used]"
    assert [process["type"] for process in nvidia.status_json()[1]["processes"]] == ["GRAPHICS"] * 2
    smi.put("log")
    assert nvidia.status()[1].startswith("GPU 1: IN USE WITHOUT RESERVATION by unknown user")


def test_mig_devices_have_their_names(nvidia, smi):
    smi.change(0, mig_mode_current="Enabled", memory_used="59", utilization_gpu="[N/A]")
    smi.put("list", f"GPU 0: NVIDIA Example 80GB (UUID: {UUIDS[0]})\n"
                    "  MIG 1c.3g.71gb  Device  0: (UUID: MIG-00000000-0000-4b00-8000-000000000000)\n"
                    "  MIG 1g.18gb     Device  1: (UUID: MIG-00000001-0000-4b00-8000-000000000000)\n"
                    f"GPU 1: NVIDIA Example 80GB (UUID: {UUIDS[1]})\n")
    told = validate(nvidia.status_json(), "status")
    assert told[0]["parts"] == [
        {"uuid": f"MIG-0000000{place}-0000-4b00-8000-000000000000",
         "gpu_model": f"NVIDIA Example 80GB MIG {profile}"}
        for place, profile in enumerate(("1c.3g.71gb", "1g.18gb"))]
    assert "parts" not in told[1]
    assert "2 parts" in nvidia.ok("status", "--table")
    # What runs on a MIG device is listed on its GPU.
    smi.change(0, memory_used="2300")
    smi.processes((0, os.getpid(), "python3", 2296))
    assert nvidia.status()[0].startswith("GPU 0: IN USE WITHOUT RESERVATION by user root - 2296MB")


@pytest.mark.parametrize("action, text", [
    ("Reset", "its driver asks for a reset"), ("Reboot", "its driver asks for a reboot of the host"),
    ("Drain and Reset", "its driver asks to end all work on it, and for a reset")])
def test_a_driver_that_asks_for_a_reset(nvidia, smi, action, text):
    job = nvidia.job("-G", "3")
    for gpu in (1, 3):
        smi.change(gpu, gpu_recovery_action=action)
    lines = nvidia.status()
    assert lines[1] == f"GPU 1: ERROR ({text})"
    assert lines[3].endswith(f" NOTICE: {text}") and lines[3].startswith("GPU 3: IN USE by root")
    assert nvidia.run("run", "-G", "1", "--nonblock", "--", "true").status == 75
    assert nvidia.ok("run", "-g", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,2\n"
    assert f"GPU 1: {text}" in nvidia.run("doctor").out
    job.kill()
    smi.change(1, gpu_recovery_action="None")
    assert nvidia.status()[1].startswith("GPU 1: AVAILABLE")


@pytest.mark.parametrize("change, text", [
    ({"gpu_recovery_action": "Drain P2P"}, "its driver asks to end peer-to-peer traffic"),
    ({"remapped_rows_pending": "Yes"}, "faulty memory is replaced at its next reset"),
    ({"retired_pages_pending": "Yes"}, "faulty memory is replaced at its next reset"),
    ({"utilization_gpu": "93"}, "93% busy without any process (a job may have just ended)")])
def test_a_notice(nvidia, smi, change, text):
    smi.change(1, **change)
    assert nvidia.status()[1] == f"GPU 1: AVAILABLE (never used) [validated: 0MB used] NOTICE: {text}"
    assert validate(nvidia.status_json(), "status")[1]["notice"] == text
    assert text in nvidia.ok("status", "--table")
    assert f"note  reading     GPU 1: {text}\n" in nvidia.run("doctor").out
    assert nvidia.ok("run", "-G", "1", "--nonblock", "--", "echo", "ran") == "ran\n"
    smi.change(1, gpu_recovery_action="[N/A]", remapped_rows_pending="No", retired_pages_pending="No",
               utilization_gpu="20")
    assert "NOTICE" not in nvidia.ok("status")
