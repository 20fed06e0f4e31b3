"""What people and scripts read: every line of `status`, its table, summary and JSON, and `report`."""

import json
import re
import subprocess
import time
import unicodedata

import pytest
from conftest import HMS, assert_error, validate, wait_for
from terminal import Terminal

BOB = {"user": "bob", "uid": 1001}
MINUTE = 60


def process(pid, memory, program="python3", **more):
    return {"pid": pid, "memory_mb": memory, "program": program, **more}


def instant(ago):
    """As the store writes it, some seconds ago."""
    nanoseconds = int(ago * 1e9)
    boot_id = open("/proc/sys/kernel/random/boot_id").read().strip()
    return (f"{time.time_ns() - nanoseconds} "
            f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME) - nanoseconds} {boot_id}")


# --- The lines of cli.md ---------------------------------------------------------------------------


def test_available(pool):
    assert pool.status()[0] == "GPU 0: AVAILABLE (never used) [validated: 45MB used]"
    pool.edit("UPDATE gpu SET last_released = ? WHERE gpu = 0", instant(30 * MINUTE))
    assert re.fullmatch(r"GPU 0: AVAILABLE \(last released 0h 30m \d+s ago\) "
                        r"\[validated: 45MB used\]", pool.status()[0])
    pool.edit("UPDATE gpu SET last_released = ? WHERE gpu = 0", instant(49 * 3600))
    assert "(last released 49h 0m " in pool.status()[0]


def test_run(pool, users):
    job = pool.job("-G", "1", user=users.a)
    pool.put_processes(1, {"pid": job.pid, "memory_mb": 8452})
    pool.edit("UPDATE reservation SET started = ?, last_heartbeat = ?", instant(15 * MINUTE), instant(5))
    line = pool.status()[1]
    assert re.fullmatch(rf"GPU 1: IN USE by {users.a.name} for 0h 15m \d+s \(run, last heartbeat "
                        r"0h 0m \d+s ago\) \[validated: 8452MB, 1 processes\]", line), line


def test_unreserved_use(pool):
    pool.put_processes(2, process(12345, 1000, **BOB), process(67890, 24, "jupyter", **BOB))
    assert pool.status()[2] == ("GPU 2: IN USE WITHOUT RESERVATION by user bob - 1024MB used by "
                                "PID 12345 (python3), PID 67890 (jupyter)")


def test_manual(pool, users):
    pool.ok("reserve", "-G", "3", "--duration", "4h", user=users.a)
    pool.edit("UPDATE reservation SET started = ?, ends = ?", instant(3600 + 2 * MINUTE),
              time.time_ns() + int((3 * 3600 + 15 * MINUTE + 59.9) * 1e9))
    line = pool.status()[3]
    assert re.fullmatch(rf"GPU 3: IN USE by {users.a.name} for 1h 2m \d+s \(manual, expires in "
                        r"3h 15m \d+s\) \[validated: no actual usage detected\]", line), line


def test_several_users(pool):
    pool.put_processes(
        0, process(5, 500, user="alice", uid=1000), process(6, 500, **BOB),
        process(7, 500, user="carol", uid=1002), process(8, 500, **BOB), process(9, 500, **BOB))
    assert pool.status()[0] == (
        "GPU 0: IN USE WITHOUT RESERVATION by users alice, bob and carol - 2500MB used by "
        "PID 5 (python3), PID 6 (python3), PID 7 (python3) and 2 more")


def test_note_and_label(pool):
    pool.ok("reserve", "-G", "0", "--note", "for the demo", "--user", "alice")
    assert re.fullmatch(rf"GPU 0: IN USE by alice \(root\) for {HMS} \(manual, expires in {HMS}\) "
                        r'\[validated: no actual usage detected\] "for the demo"', pool.status()[0])


def test_held(pool):
    pool.ok("reserve", "-g", "7")
    pool.waiter("-g", "2", "--user", "alice")
    assert pool.status()[7] == ("GPU 7: AVAILABLE (never used) [validated: 45MB used] "
                                "held for alice (root), 1st in queue")


