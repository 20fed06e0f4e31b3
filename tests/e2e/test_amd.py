"""AMD's GPUs, through a stand-in for amd-smi that prints what it prints, slowly or never."""

import json
import os
import re
import subprocess
import sys

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
UUIDS = [f"{index:016x}" for index in (0xa1, 0xb2, 0xc3, 0xd4)]
VARIABLES = ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES",
             "GPU_DEVICE_ORDINAL"]
SHOW = "import json, os; print(json.dumps({name: os.environ.get(name) for name in %r}))" % VARIABLES


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
        self.cards([{"market_name": "AMD Example MI300X", "asic_serial": "0x" + uuid}
                    for uuid in UUIDS])
        self.use({})

    def cards(self, asics):
        self.put("static", {"gpu_data": [
            {"gpu": index, "asic": asic, "bus": {"bdf": f"0000:{index + 1:02x}:00.0"}}
            for index, asic in enumerate(asics)]})

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


NAMELESS = "no program can be told to use it: it has no unique id and no known number"
INHERITED = {name: "7" for name in VARIABLES}


def variables(out):
    return {name: value for name, value in json.loads(out).items() if value is not None}


def test_a_command_sees_its_gpus_by_their_uuids_where_nobody_tells_numbers(amd, pool):
    out = pool.ok("run", "-G", "2,3", "--", sys.executable, "-c", SHOW, env=INHERITED)
    assert variables(out) == {"HIP_VISIBLE_DEVICES": f"GPU-{UUIDS[2]},GPU-{UUIDS[3]}"}


def test_a_gpu_that_nothing_names_is_not_granted_and_the_others_are(bare_pool):
    amd = AmdSmi(bare_pool)
    asics = [{"market_name": "AMD Example", "asic_serial": "0x" + uuid} for uuid in UUIDS]
    asics[1] = {"market_name": "0x1002", "asic_serial": "N/A", "target_graphics_version": "gfx1036"}
    amd.cards(asics)
    result = bare_pool.run("admin")
    assert result.status == 0
    assert result.err == f"canhazgpu: warning: GPU 1 can never be granted: {NAMELESS}\n"
    for _ in range(6):  # whichever is the least recently used
        assert bare_pool.ok("run", "--nonblock", "--", "echo", "ran") == "ran\n"
        bare_pool.await_free()
    assert NAMELESS in bare_pool.status()[1]
    assert "ERROR" in bare_pool.status()[1]
    assert f"GPU 1: {NAMELESS}" in bare_pool.run("doctor").out
    # At once, and not after a wait.
    assert_error(bare_pool.run("run", "-G", "1", "--", "true"), 2,
                 f"GPU 1 can never be granted: {NAMELESS}")
    assert_error(bare_pool.run("reserve", "-g", "4"), 2, f"but not GPU 1: {NAMELESS}")


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
    env = {"CANHAZGPU_PROBE_TIMEOUT": "1s"}
    result = pool.run("run", "--", "true", env=env)
    assert_error(result, 1, "did not answer within")
    result = pool.run("status", env=env)
    assert result.status == 0
    assert re.search(r"cannot be read: .* did not answer within", result.err)


def test_a_tool_that_fails(amd, pool):
    (amd.folder / "process").write_text("Traceback (most recent call last):\n  boom\n")
    assert_error(pool.run("run", "--", "true"), 1, "amd-smi")
    assert pool.waiting() == [] and pool.reserved() == []


