"""A process on a GPU that is stuck in the kernel with its memory locked: whoever asks /proc about it
waits for as long. Other programs that read /proc hang as well, so this is short, and alone."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE, assert_error, is_alive, wait_for
from test_nvml import nvml, pool  # noqa: F401 (fixtures)

SCRIPT = pathlib.Path(__file__).with_name("locked_process.py")


@pytest.fixture
def lock(pool):
    """Makes such a process, and gives its pid."""
    if os.geteuid() != 0:
        pytest.skip("only root can lock the memory of a process for good")
    servers, pids = [], []

    def make():
        folder = pool.directory / f"locked-{len(pids)}"
        folder.mkdir()
        servers.append(pool.start([sys.executable, SCRIPT, folder]))
        pid = pool.read_line(servers[-1])
        if not pid:
            pytest.skip(f"this host can't lock the memory of a process: {servers[-1].communicate()[1]}")
        pids.append(int(pid))
        return pids[-1]

    yield make
    for server in servers:
        server.kill()
    wait_for(lambda: not any(map(is_alive, pids)))


@pytest.fixture
def locked(lock):
    return lock()


def on(pid, memory):
    return {"pid": pid, "memory_mb": memory}


def test_it_is_shown_without_what_can_not_be_read_and_its_gpu_is_not_granted(nvml, pool, locked):
    nvml.put(3, on(locked, 9000))
    name = pathlib.Path(f"/proc/{locked}/comm").read_text().strip()
    expected = ("GPU 3: IN USE WITHOUT RESERVATION by user root - 9000MB used by "
                f"PID {locked} ({name})")
    assert pool.status()[3] == expected
    # Now a reading of somebody else.
    assert pool.status()[3] == expected
    assert_error(pool.run("run", "-G", "3", "--nonblock", "--", "true"), 75, "GPU 3, in unreserved use")
    assert pool.ok("run", "--", "echo", "ran") == "ran\n"


def test_it_is_shown_as_seen_last_where_nothing_can_be_read(nvml, pool, locked):
    nvml.put(3, on(locked, 9000))
    pool.status()
    nvml.standin = {"hang_in": "nvmlDeviceGetMemoryInfo_v2"}
    reading = pathlib.Path(f"{pool.path}-reading").read_text()
    nvml.tell()
    pathlib.Path(f"{pool.path}-reading").write_text(reading)
    results = []

    # What was seen is shown as it is for half a second.
    def is_told():
        results.append(pool.run("status", env={"CANHAZGPU_PROBE_DEADLINE": "1s"}))
        return "NVML did not answer within 1s" in results[-1].err

    wait_for(is_told, "the reading to be too old")
    result = results[-1]
    assert result.status == 0
    assert f"PID {locked} (" in result.out.splitlines()[3]


def test_it_hides_no_other_process(nvml, pool, locked):
    others = [pool.start(["sleep", "600"]) for _ in range(2)]
    nvml.put(3, on(others[0].pid, 200), on(locked, 9000), on(others[1].pid, 300))
    told = {process["pid"]: process for process in pool.status_json()[3]["processes"]}
    assert [told[other.pid].get("command_line") for other in others] == ["sleep 600"] * 2
    assert not told[locked].get("command_line")


def test_several_take_no_longer_than_one_and_hide_no_other(nvml, pool, lock):
    others = [pool.start(["sleep", "600"]) for _ in range(2)]
    stuck = [lock() for _ in range(8)]
    nvml.put(3, on(others[0].pid, 200), *(on(pid, 9000) for pid in stuck), on(others[1].pid, 300))
    begin = time.monotonic()
    told = {process["pid"]: process for process in pool.status_json()[3]["processes"]}
    assert time.monotonic() - begin < 10 * 1  # ten times what rule 19 promises
    assert [told[other.pid].get("command_line") for other in others] == ["sleep 600"] * 2
    assert not any(told[pid].get("command_line") for pid in stuck)


def test_simulated_gpus_show_it_as_well(nvml, pool, locked):
    simulated = {"CANHAZGPU_STORE": f"sqlite:{pool.directory / 'fake/pool.db'}"}
    pool.ok("admin", "--provider", "fake", "--gpus", "8", env=simulated)
    file = pool.directory / "fake/fake-gpus.json"
    file.write_text(json.dumps({"gpus": [{"processes": [on(locked, 9000)]}] * 8}))
    assert f"9000MB used by PID {locked} (" in pool.status(env=simulated)[7]


def job_that_ends(pool, *options, leaves=""):
    """A job that ends when it may, and leaves this."""
    script = f"{leaves} echo started; read word"
    return pool.job(*options, command=("sh", "-c", script), stdin=subprocess.PIPE)


def test_it_does_not_hold_the_end_of_a_job_that_is_older(nvml, pool, lock):
    job = job_that_ends(pool, "-G", "2")
    lock()
    begin = time.monotonic()
    assert pool.finish(job, b"\n").status == 0
    pool.await_free()
    assert time.monotonic() - begin < 10 * 2.2  # ten times what rule 8 promises


def test_what_a_job_leaves_beside_it_is_found(nvml, pool, lock):
    # A shell has its background ignore SIGINT.
    leaves = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >left;"
    options = ["-G", "2", "--leftovers", "kill", "--grace", "0.1s"]
    job = job_that_ends(pool, *options, leaves=leaves)
    lock()
    # Of the job by its environment alone, as what was left is as soon as the command ends.
    carried = {"CANHAZGPU_RESERVATION": pool.value("SELECT id FROM reservation")}
    carrier = pool.start(["sleep", "600"], env=carried)
    pool.finish(job, b"\n")
    pool.await_free()
    assert not is_alive(int((pool.directory / "left").read_text()))
    assert carrier.wait(PATIENCE) < 0
