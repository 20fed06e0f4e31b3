"""NVIDIA's library, through a stand-in for it (tests/standin/nvml.cpp) that the program opens as it
would open the real one: every state of a GPU as people see it in `status`."""

import json
import os
import pathlib
import re
import time

import pytest
from conftest import HMS, REPOSITORY, all_pids, assert_error, in_wsl, is_alive, validate, wait_for

STANDIN = pathlib.Path(os.environ.get("CANHAZGPU_STANDIN", REPOSITORY / "build/dev/tests/standin"))
MODEL = "NVIDIA Example 80GB"


class Nvml:
    """A host whose NVIDIA library tells what the scenario says."""

    def __init__(self, pool, gpus=8):
        self.pool = pool
        self.file = pool.directory / "scenario.json"
        self.standin = {}
        self.gpus = [{"model": MODEL, "memory_used_mb": 0, "temperature_c": 40 + index,
                      "power_w": 70, "pci_bus_id": f"0000:{index + 16:02x}:00.0"}
                     for index in range(gpus)]
        self.use("full")
        pool.environment["NVML_STANDIN_SCENARIO"] = str(self.file)
        self.tell()

    def use(self, generation):
        """The library as drivers of this generation have it; "" for one that can't be loaded."""
        folder = STANDIN / generation if generation else self.pool.directory / "broken"
        if not generation:
            folder.mkdir()
            (folder / "libnvidia-ml.so.1").write_text("no library")
        self.pool.environment["LD_LIBRARY_PATH"] = str(folder)

    def tell(self):
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(json.dumps({"gpus": self.gpus, "standin": self.standin}))
        fresh.chmod(0o644)
        fresh.rename(self.file)
        self.forget()

    def forget(self):
        """What was seen before, which is shown for half a second."""
        reading = pathlib.Path(f"{self.pool.path}-reading")
        if reading.exists():
            reading.write_text("")

    def put(self, gpu, *processes, **values):
        self.gpus[gpu].update(values, processes=list(processes))
        self.tell()


@pytest.fixture
def nvml(bare_pool):
    nvml = Nvml(bare_pool)
    assert bare_pool.ok("admin") == f"set up a pool of 8 GPUs (8x {MODEL}) in {bare_pool.path}\n"
    bare_pool.rows("SELECT 1 FROM host")
    return nvml


@pytest.fixture
def pool(nvml):
    return nvml.pool


def on(process, memory):
    """A real process on a GPU."""
    return {"pid": process.pid, "memory_mb": memory}


def busy(pool, user=None):
    process = pool.start(["sh", "-c", "echo up; exec sleep 600"], user=user)
    assert pool.read_line(process) == "up"
    wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
    return process


def test_admin_and_doctor_name_the_library(nvml, pool):
    assert pool.value("SELECT provider FROM host") == "nvidia"
    assert re.search(r"reading +8 GPUs with NVML 590\.48\.01 in ", pool.run("doctor").out)


def test_idle(nvml, pool):
    assert pool.status() == [f"GPU {index}: AVAILABLE (never used) [validated: 0MB used]"
                             for index in range(8)]
    told = validate(pool.status_json(), "status")
    assert [(gpu["temperature_c"], gpu["power_w"], gpu["pci_bus_id"]) for gpu in told] == [
        (40 + index, 70, f"0000:{index + 16:02x}:00.0") for index in range(8)]
    assert "40C, 70W" in pool.ok("status", "--table")


def test_unreserved_use(nvml, pool, users):
    process = busy(pool, users.b)
    nvml.put(3, on(process, 9000))
    assert pool.status()[3] == (f"GPU 3: IN USE WITHOUT RESERVATION by user {users.b.name} - "
                                f"9000MB used by PID {process.pid} (sleep)")
    assert_error(pool.run("run", "-G", "3", "--nonblock", "--", "true"), 75, "GPU 3, in unreserved use")
    process.kill()
    process.wait()
    assert pool.status()[3] == "GPU 3: AVAILABLE (never used) [validated: 0MB used]"


