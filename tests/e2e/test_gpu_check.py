"""scripts/gpu-check, on stand-ins: that it tells the states of a card apart, and says when there is
no card."""

import json
import os
import pathlib
import re
import stat
import subprocess

import pytest
from conftest import PATIENCE, REPOSITORY, SYSTEM_PATH

STANDIN = pathlib.Path(os.environ.get("CANHAZGPU_STANDIN", REPOSITORY / "build/dev/tests/standin"))
SCRIPT = REPOSITORY / "scripts/gpu-check"

NVIDIA_SMI = """#!/usr/bin/python3
import json, os, sys
gpus = json.load(open(os.environ["NVML_STANDIN_SCENARIO"]))["gpus"]
uuid = lambda index: f"GPU-00000000-0000-0000-0000-{index:012}"
running = [[p for p in gpu["processes"] if os.path.exists(f"/proc/{p['pid']}/exe")] for gpu in gpus]
used = [sum(p["memory_mb"] for p in here) for here in running]
question = sys.argv[1]
for index, gpu in enumerate(gpus):
    if question == "-L":
        print(f"GPU {index}: {gpu['model']} (UUID: {uuid(index)})")
    elif question == "--query-gpu=name":
        print(gpu["model"])
    elif question == "--query-gpu=driver_version":
        print("590.48.01")
    elif question == "--query-gpu=index,memory.used":
        print(f"{index}, {used[index]}")
    elif question == "--query-gpu=index,gpu_recovery_action":
        print(f"{index}, None")
    elif question == "--query-gpu=uuid":
        print(uuid(index))
    elif question.startswith("--query-gpu="):
        busy = gpu["utilization_percent"]
        # Another moment than that of the library.
        print(f"{index}, {uuid(index)}, 00000000:0{index}:00.0, {gpu['model']}, {used[index]}, 81920,"
              f" {busy and busy + 1}, Disabled, [N/A], No, None")
    elif question.startswith("--query-compute-apps="):
        for process in running[index]:
            print(f"{uuid(index)}, {process['pid']}, hog, {process['memory_mb']}")
"""

HOG = """#!/usr/bin/python3
import fcntl, json, os, signal, sys
with open(os.environ["NVML_STANDIN_SCENARIO"], "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    scenario = json.load(file)
    scenario["gpus"][int(os.environ["CUDA_VISIBLE_DEVICES"])]["processes"].append(
        {"pid": os.getpid(), "memory_mb": int(sys.argv[1])})
    text = json.dumps(scenario)
    file.seek(0)
    file.write(text)
    file.truncate()
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def card(tmp_path, binaries):
    """An environment in which three cards seem to be, one of them busy without a process."""
    for folder in [tmp_path, *tmp_path.parents[:3]]:
        if folder.stat().st_uid == os.getuid() and folder != pathlib.Path("/tmp"):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"gpus": [{"model": "NVIDIA Example 80GB", "memory_used_mb": 0,
                                              "utilization_percent": busy, "processes": []}
                                             for busy in (0, 0, 93)]}))
    # Somebody is at work on the first.
    gpus = json.loads(scenario.read_text())
    gpus["gpus"][0]["processes"].append({"pid": os.getpid(), "memory_mb": 5000})
    scenario.write_text(json.dumps(gpus))
    scenario.chmod(0o666)
    for name, text in (("nvidia-smi", NVIDIA_SMI), ("hog", HOG)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}:{binaries}:{SYSTEM_PATH}", "HOME": str(tmp_path), "LANG": "C.UTF-8",
            "NVML_STANDIN_SCENARIO": str(scenario), "LD_LIBRARY_PATH": str(STANDIN / "full"),
            "GPU_CHECK_HOG": str(tmp_path / "hog")}


def check(env, binaries):
    return subprocess.run(["bash", SCRIPT, binaries / "canhazgpu"], env=env, timeout=5 * PATIENCE,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_every_state_is_seen(card, binaries):
    result = check(card, binaries)
    failed = re.findall(r"^FAIL +(.*)$", result.stdout, re.M)
    # This host has no driver, and the doctor says so.
    assert failed in (["doctor finds nothing wrong"], []), result.stdout + result.stderr
    assert result.returncode == len(failed)
    expected = 17 if os.geteuid() == 0 else 16
    assert len(re.findall(r"^(ok|FAIL) ", result.stdout, re.M)) == expected, result.stdout
    assert re.search(r"^status takes [0-9.]+ ms with NVML, [0-9.]+ ms with nvidia-smi", result.stdout,
                     re.M)


def test_no_card(card, binaries):
    card["PATH"] = SYSTEM_PATH
    if subprocess.run(["which", "nvidia-smi"], env=card, capture_output=True).returncode == 0:
        pytest.skip("this host has nvidia-smi")
    result = check(card, binaries)
    assert result.returncode == 77
    assert result.stdout == ("no NVIDIA card that nvidia-smi knows on this host: nothing to check\n")
    assert result.stderr == ""