def test_foreign_use(pool):
    job = pool.job("-G", "1")
    pool.put_processes(1, {"pid": job.pid, "memory_mb": 8000}, process(12345, 1024, **BOB))
    assert re.fullmatch(
        rf"GPU 1: IN USE by root for {HMS} \(run, last heartbeat {HMS} ago\) "
        r"\[validated: 9024MB, 2 processes\] ALSO USED WITHOUT RESERVATION by user bob - "
        r"1024MB used by PID 12345 \(python3\)", pool.status()[1])


def test_error(pool):
    pool.edit_gpus(lambda gpus: gpus[4].update(error="GPU is lost"))
    assert pool.status()[4] == "GPU 4: ERROR (GPU is lost)"
    assert pool.run("run", "-G", "4", "--nonblock", "--", "true").status == 75
    assert pool.ok("run", "-g", "7", "--nonblock", "--", "sh", "-c",
                   "echo $CUDA_VISIBLE_DEVICES") == "0,1,2,3,5,6,7\n"


@pytest.mark.parametrize("null", ["memory_used_mb", "memory_total_mb", "utilization_percent"])
def test_unreadable_numbers(pool, null):
    pool.edit_gpus(lambda gpus: gpus[4].update({null: None}))
    line = pool.status()[4]
    free = null != "memory_used_mb"
    assert line == ("GPU 4: AVAILABLE (never used) [validated: 45MB used]" if free
                    else "GPU 4: ERROR (its memory cannot be read)")
    assert pool.run("run", "-G", "4", "--nonblock", "--", "true").status == (0 if free else 75)


def test_a_gpu_that_the_tool_does_not_find(pool):
    pool.edit_gpus(lambda gpus: gpus.pop())
    assert pool.status()[7] == "GPU 7: ERROR (not found by the GPU tool)"
    assert pool.run("run", "-G", "7", "--nonblock", "--", "true").status == 75