def test_use_by_the_reservation_and_by_another(nvml, pool, users):
    job = pool.job("-G", "2", user=users.a)
    stranger = busy(pool, users.b)
    nvml.put(2, on(job, 5000))
    assert pool.status()[2].endswith("[validated: 5000MB, 1 processes]")
    nvml.put(2, on(job, 5000), on(stranger, 700))
    assert pool.status()[2].endswith(
        f"[validated: 5700MB, 2 processes] ALSO USED WITHOUT RESERVATION by user {users.b.name} - "
        f"700MB used by PID {stranger.pid} (sleep)")
    assert pool.status_json()[2]["foreign"][0]["pid"] == stranger.pid


def test_what_a_run_starts_as_another_account_is_its_own(nvml, pool, users):
    script = (f"env -i setpriv --reuid={users.b.uid} --clear-groups sleep 600 >&- 2>&- & "
              "echo $!; wait")
    job = pool.job("-G", "2", command=("sh", "-c", script))
    child = int(job.first_line)
    wait_for(lambda: os.stat(f"/proc/{child}").st_uid == users.b.uid)
    nvml.put(2, {"pid": child, "memory_mb": 5000})
    line = pool.status()[2]
    assert line.endswith("[validated: 5000MB, 1 processes]"), line


def test_leftovers(nvml, pool):
    job = pool.job("-G", "1", command=("sh", "-c", "sleep 600 >&- 2>&- & echo $!; read line"),
                   stdin=-1)
    child = int(job.first_line)
    nvml.put(1, {"pid": child, "memory_mb": 5000})
    assert pool.finish(job, b"\n").status == 0
    wait_for(lambda: pool.value("SELECT leftovers FROM reservation"))
    assert pool.status()[1].endswith(
        f"[validated: 5000MB, 1 processes] leftover PID {child} (sleep)")
    os.kill(child, 9)
    pool.await_free()