class Kfd:
    """The driver's files of GPUs, which a mount namespace has in place of the system's."""

    def __init__(self, pool):
        self.pool = pool
        self.root = pool.directory / "class"
        (self.root / "kfd/kfd/proc").mkdir(parents=True)
        self.devices = pool.directory / "dev"
        (self.devices / "dri").mkdir(parents=True)
        for name in ("null", "zero", "random", "urandom", "tty"):
            (self.devices / name).touch()
        (self.devices / "fd").symlink_to("/proc/self/fd")

    def add(self, node, location, more="unique_id 7\n"):
        folder = self.root / f"kfd/kfd/topology/nodes/{node}"
        (folder / "mem_banks/0").mkdir(parents=True)
        (folder / "gpu_id").write_text(f"{1000 + node}\n")
        (folder / "properties").write_text(
            f"simd_count 304\nlocation_id {location}\ndomain 0\ndrm_render_minor {127 + node}\n"
            f"gfx_target_version 90402\n{more}")
        self.render_node(node).touch()
        (folder / "mem_banks/0/used_memory").write_text("10485760\n")
        (folder / "mem_banks/0/properties").write_text("size_in_bytes 25769803776\n")

    def render_node(self, node):
        return self.devices / f"dri/renderD{127 + node}"

    def use(self, pid, node, mib):
        folder = self.root / f"kfd/kfd/proc/{pid}"
        folder.mkdir()
        (folder / f"vram_{1000 + node}").write_text(f"{mib << 20}\n")

    def result(self, *arguments, env=None):
        enter = """for file in null zero random urandom tty; do
          mount --bind /dev/$file "$2/$file" || exit
        done
        mount --bind "$1" /sys/class && mount --rbind "$2" /dev && shift 2 && exec "$@"
        """
        return self.pool.run_command(["unshare", "--mount", "sh", "-c", enter, "sh", self.root,
                                      self.devices, self.pool.program, *arguments], env=env)

    def run(self, *arguments, env=None):
        result = self.result(*arguments, env=env)
        assert result.status == 0, result
        return result.out


@pytest.fixture
def kfd(bare_pool):
    if os.geteuid() != 0:
        pytest.skip("only root can mount files in place of the driver's")
    return Kfd(bare_pool)


@pytest.fixture
def cards(kfd):
    """Four cards. As they are wired, what HIP calls 0 need not be the first one on the bus: it
    counts their nodes. The second one, as many processors' own GPUs, has no unique id."""
    for index, node in enumerate([5, 3, 9, 2]):
        kfd.add(node, (index + 1) << 8, "" if index == 1 else f"unique_id {0xa1 + index}\n")
    kfd.run("admin", "--provider", "amd")
    return kfd


def seen(cards, gpus, **env):
    """The variables of a run's command that are set."""
    out = cards.run("run", "-G", gpus, "--", sys.executable, "-c", SHOW, env=env)
    cards.pool.await_free()
    return variables(out)


@pytest.mark.parametrize("inherited", [{}, INHERITED])
def test_a_command_sees_its_gpus_by_the_numbers_of_hip_alone(cards, inherited):
    assert seen(cards, "1,3", **inherited) == {"HIP_VISIBLE_DEVICES": "1,0"}
    assert seen(cards, "0-2", **inherited) == {"HIP_VISIBLE_DEVICES": "2,1,3"}


@pytest.mark.parametrize("inherited", [{}, INHERITED])
def test_a_command_sees_its_gpus_by_their_uuids_where_its_user_wants_that(cards, inherited):
    assert seen(cards, "0-3", CANHAZGPU_AMD_VARIABLE="rocr", **inherited) == {
        "ROCR_VISIBLE_DEVICES": "GPU-00000000000000a1,1,GPU-00000000000000a3,GPU-00000000000000a4"}


def test_a_shell_gets_a_line_that_contradicts_nothing(cards):
    assert "\nexport HIP_VISIBLE_DEVICES=3\n" in cards.run("reserve", "-G", "2")
    out = cards.run("reserve", "-G", "0", env=INHERITED)
    line = "export HIP_VISIBLE_DEVICES=2; unset ROCR_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES " \
           "GPU_DEVICE_ORDINAL"
    assert line in out.splitlines()
    shell = subprocess.run(["sh", "-c", line + '; exec "$@"', "sh", sys.executable, "-c", SHOW],
                           env=INHERITED, capture_output=True, check=True)
    assert json.loads(shell.stdout) == {**dict.fromkeys(VARIABLES), "HIP_VISIBLE_DEVICES": "2"}