def test_out_of_service(pool):
    pool.ok("admin", "--drain", "4,5", "--note", "fan broken, back on Friday")
    assert pool.status()[4] == "GPU 4: OUT OF SERVICE (fan broken, back on Friday)"
    pool.ok("admin", "--drain", "5")
    assert pool.status()[5] == "GPU 5: OUT OF SERVICE"
    assert_error(pool.run("run", "-G", "4", "--nonblock", "--", "true"), 75,
                 "waiting for GPU 4, out of service (fan broken, back on Friday)")
    assert pool.ok("run", "-g", "6", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1,2,3,6,7\n"
    pool.ok("admin", "--undrain", "4,5")
    assert pool.status()[4].startswith("GPU 4: AVAILABLE")


def test_draining(pool):
    pool.ok("reserve", "-G", "4")
    pool.ok("admin", "--drain", "4", "--note", "fan")
    assert pool.status()[4].endswith("] out of service when released (fan)")
    pool.ok("release")
    assert pool.status()[4] == "GPU 4: OUT OF SERVICE (fan)"


def test_unknown_process(pool):
    pool.edit_gpus(lambda gpus: gpus[0].update(memory_used_mb=9000))
    assert pool.status()[0] == ("GPU 0: IN USE WITHOUT RESERVATION by unknown user - "
                                "9000MB used by unknown process")


def test_thresholds(pool):
    pool.put_processes(0, process(5, 100, **BOB))
    pool.put_processes(1, process(5, 101, **BOB))
    pool.put_processes(2, process(5, 1000, "Xorg", user="root", uid=0))
    pool.put_processes(3, process(5, 900, type="graphics", **BOB))
    pool.edit_gpus(lambda gpus: (gpus[4].update(memory_used_mb=1024),
                                 gpus[5].update(memory_used_mb=1025)))
    words = [line.split(": ")[1].split(" (")[0].split(" by")[0] for line in pool.status()]
    assert words == ["AVAILABLE", "IN USE WITHOUT RESERVATION", "AVAILABLE", "AVAILABLE",
                     "AVAILABLE", "IN USE WITHOUT RESERVATION", "AVAILABLE", "AVAILABLE"]
    words = [line.split(": ")[1].split(" (")[0].split(" by")[0]
             for line in pool.status("--memory-threshold", "40")]
    assert words[0] == "IN USE WITHOUT RESERVATION" and words[6] == "IN USE WITHOUT RESERVATION"


# --- When the GPUs can't be read -------------------------------------------------------------------


def test_the_probe_fails(pool):
    pool.ok("reserve", "-G", "1", "--duration", "2h")
    pool.edit_gpus(error="the driver is not loaded")
    result = pool.run("status")
    assert result.status == 0
    assert result.err == "canhazgpu: warning: the GPUs cannot be read: the driver is not loaded\n"
    lines = result.out.splitlines()
    assert lines[0] == "GPU 0: NOT RESERVED (never used) [not validated]"
    assert re.fullmatch(rf"GPU 1: IN USE by root for {HMS} \(manual, expires in {HMS}\) "
                        r"\[not validated\]", lines[1])
    for command in (["run", "--", "true"], ["reserve"]):
        assert_error(pool.run(*command), 1, "the driver is not loaded")
    assert pool.waiting() == [] and pool.reserved() == [1]
    entries = validate(json.loads(pool.run("status", "--json").out), "status")
    assert [entry["status"] for entry in entries[:2]] == ["NOT_RESERVED", "IN_USE"]
    assert not any(entry["available"] for entry in entries)
    assert pool.run("status", "--summary").out.endswith(
        ": 0 available, 1 in use, 0 in use without reservation, 0 in error, 7 not reserved; 0 "
        "waiting [not validated]\n")
    table = pool.run("status", "--table").out.splitlines()
    assert table[1].split()[:3] == ["0", "NOT", "RESERVED"]
    # What needs no look goes on.
    assert pool.ok("release") == "released GPU 1\n"
    assert pool.run("queue").status == 0 and pool.run("report").status == 0


def available(pool, **options):
    entries = validate(pool.status_json(**options), "status")
    return [entry["gpu_id"] for entry in entries if entry["available"]]


def test_what_scripts_may_count_as_free(pool, users):
    assert available(pool) == list(range(8))
    pool.ok("reserve", "--gpu-ids", "0")
    pool.waiter("--gpu-ids", "0,1", "--user", "ann")
    pool.ok("admin", "--drain", "2")
    pool.put_processes(3, process(5, 5000, **BOB))
    pool.edit_gpus(lambda gpus: gpus[4].update(error="GPU is lost"))
    assert available(pool) == [5, 6, 7]
    assert pool.status_json()[1]["status"] == "AVAILABLE", "it is held for another"
    # It is what the one who asks would get, whatever he sees.
    pool.policy(f"limits.user.{users.a.name}.gpus=1")
    assert available(pool, user=users.a) == [5, 6, 7]
    pool.ok("reserve", "--gpu-ids", "5", user=users.a)
    assert available(pool, user=users.a) == []
    assert available(pool, user=users.b) == [6, 7]
    pool.put_processes(6, process(6, 500, **BOB))
    assert available(pool, env={"CANHAZGPU_MEMORY_PROCESS_THRESHOLD": "1000"}) == [7]
    pool.edit_gpus(error="the driver is gone")
    assert available(pool) == []


def test_an_unknown_user_is_no_name(pool):
    pool.edit_gpus(lambda gpus: gpus[0].update(memory_used_mb=9000))
    pool.put_processes(1, process(6, 5000, **BOB))
    unknown, known = validate(pool.status_json(), "status")[:2]
    assert unknown["unknown_user"] is True and "unreserved_users" not in unknown, unknown
    assert known["unreserved_users"] == ["bob"] and "unknown_user" not in known, known


def test_what_was_known_of_a_gpu_that_cannot_be_seen_now(pool):
    pool.put_processes(0, process(5, 5000, **BOB))
    pool.edit_gpus(lambda gpus: gpus[1].update(error="GPU is lost"))
    pool.waiter("-G", "0,1")
    pool.edit_gpus(error="the driver is gone")
    lines = pool.status()
    assert re.fullmatch(rf"GPU 0: IN USE WITHOUT RESERVATION by bob \(seen {HMS} ago\) "
                        r"\[not validated\]", lines[0]), lines[0]
    assert lines[1] == "GPU 1: ERROR (GPU is lost)"


def test_a_broken_file_of_simulated_gpus(pool):
    pool.write_gpus(b'{"gpus": [\n  {"memroy_used_mb": 3}]}')
    result = pool.run("run", "--", "true")
    assert_error(result, 1, "unknown key", "memory_used_mb")
    pool.write_gpus(b'{"gpus": [\n  {]}')
    assert_error(pool.run("run", "--", "true"), 1, "line 2 is not valid JSON")
    pool.gpus_file.unlink()
    assert_error(pool.run("run", "--", "true"), 1, "fake-gpus.json")
    assert pool.run("status").status == 0


# --- Table, summary, JSON --------------------------------------------------------------------------


def busy(pool):
    """A pool with something of everything."""
    job = pool.job("-G", "1", "--note", "a note of some length, which has to give way first")
    pool.ok("reserve", "-G", "3", "--duration", "4h", "--user", "somebody-with-a-long-name")
    pool.put_processes(1, {"pid": job.pid, "memory_mb": 8000,
                           "command_line": "vllm serve meta-llama/Llama-3.1-70B-Instruct"},
                       process(12345, 1024, **BOB))
    pool.put_processes(2, process(12345, 1000, **BOB), process(67890, 24, "jupyter", **BOB))
    pool.edit_gpus(lambda gpus: gpus[4].update(error="GPU is lost"))
    pool.ok("admin", "--drain", "5", "--note", "fan broken")
    pool.ok("run", "-G", "6", "--", "true")
    wait_for(lambda: 6 not in pool.reserved())
    pool.waiter("-G", "3,7")


def test_table(pool):
    busy(pool)
    lines = pool.status("--table")
    assert lines[0].split() == ["GPU", "STATUS", "USER", "DURATION", "TYPE", "DETAILS", "VALIDATION",
                                "MODEL", "NOTE"]
    assert len(lines) == 9
    rows = [re.split(r" {2,}", line.strip()) for line in lines[1:]]
    assert [row[0] for row in rows] == [str(gpu) for gpu in range(8)]
    assert [row[1] for row in rows] == ["AVAILABLE", "IN USE", "UNRESERVED", "IN USE", "ERROR",
                                        "OUT OF SERVICE", "AVAILABLE", "AVAILABLE"]
    assert rows[1][2] == "root" and rows[1][4] == "RUN"
    assert "Llama-3.1-70B-Instruct" in lines[2]
    assert rows[3][2] == "somebody-with-a-long-name (root)" and rows[3][4] == "MANUAL"
    assert rows[2][2] == "bob" and "GPU is lost" in lines[5] and "fan broken" in lines[6]
    assert "held for root, 1st in queue" in lines[8]
    assert rows[0][-1] == "-"


def columns_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def on_terminal(pool, width, *arguments, **env):
    terminal = Terminal([pool.program, *arguments], pool.env(env), pool.directory, width)
    shown = terminal.everything()
    terminal.close()
    assert terminal.process.returncode == 0, shown
    return shown


@pytest.mark.parametrize("width", [40, 47, 60, 80, 100, 120, 160, 200])
def test_a_table_fits_the_terminal(pool, width):
    busy(pool)
    pool.ok("reserve", "-G", "0", "--note", "漢字かな😀 wide", "--user", "名前の長い人")
    shown = on_terminal(pool, width, "status", "--table")
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert len(lines) == 9, shown
    widest = max(columns_of(line) for line in lines)
    assert widest <= width, shown
    assert [line.split()[0] for line in lines[1:]] == [str(gpu) for gpu in range(8)]
    assert "AVAILABLE" in lines[7]


def test_summary(pool):
    assert pool.ok("status", "--summary") == (
        "8 GPUs (8x Simulated H100 80GB): 8 available, 0 in use, 0 in use without reservation, "
        "0 in error; 0 waiting\n")
    busy(pool)
    assert pool.ok("status", "-s") == (
        "8 GPUs (8x Simulated H100 80GB): 3 available (1 held), 2 in use (1 also used without "
        "reservation), 1 in use without reservation, 1 in error, 1 out of service; 1 waiting\n")


def test_json(pool):
    validate(pool.status_json(), "status")
    busy(pool)
    entries = validate(pool.status_json(), "status")
    assert [entry["gpu_id"] for entry in entries] == list(range(8))
    assert [entry["status"] for entry in entries] == [
        "AVAILABLE", "IN_USE", "UNRESERVED", "IN_USE", "ERROR", "OUT_OF_SERVICE", "AVAILABLE",
        "AVAILABLE"]
    free, run, unreserved, manual, error, drained, released, held = entries
    assert "user" not in free and "last_released" not in free and "expiry_time" not in free
    assert run["type"] == "RUN" and run["user"] == "root" and "last_heartbeat" in run
    assert run["model"] == {"provider": "meta-llama", "model": "meta-llama/Llama-3.1-70B-Instruct"}
    assert [one["pid"] for one in run["foreign"]] == [12345]
    assert unreserved["unreserved_users"] == ["bob"]
    assert unreserved["process_info"] == "PID 12345 (python3), PID 67890 (jupyter)"
    assert manual["type"] == "MANUAL" and manual["account"] == "root"
    assert manual["user"] == "somebody-with-a-long-name (root)"
    assert manual["label"] == "somebody-with-a-long-name" and "label" not in run
    assert 0 < manual["expires_in_seconds"] <= 4 * 3600
    assert error["error"] == "GPU is lost"
    assert drained["out_of_service"] == "fan broken"
    assert "last_released" in released
    assert held["held_for"] == "root" and held["held_position"] == 1
    assert free["gpu_model"] == "Simulated H100 80GB" and free["memory_total_mb"] == 81920


@pytest.mark.parametrize(
    "line, model",
    [("vllm serve Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
     ("python -m x --model meta-llama/L", "meta-llama/L"),
     ("python x.py --model=org/Name-1", "org/Name-1"),
     ("lm_eval --model hf --model_args pretrained=EleutherAI/pythia-160m", "EleutherAI/pythia-160m"),
     ("torchrun train.py --model_name_or_path mistralai/Mistral-7B", "mistralai/Mistral-7B"),
     ("canhazgpu run -- vllm serve openai/whisper-large-v3", "openai/whisper-large-v3"),
     ("tool --model llama-2-7b", "llama-2-7b"), ("tool --model a/b/c-1", "a/b/c-1"),
     ("llama-server -m /models/x.gguf", "x.gguf"),
     ("python train.py", None)])
def test_served_model(pool, line, model):
    pool.put_processes(0, process(5, 5000, command_line=line, **BOB))
    entry = validate(pool.status_json(), "status")[0]
    if model is None:
        assert "model" not in entry
    else:
        assert entry["model"]["model"] == model
        assert model.split("/")[-1] in pool.status("--table")[1]


# --- Hostile texts ---------------------------------------------------------------------------------

NASTY = {
    "escape": b"\x1b[31mred\x1b]0;title\x07\x1b[2J",
    "newlines": b"one\ntwo\rthree\r\nGPU 9: AVAILABLE\x0b\x0c\x85",
    "wide": "😀👩‍💻漢字🏳️‍🌈".encode(),
    "bidi": "abc\u202edef\u2066\u200b\ufeff\u2028".encode(),
    "invalid": b"\xff\xfe\xc3\x28\xed\xa0\x80\xf8\x88\x80\x80\x80abc\xc3",
    "long": b"x" * 10_000,
    "long wide": "漢".encode() * 10_000,
    "c1": "\u0080\u009b31mred\u009f".encode(),
    "delete": b"a\x7f\x08\x08b",
}


def assert_clean(out):
    """No control byte but newlines, and valid UTF-8."""
    text = out.decode("utf-8")
    for character in text:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Zl", "Zp", "Cs"), (
            hex(ord(character)), text[:500])
        assert character not in "\u202e\u2066\u200b\ufeff"
    return text


def assert_all_output_is_clean(pool):
    lines = assert_clean(pool.run("status").raw_out).splitlines()
    assert len(lines) == 8 and all(line.startswith(f"GPU {n}: ") for n, line in enumerate(lines))
    assert max(map(len, lines)) < 1000
    table = assert_clean(pool.run("status", "--table").raw_out).splitlines()
    assert len(table) == 9
    assert len(assert_clean(pool.run("status", "--summary").raw_out).splitlines()) == 1
    for command in ("queue", "report"):
        result = pool.run(command)
        assert result.status == 0
        assert_clean(result.raw_out)
        assert_clean(result.raw_err)
    out = pool.run("status", "--json").raw_out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out.decode("utf-8"))
    return validate(json.loads(out.decode("utf-8")), "status")