def test_memory_that_belongs_to_nobody(nvml, pool):
    nvml.put(4, memory_used_mb=9000)
    assert pool.status()[4] == ("GPU 4: IN USE WITHOUT RESERVATION by unknown user - 9000MB used by "
                                "unknown process")
    assert pool.ok("run", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0\n"


def test_graphics_and_small_processes_are_no_use(nvml, pool):
    nvml.put(0, {"pid": 2_000_000_000, "user": "x", "program": "anything", "memory_mb": 300,
                 "type": "graphics"})
    nvml.put(1, {"pid": 2_000_000_000, "user": "x", "program": "anything", "memory_mb": 90})
    assert pool.status()[0] == "GPU 0: AVAILABLE (never used) [validated: 300MB used]"
    assert pool.status()[1] == "GPU 1: AVAILABLE (never used) [validated: 90MB used]"


def test_memory_that_the_driver_hides_is_use(nvml, pool):
    process = busy(pool)
    nvml.put(0, {"pid": process.pid, "memory_mb": None}, memory_used_mb=400)
    assert pool.status()[0].startswith("GPU 0: IN USE WITHOUT RESERVATION by user root")


@pytest.mark.parametrize("text", ["GPU is lost", "GPU requires reset", "something else"])
def test_a_gpu_in_error_is_alone_with_it(nvml, pool, text):
    nvml.put(5, error=text)
    lines = pool.status()
    assert re.match(r"GPU 5: ERROR \(.+\)$", lines[5]), lines
    if text.startswith("GPU"):
        assert lines[5] == f"GPU 5: ERROR ({text})"
    assert all("AVAILABLE" in line for line in lines[:5] + lines[6:])
    assert_error(pool.run("run", "-G", "5", "--nonblock", "--", "true"), 75, "GPU 5")
    assert pool.ok("run", "-g", "7", "--", "echo", "ran") == "ran\n"


@pytest.mark.parametrize("code, text", [(15, "GPU is lost"), (4, ""), (999, "")])
def test_a_process_list_that_fails_is_an_error_of_its_gpu(nvml, pool, code, text):
    """Unknown is never free."""
    nvml.standin = {"fail": {f"nvmlDeviceGetComputeRunningProcesses_v3@1": code}}
    nvml.put(1, memory_used_mb=500)
    lines = pool.status()
    assert lines[1].startswith(f"GPU 1: ERROR ({text}"), lines
    assert all("AVAILABLE" in line for line in lines[:1] + lines[2:])


@pytest.mark.parametrize("generation", ["full", "r535", "old"])
def test_every_generation_of_drivers(nvml, pool, generation):
    nvml.use(generation)
    processes = [busy(pool) for _ in range(3)]
    nvml.put(6, *(on(process, 1000 + index) for index, process in enumerate(processes)))
    assert pool.status()[6] == (
        "GPU 6: IN USE WITHOUT RESERVATION by user root - 3003MB used by " +
        ", ".join(f"PID {process.pid} (sleep)" for process in sorted(processes, key=lambda p: p.pid)))


def test_divided_gpus(nvml, pool):
    parts = [{"uuid": f"MIG-{index}", "model": "1g.10gb"} for index in range(2)]
    process = busy(pool)
    nvml.put(7, on(process, 2000), parts=parts)
    told = validate(pool.status_json(), "status")[7]
    assert [part["uuid"] for part in told["parts"]] == ["MIG-0", "MIG-1"]
    assert told["status"] == "UNRESERVED" and told["processes"][0]["pid"] == process.pid


def test_a_driver_that_hangs(nvml, pool):
    pool.ok("reserve", "-G", "1", "--duration", "2h")
    pool.status()
    nvml.standin = {"hang_in": "nvmlDeviceGetMemoryInfo_v2"}
    fresh = json.dumps({"gpus": nvml.gpus, "standin": nvml.standin})
    nvml.file.write_text(fresh)  # and what was seen before is remembered
    env = {"CANHAZGPU_PROBE_TIMEOUT": "0.3s"}
    for command in (["run", "--", "true"], ["reserve"], ["run", "--nonblock", "--", "true"]):
        assert_error(pool.run(*command, env=env), 1, "NVML did not answer within 0.3s")
    result = pool.run("status", env=env)
    assert result.status == 0
    assert re.fullmatch("canhazgpu: warning: the GPUs cannot be read: NVML did not answer within 0.3s; "
                        rf"showing what was seen {HMS} ago\n", result.err)
    assert re.fullmatch(rf"GPU 0: NOT RESERVED \(never used\) \[validated {HMS} ago: 0MB used\]",
                        result.out.splitlines()[0])
    assert pool.waiting() == [] and pool.reserved() == [1]

    def looking():
        """Processes of the program that are still there, other than those that are ours to end."""
        found = []
        for pid in all_pids():
            try:
                if os.readlink(f"/proc/{pid}/exe") == pool.program and is_alive(pid):
                    found.append(pid)
            except OSError:
                pass
        return found

    wait_for(lambda: not looking(), "all who looked to end")


def test_a_library_that_crashes(nvml, pool):
    nvml.standin = {"crash_in": "nvmlDeviceGetName"}
    nvml.tell()
    result = pool.run("status")
    assert result.status == 0 and "NVML crashed (signal 11)" in result.err
    assert_error(pool.run("run", "--", "true"), 1, "NVML crashed (signal 11)")
    assert pool.waiting() == []


@pytest.mark.parametrize("how, timeout, text", [("crash", "60s", "crashed (signal 11)"),
                                                 ("hang", "0.3s", "did not answer within 0.3s")])
def test_a_library_that_can_not_even_be_loaded(nvml, pool, how, timeout, text):
    env = {"NVML_STANDIN_LOAD": how, "CANHAZGPU_PROBE_TIMEOUT": timeout}
    result = pool.run("doctor", env=env)
    assert result.status == 1 and result.err == "", result
    assert f"loading libnvidia-ml.so.1 {text}" in result.out
    assert re.search(rf"^BAD +reading +NVML {re.escape(text)}", result.out, re.M)
    assert_error(pool.run("admin", env=env), 1, f"NVML {text}")
    # Without a pool, admin asks what there is to read GPUs with.
    bare = {**env, "CANHAZGPU_STORE": f"sqlite:{pool.directory}/bare/pool.db", "PATH": "/nowhere"}
    assert_error(pool.run("admin", env=bare), 1, "found no GPUs")


SMI = """#!/bin/sh
case $1 in
  --query-gpu=*) i=0; while [ $i -lt 8 ]; do
    echo "$i, GPU-00000000-0000-0000-0000-00000000000$i, 00000000:0$i:00.0, M, 0, 81559, 0, Disabled, [N/A], No, None"
    i=$((i + 1)); done ;;
esac
"""


@pytest.mark.parametrize("how, reason", [
    ("mismatch", "driver/library version mismatch"), ("crash", "crashed"), ("bare", "library cannot be used"),
    ("broken", "library cannot be used")])
def test_nvidia_smi_is_asked_where_the_library_is_of_no_use(nvml, pool, how, reason):
    script = pool.directory / "bin/nvidia-smi"
    script.parent.mkdir()
    script.write_text(SMI)
    script.chmod(0o755)
    pool.environment["PATH"] = f"{script.parent}:" + pool.environment["PATH"]
    if how == "bare":
        nvml.use("bare")
    elif how == "broken":
        nvml.use("")
    nvml.standin = {"mismatch": {"init": 18}, "crash": {"crash_in": "nvmlInit_v2"}}.get(how, {})
    nvml.tell()
    assert f"8 GPUs with nvidia-smi (NVML: {reason}) in" in pool.run("doctor").out
    assert pool.status()[0] == "GPU 0: AVAILABLE (never used) [validated: 0MB used]"
    assert pool.ok("run", "--", "echo", "ran") == "ran\n"


def test_the_probe_can_be_chosen(nvml, pool):
    pool.policy("probe=nvidia-smi")
    assert_error(pool.run("run", "--", "/bin/true", env={"PATH": "/nowhere"}), 1, "nvidia-smi")
    nvml.use("")
    pool.policy("probe=nvml")
    assert_error(pool.run("run", "--", "true"), 1,
                 "libnvidia-ml.so.1")


def test_gpus_of_another_order(nvml, pool):
    """A GPU is its UUID: when cards move, the command still gets those that were reserved."""
    for index, gpu in enumerate(nvml.gpus):
        gpu["uuid"] = f"GPU-00000000-0000-0000-0000-{index:012}"
    nvml.gpus.reverse()
    nvml.tell()
    assert pool.ok("run", "-G", "0,1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "6,7\n"


def test_many_at_once_share_one_reading(nvml, pool):
    log = pool.directory / "calls"
    nvml.standin = {"delay_ms": 2, "log": str(log)}
    nvml.tell()
    begin = time.monotonic()
    crowd = [pool.popen("status") for _ in range(100)]
    assert [pool.finish(process).status for process in crowd] == [0] * 100
    # A reading is good for half a second; twice as many would still be shared.
    readings = 2 + 4 * (time.monotonic() - begin)
    assert log.read_text().split().count("nvmlInit_v2") <= readings


# --- What a driver does not tell, and what it asks for ---

COMPUTE = "nvmlDeviceGetComputeRunningProcesses_v3"


def test_memory_that_is_not_told_by_design(nvml, pool):
    """As of a GB10 or a Jetson: its processes decide."""
    process = busy(pool)
    nvml.put(3, memory_used_mb=None, memory_total_mb=None)
    assert pool.status()[3] == "GPU 3: AVAILABLE (never used) [validated: no actual usage detected]"
    assert validate(pool.status_json(), "status")[3]["not_supported"] == ["memory"]
    assert pool.ok("run", "-G", "3", "--nonblock", "--", "echo", "ran") == "ran\n"
    pool.await_free()
    for memory in (700, None):
        nvml.put(3, on(process, memory))
        assert pool.status()[3].startswith("GPU 3: IN USE WITHOUT RESERVATION by user root")
        assert pool.run("run", "-G", "3", "--nonblock", "--", "true").status == 75
    job = pool.job("-G", "4")
    nvml.put(4, on(job, None), memory_used_mb=None)
    assert pool.status()[4].endswith("[validated: 1 processes]")


def test_memory_that_cannot_be_read(nvml, pool):
    nvml.standin = {"fail": {"nvmlDeviceGetMemoryInfo_v2@3": 999}}
    nvml.tell()
    assert pool.status()[3] == "GPU 3: ERROR (NVML reports an unknown error)"


def test_processes_that_are_not_listed_by_design(nvml, pool):
    """As by a guest's vGPU: the memory decides."""
    nvml.standin = {"fail": {f"{COMPUTE}@3": 3}}
    nvml.put(3, memory_used_mb=500)
    assert pool.status()[3] == "GPU 3: AVAILABLE (never used) [validated: 500MB used]"
    assert validate(pool.status_json(), "status")[3]["not_supported"] == ["processes"]
    nvml.put(3, memory_used_mb=5000)
    assert pool.status()[3].startswith("GPU 3: IN USE WITHOUT RESERVATION by unknown user - 5000MB")


def test_leftovers_where_no_process_is_listed(nvml, pool):
    """Whether they use it nobody tells; while it is in use, they may."""
    pool.policy("leftovers.grace=0s")
    nvml.standin = {"fail": {f"{COMPUTE}@3": 3}}
    nvml.tell()
    job = pool.job("-G", "3", command=("sh", "-c", "sleep 600 >&- 2>&- & echo $!; read line"), stdin=-1)
    nvml.put(3, memory_used_mb=5000)
    child = int(job.first_line)
    assert pool.finish(job, b"\n").status == 0
    wait_for(lambda: pool.value("SELECT leftovers FROM reservation"))
    assert pool.reserved() == [3]
    nvml.put(3, memory_used_mb=0)
    os.kill(child, 9)
    pool.await_free()


def test_a_gpu_of_which_neither_is_told(nvml, pool):
    nvml.standin = {"fail": {f"{COMPUTE}@3": 3}}
    nvml.put(3, memory_used_mb=None)
    why = "its driver tells neither its memory nor its processes"
    assert pool.status()[3] == f"GPU 3: ERROR ({why})"
    assert_error(pool.run("run", "-G", "3", "--", "true"), 2, f"GPU 3 can never be granted: {why}")
    assert pool.run("admin").err == f"canhazgpu: warning: GPU 3 can never be granted: {why}\n"
    assert f"GPU 3: {why}" in pool.run("doctor").out


def test_two_gpus_with_one_uuid(nvml, pool):
    nvml.put(7, uuid="GPU-00000000-0000-0000-0000-000000000006")
    pool.ok("admin", "--force", "--yes")
    why = "two GPUs have the UUID GPU-00000000-0000-0000-0000-000000000006"
    assert pool.status()[6:] == [f"GPU {index}: ERROR ({why})" for index in (6, 7)]
    assert pool.ok("run", "-g", "6", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1,2,3,4,5\n"


def test_processes_of_windows(nvml, pool):
    process = busy(pool)
    nvml.standin = {"process_names": {str(process.pid): r"C:\x\TextInputHost.exe"}}
    nvml.put(3, on(process, None), memory_used_mb=400)
    # The process of this host that calls itself so is in use of its GPU.
    assert pool.status()[3].startswith("GPU 3: IN USE WITHOUT RESERVATION by user root")
    nvml.forget()
    gpu = validate(json.loads(in_wsl(pool, "status", "--json")), "status")[3]
    assert gpu["status"] == "AVAILABLE"
    assert gpu["processes"] == [{"pid": process.pid, "program": "TextInputHost.exe", "type": "COMPUTE"}]


def test_a_mig_device_in_use_makes_its_gpu_in_use(nvml, pool):
    """Whatever the GPU says of itself."""
    nvml.put(3, memory_used_mb=45, parts=[{"memory_used_mb": 9}, {"memory_used_mb": 4000}])
    assert pool.status()[3].startswith("GPU 3: IN USE WITHOUT RESERVATION by unknown user")
    nvml.put(3, memory_used_mb=45, parts=[{"memory_used_mb": 9}, {"memory_used_mb": 17}])
    assert pool.status()[3].startswith("GPU 3: AVAILABLE")


def test_a_driver_that_asks_for_a_reset(nvml, pool):
    job = pool.job("-G", "6")
    nvml.standin = {"recovery_actions": {"2": 1, "3": 4, "4": 2, "5": 3, "6": 1, "7": 99},
                    "faulty_memory": [0]}
    nvml.tell()
    lines = pool.status()
    assert lines[0].endswith("] NOTICE: faulty memory is replaced at its next reset")
    assert lines[2:5] == ["GPU 2: ERROR (its driver asks for a reset)",
                          "GPU 3: ERROR (its driver asks to end all work on it, and for a reset)",
                          "GPU 4: ERROR (its driver asks for a reboot of the host)"]
    assert lines[5].endswith("] NOTICE: its driver asks to end peer-to-peer traffic")
    assert lines[6].endswith("] NOTICE: its driver asks for a reset")
    assert lines[7].endswith("] NOTICE: its driver asks for recovery (action 99)")
    doctor = pool.run("doctor").out
    assert ("GPU 4: its driver asks for a reboot of the host -> it is not given to anybody before; when "
            "the jobs on all GPUs have ended: sudo reboot") in " ".join(doctor.split())
    assert pool.run("run", "-g", "5", "--nonblock", "--", "true").status == 75
    assert pool.ok("run", "-g", "4", "--nonblock", "--", "sh", "-c",
                   "echo $CUDA_VISIBLE_DEVICES") == "0,1,5,7\n"
    job.kill()


def test_busy_without_a_process(nvml, pool):
    nvml.put(3, utilization_percent=93)
    assert pool.status()[3].endswith("] NOTICE: 93% busy without any process (a job may have just ended)")
    nvml.put(3, memory_used_mb=4000)
    assert "NOTICE" not in pool.status()[3]
    process = busy(pool)
    nvml.put(3, on(process, 20), utilization_percent=93)
    assert "NOTICE" not in pool.status()[3]


def browser(pool, user, owner):
    """A program with the name of a browser, whose file is `owner`'s."""
    file = pool.directory / f"{owner}s" / "firefox"
    file.parent.mkdir()
    file.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
    file.chmod(0o755)
    os.chown(file, *((0, 0) if owner == "root" else (user.uid, user.gid)))
    process = pool.start([file, "600"], user=user)
    wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text() == "firefox\n")
    return process


def test_a_browser_blocks_no_gpu(nvml, pool, users):
    """Unless the policy wants it, and no program that somebody has called so himself."""
    process = browser(pool, users.a, "root")
    nvml.standin = {"compute_and_graphics_pids": [process.pid]}
    nvml.put(3, on(process, 183))
    assert pool.status()[3] == "GPU 3: AVAILABLE (never used) [validated: 183MB used]"
    own = browser(pool, users.b, "user")
    nvml.put(4, on(own, 183))
    assert pool.status()[4].startswith(f"GPU 4: IN USE WITHOUT RESERVATION by user {users.b.name}")
    pool.policy("ignore_processes=Xorg")
    assert pool.status()[3].startswith(f"GPU 3: IN USE WITHOUT RESERVATION by user {users.a.name}")