# What Ray and vLLM ask of their environment when they start on AMD.
FRAMEWORK = """
import os
hip, cuda = os.environ.get("HIP_VISIBLE_DEVICES"), os.environ.get("CUDA_VISIBLE_DEVICES")
if "ROCR_VISIBLE_DEVICES" in os.environ:
    raise RuntimeError("use HIP_VISIBLE_DEVICES")
if cuda is not None and cuda != hip:
    raise ValueError("inconsistent")
print(sorted(map(int, hip.split(","))))
"""


@pytest.mark.parametrize("inherited", [{}, INHERITED])
def test_frameworks_start(cards, inherited):
    out = cards.run("run", "-g", "4", "--", sys.executable, "-c", FRAMEWORK, env=inherited)
    assert out == "[0, 1, 2, 3]\n"


def test_partitions_are_granted_whose_memory_in_use_nobody_tells(kfd):
    """With the driver of Linux."""
    for node in (1, 2):
        kfd.add(node, 2560 + ((node - 1) << 28))
        (kfd.root / f"kfd/kfd/topology/nodes/{node}/mem_banks/0/used_memory").unlink()
    kfd.run("admin", "--provider", "amd")
    assert kfd.run("run", "-g", "2", "--nonblock", "--", "echo", "ran") == "ran\n"
    kfd.pool.await_free()
    job = kfd.pool.start(["sleep", "600"])
    kfd.use(job.pid, 2, 5000)
    lines = kfd.run("status").splitlines()
    assert lines[0].startswith("GPU 0: AVAILABLE"), lines
    assert "5000MB used by PID" in lines[1], lines


def test_partitions_of_a_card_with_one_id_are_told_apart(kfd):
    kfd.add(1, 2560)
    kfd.add(2, 2560 + (1 << 28))
    kfd.add(3, 0x300, "unique_id 8\n")
    assert "a pool of 3 GPUs (3x AMD gfx942)" in kfd.run("admin", "--provider", "amd")
    # By their place on the bus: the other card comes first.
    assert [row[0] for row in kfd.pool.rows("SELECT uuid FROM gpu ORDER BY gpu")] == [
        "GPU-0000000000000008", "PCI-0000:0a:00.0", "PCI-0000:0a:00.0-1"]
    numbers = [kfd.run("run", "-G", str(gpu), "--", "sh", "-c", "echo $HIP_VISIBLE_DEVICES")
               for gpu in range(3)]
    assert numbers == ["2\n", "0\n", "1\n"]
    kfd.pool.await_free()
    job = kfd.pool.start(["sleep", "600"])
    kfd.use(job.pid, 2, 5000)
    lines = kfd.run("status").splitlines()
    assert lines[1].startswith("GPU 1: AVAILABLE"), lines
    assert "5000MB used by PID" in lines[2], lines


def test_a_gpu_without_its_device_file_is_not_counted(kfd):
    """As in a container that has some of the device files, and all of sysfs."""
    for node in (1, 2, 3):
        kfd.add(node, node << 8, f"unique_id {node}\n")
    kfd.run("admin", "--provider", "amd")
    show = ["sh", "-c", "echo $HIP_VISIBLE_DEVICES"]
    assert kfd.run("run", "-G", "1", "--", *show) == "1\n"
    kfd.pool.await_free()
    kfd.render_node(1).unlink()
    assert kfd.run("run", "-G", "1", "--", *show) == "0\n"
    assert kfd.run("run", "-G", "2", "--", *show) == "1\n"
    assert_error(kfd.result("run", "-G", "0", "--", "true"), 2, "GPU 0")


def test_gpus_that_nothing_tells_apart_are_granted_to_nobody(kfd):
    for node in (1, 2):
        kfd.add(node, 2560)
    kfd.add(3, 0x300, "unique_id 8\n")
    kfd.run("admin", "--provider", "amd")
    lines = kfd.run("status").splitlines()
    for line in lines[1:]:
        assert "ERROR (two GPUs have the UUID PCI-0000:0a:00.0)" in line, lines
    for _ in range(2):
        assert kfd.run("run", "--nonblock", "--", "echo", "ran") == "ran\n"
        kfd.pool.await_free()