@pytest.mark.parametrize("kind", NASTY)
def test_nasty_notes_and_labels(pool, kind):
    nasty = NASTY[kind].decode("utf-8", "surrogateescape")
    result = pool.run("reserve", "-G", "0", "--note", nasty, "--user", nasty)
    assert result.status == 0, result
    assert_clean(result.raw_out)
    pool.ok("reserve", "-g", "7")
    waiter = pool.waiter("--note", nasty, "--user", nasty)
    assert_clean(waiter.told.encode("utf-8", "surrogateescape"))
    assert len(waiter.told) < 1000
    entry = assert_all_output_is_clean(pool)[0]
    validate(pool.queue_json(), "queue")
    validate(json.loads(pool.ok("report", "--json")), "report")
    if kind in ("escape", "newlines", "wide", "long"):
        try:
            assert entry["note"] == NASTY[kind].decode()
        except UnicodeDecodeError:
            pass
    pool.ok("admin", "--drain", "1", "--note", nasty)
    assert_all_output_is_clean(pool)
    result = pool.run("release", "-G", "0")
    assert result.status == 0
    assert_clean(result.raw_out + result.raw_err)
    assert_clean(pool.run("cancel", nasty).raw_err)


@pytest.mark.parametrize("kind", [kind for kind in NASTY if kind != "invalid"])
def test_nasty_processes(pool, kind):
    nasty = NASTY[kind].decode("utf-8", "replace")
    pool.put_processes(0, {"pid": 5, "memory_mb": 5000, "user": nasty, "uid": 1001,
                           "program": nasty, "command_line": f"vllm serve {nasty}"})
    pool.edit_gpus(lambda gpus: (gpus[1].update(error=nasty), gpus[2].update(model=nasty)))
    assert_all_output_is_clean(pool)
    waiter = pool.waiter("-G", "0,1")
    assert_clean(waiter.told.encode("utf-8", "surrogateescape"))
    assert_all_output_is_clean(pool)
    pool.edit_gpus(error=nasty)
    result = pool.run("status")
    assert result.status == 0 and len(result.err.splitlines()) == 1
    assert_clean(result.raw_err)


