"""AMD's GPUs, through a stand-in for amd-smi that prints what it prints, slowly or never."""

import json
import re

import pytest
from conftest import assert_error, wait_for

SCRIPT = """#!/bin/sh
here=${0%/*}
[ -e "$here/hang" ] && exec sleep 1000
case "$*" in
  static*) cat "$here/static" ;;
  metric*) cat "$here/metric" ;;
  process*) cat "$here/process" ;;
  version*) echo "AMDSMI Tool: 26.2.1 | AMDSMI Library version: 26.2.1 | ROCm version: 7.2.0" ;;
  *) exit 2 ;;
esac
"""
# As the cards are wired: what HIP calls 0 need not be what amd-smi calls 0.
UUIDS = [f"{index:016x}" for index in (0xa1, 0xb2, 0xc3, 0xd4)]


class AmdSmi:
    def __init__(self, pool):
        self.pool = pool
        self.folder = pool.directory / "rocm"
        self.folder.mkdir()
        (self.folder / "amd-smi").write_text(SCRIPT)
        (self.folder / "amd-smi").chmod(0o755)
        pool.environment["PATH"] = f"{self.folder}:" + pool.environment["PATH"]
        pool.environment["LD_LIBRARY_PATH"] = str(self.folder)
        (self.folder / "libnvidia-ml.so.1").touch()  # nor does this host have NVIDIA's
        self.put("static", {"gpu_data": [
            {"gpu": index, "asic": {"market_name": "AMD Example MI300X", "asic_serial": "0x" + uuid},
             "bus": {"bdf": f"0000:{index + 1:02x}:00.0"}} for index, uuid in enumerate(UUIDS)]})
        self.use({})

    def put(self, name, value):
        (self.folder / name).write_text(json.dumps(value))

    def use(self, processes):
        """{gpu: (pid, MiB)}"""
        used = {gpu: 300 + mib for gpu, (_, mib) in processes.items()}
        self.put("metric", {"gpu_data": [
            {"gpu": index, "usage": {"gfx_activity": {"value": 3, "unit": "%"}},
             "mem_usage": {"total_vram": {"value": 196592, "unit": "MB"},
                           "used_vram": {"value": used.get(index, 300), "unit": "MB"}}}
            for index in range(4)]})
        listed = []
        for index in range(4):
            found = [{"process_info": {"name": "python3", "pid": pid,
                                       "memory_usage": {"gtt_mem": {"value": 0, "unit": "B"},
                                                        "cpu_mem": {"value": 0, "unit": "B"},
                                                        "vram_mem": {"value": mib << 20, "unit": "B"}},
                                       "mem_usage": {"value": mib << 20, "unit": "B"}}}
                     for gpu, (pid, mib) in processes.items() if gpu == index]
            listed.append({"gpu": index, "process_list":
                           found or [{"process_info": "No running processes detected"}]})
        self.put("process", listed)
        reading = self.pool.directory / "pool.db-reading"
        if reading.exists():
            reading.write_text("")


@pytest.fixture
def amd(bare_pool):
    amd = AmdSmi(bare_pool)
    out = bare_pool.ok("admin")
    assert out == f"set up a pool of 4 GPUs (4x AMD Example MI300X) in {bare_pool.path}\n"
    bare_pool.rows("SELECT 1 FROM host")
    return amd


@pytest.fixture
def pool(amd):
    return amd.pool


def test_admin_finds_amd(amd, pool):
    assert pool.value("SELECT provider FROM host") == "amd"
    assert "4 GPUs with amd-smi 26.2" in pool.run("doctor").out


def test_a_command_sees_its_gpus_alone(amd, pool):
    script = "echo $ROCR_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES"
    uuids = [row[0] for row in pool.rows("SELECT uuid FROM gpu ORDER BY gpu")]
    assert pool.ok("run", "-G", "1,3", "--", "sh", "-c", script) == (
        f"{uuids[1]},{uuids[3]} 0,1 0,1\n")
    assert f"export ROCR_VISIBLE_DEVICES={uuids[2]} HIP_VISIBLE_DEVICES=0 " in pool.ok(
        "reserve", "-G", "2")


def test_use(amd, pool):
    assert pool.status()[0] == "GPU 0: AVAILABLE (never used) [validated: 300MB used]"
    job = pool.job("-G", "2")
    stranger = pool.start(["sh", "-c", "echo up; exec sleep 600"])
    assert pool.read_line(stranger) == "up"
    wait_for(lambda: open(f"/proc/{stranger.pid}/comm").read() == "sleep\n")
    amd.use({2: (job.pid, 5000), 3: (stranger.pid, 7000)})
    lines = pool.status()
    assert lines[2].endswith("[validated: 5000MB, 1 processes]"), lines
    assert lines[3] == ("GPU 3: IN USE WITHOUT RESERVATION by user root - 7000MB used by "
                        f"PID {stranger.pid} (sleep)")
    assert_error(pool.run("run", "-G", "3", "--nonblock", "--", "true"), 75, "unreserved use")


def test_a_tool_that_hangs(amd, pool):
    (amd.folder / "hang").touch()
    env = {"CANHAZGPU_PROBE_DEADLINE": "1s"}
    result = pool.run("run", "--", "true", env=env)
    assert_error(result, 1, "did not answer within")
    result = pool.run("status", env=env)
    assert result.status == 0
    assert re.search(r"cannot be read: .* did not answer within", result.err)


def test_a_tool_that_fails(amd, pool):
    (amd.folder / "process").write_text("Traceback (most recent call last):\n  boom\n")
    assert_error(pool.run("run", "--", "true"), 1, "amd-smi")
    assert pool.waiting() == [] and pool.reserved() == []