def test_a_real_process_with_a_nasty_name(pool):
    script = ("import sys; open('/proc/self/comm', 'wb').write(b'\\x1b[2J\\n\\xff\\xf0\\x9f'); "
              "print('ready', flush=True); sys.stdin.read()")
    nasty = pool.start(["/usr/bin/python3", "-c", script, b"\xff\xfe\x1b[31m\n".decode(
        "utf-8", "surrogateescape")], stdin=subprocess.PIPE)
    assert pool.read_line(nasty) == "ready"
    pool.put_processes(0, {"pid": nasty.pid, "memory_mb": 5000})
    assert_all_output_is_clean(pool)
    assert f"PID {nasty.pid} (" in pool.status()[0]


# --- Colour ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["status"], ["status", "--table"]])
def test_colour_on_a_terminal_only(pool, command):
    assert "\x1b[" in on_terminal(pool, 120, *command)
    assert "\x1b" not in pool.ok(*command)
    assert "\x1b" not in on_terminal(pool, 120, *command, "--no-color")
    assert "\x1b" not in on_terminal(pool, 120, "--no-color", *command)
    assert "\x1b" not in on_terminal(pool, 120, *command, NO_COLOR="1")
    assert "\x1b[" in on_terminal(pool, 120, *command, NO_COLOR="")
    assert "\x1b" not in on_terminal(pool, 120, *command, CANHAZGPU_COLOR="never")
    assert "\x1b[" in pool.ok(*command, env={"CANHAZGPU_COLOR": "always"})
    assert "\x1b" not in on_terminal(pool, 120, "status", "--json")


# --- Report ----------------------------------------------------------------------------------------


def add_usage(pool, id, gpu, account, kind, started_hours_ago, hours, label="", how="finished"):
    started = time.time_ns() - int(started_hours_ago * 3600e9)
    pool.edit("INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?)", id, gpu, 1000, account, label, kind,
              started, started + int(hours * 3600e9), how)


def report(pool, *options):
    return validate(json.loads(pool.ok("report", "--json", *options)), "report")


def test_report(pool):
    assert report(pool)["users"] == []
    assert "nobody used a GPU" in pool.ok("report")
    add_usage(pool, "r1", 0, "alice", "run", 10, 2)
    add_usage(pool, "r1", 1, "alice", "run", 10, 2)
    add_usage(pool, "m1", 0, "bob", "manual", 5, 1, label="team")
    add_usage(pool, "old", 0, "carol", "run", 24 * 40, 1)
    add_usage(pool, "edge", 0, "dave", "run", 24 * 7 + 1, 3)  # two of its hours within 7 days
    week = report(pool, "--days", "7")
    assert [(row["name"], round(row["gpu_hours"], 2), row["run_count"], row["manual_count"])
            for row in week["users"]] == [("alice", 4.0, 1, 0), ("dave", 2.0, 1, 0),
                                          ("team (bob)", 1.0, 0, 1)]
    assert round(week["total_gpu_hours"], 2) == 7.0
    assert week["total_reservations"] == 3 and week["unique_users"] == 3 and week["days"] == 7
    assert abs(sum(row["percentage"] for row in week["users"]) - 100) < 1e-3
    month = report(pool)
    assert month["days"] == 30 and "carol" not in {row["name"] for row in month["users"]}
    assert {row["name"] for row in report(pool, "--days", "60")["users"]} >= {"carol"}
    lines = pool.ok("report", "--days", "7").splitlines()
    assert re.fullmatch(r"GPU hours from \S+ \S+ to \S+ \S+ \(7 days\)", lines[0])
    assert lines[1].split() == ["USER", "GPU", "HOURS", "SHARE", "RUNS", "MANUAL"]
    assert lines[2].split() == ["alice", "4.00", "57.1%", "1", "0"]
    assert lines[-1] == "total: 7.00 GPU hours, 3 reservations, 3 users"


def test_report_counts_what_still_runs(pool):
    pool.job("-g", "2")
    pool.edit("UPDATE reservation SET started = ?", instant(3 * 3600))
    pool.ok("reserve", "-G", "5", "--duration", "8h")
    pool.edit("UPDATE reservation SET started = ? WHERE kind = 'manual'", instant(3600))
    seen = report(pool)
    assert [(row["name"], round(row["gpu_hours"], 1)) for row in seen["users"]] == [("root", 7.0)]
    assert (seen["users"][0]["run_count"], seen["users"][0]["manual_count"]) == (1, 1)


def test_reports_agree(pool):
    for n in range(40):
        add_usage(pool, f"r{n}", n % 8, f"user{n % 5}", "run" if n % 3 else "manual",
                  n * 11.7 + 3, 0.37 * (n % 7) + 0.01)
    pool.job("-g", "3")
    pool.edit("UPDATE reservation SET started = ?", instant(30 * 3600))
    by = {name: report(pool, "--by", name) for name in ("user", "gpu", "day")}
    rows = {"user": "users", "gpu": "gpus", "day": "dates"}
    for name, seen in by.items():
        assert seen["by"] == name
        total = sum(row["gpu_hours"] for row in seen[rows[name]])
        assert abs(total - seen["total_gpu_hours"]) < 1e-3
        # The job goes on between the reports.
        assert abs(seen["total_gpu_hours"] - by["user"]["total_gpu_hours"]) < 0.05
        assert seen["total_reservations"] == by["user"]["total_reservations"]
        assert seen["unique_users"] == by["user"]["unique_users"]
        text = pool.ok("report", "--by", name)
        told = float(re.search(r"^total: ([\d.]+) GPU hours", text, re.M)[1])
        assert abs(told - seen["total_gpu_hours"]) < 0.05
    assert {row["name"] for row in by["gpu"]["gpus"]} == {f"GPU {gpu}" for gpu in range(8)}
    days = [row["name"] for row in by["day"]["dates"]]
    assert days == sorted(days) and all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)


def test_who_may_be_behind_memory_that_belongs_to_nobody(pool):
    device = pool.directory / "nvidia3"
    device.touch()
    pool.edit_gpus(lambda gpus: gpus[3].update(memory_used_mb=9000, device=str(device)))
    line = "GPU 3: IN USE WITHOUT RESERVATION by unknown user - 9000MB used by unknown process"
    assert pool.status()[3] == line
    holder = pool.start(["sh", "-c", "echo up; exec sleep 600"], stdin=open(device))
    assert pool.read_line(holder) == "up"
    wait_for(lambda: open(f"/proc/{holder.pid}/comm").read() == "sleep\n")
    assert pool.status()[3] == f"{line} (open in PID {holder.pid} (sleep) of root)"
    entry = validate(pool.status_json(), "status")[3]
    assert [suspect["pid"] for suspect in entry["suspects"]] == [holder.pid]
    holder.kill()
    holder.wait()
    assert pool.status()[3] == line
