"""The queue: order, wake-ups, leaving it, and what is told of it (semantics.md, 1 to 7)."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import HMS, NO_TIMER, assert_error, validate, wait_for
from test_probe import nvidia, smi  # noqa: F401 (fixtures)

CLOCK = ("date", "+%s.%N")


def simulated(user, uid, pid=4711, memory=5000, program="python3"):
    return {"pid": pid, "memory_mb": memory, "user": user, "uid": uid, "program": program}


# --- Wake-ups --------------------------------------------------------------------------------------


def test_a_waiter_is_woken_by_a_release(pool):
    pool.policy(*NO_TIMER)
    for _ in range(10):
        pool.ok("reserve", "--gpus", "8")
        waiter = pool.waiter("--gpus", "8")
        pool.ok("release")
        assert pool.finish(waiter).out == "started\n"
        pool.await_free()


def test_a_waiter_is_woken_by_the_end_of_a_run(pool):
    pool.policy(*NO_TIMER)
    for _ in range(10):
        job = pool.job("--gpus", "8")
        waiter = pool.waiter("--gpus", "8")
        job.kill()
        assert pool.finish(waiter).out == "started\n"
        pool.await_free()


# --- Order -----------------------------------------------------------------------------------------


def test_order_of_arrival(pool):
    pool.ok("reserve", "--gpus", "8")
    log = pool.directory / "log"
    waiters = [pool.waiter("--gpus", "8", command=("sh", "-c", f"echo {n} >>{log}"))
               for n in range(12)]
    assert pool.waiting() == [waiter.request for waiter in waiters]
    pool.ok("release")
    for waiter in waiters:
        assert pool.finish(waiter).status == 0
    assert log.read_text().split() == [str(n) for n in range(12)]


def reason(pool, request):
    return next(entry["reason"] for entry in pool.queue_json()["entries"] if entry["id"] == request)


@pytest.mark.parametrize("kind", ("run", "reserve"))
def test_what_a_stopped_waiter_does_not_take_goes_to_the_next(pool, kind):
    pool.ok("reserve", "--gpus", "8")
    stopped = pool.waiter("--gpus", "8", kind=kind)
    os.kill(stopped.pid, signal.SIGSTOP)
    second = pool.waiter("--gpus", "8", command=("sh", "-c", "echo started; read line"),
                         stdin=subprocess.PIPE)
    pool.ok("release")
    assert pool.read_line(second) == "started"
    assert reason(pool, stopped.request) == (
        "granted, but not taken: its process is stopped or does not answer")
    assert [row for row in pool.usage() if row[0] == stopped.request] == []
    # It keeps its place.
    third = pool.waiter("--gpus", "8")
    assert pool.waiting() == [stopped.request, third.request]
    os.kill(stopped.pid, signal.SIGCONT)
    wait_for(lambda: reason(pool, stopped.request).startswith("waiting for 8 GPUs"),
             "it to wait again", step=0.05)
    assert pool.finish(second, input=b"\n").status == 0
    assert pool.finish(stopped).status == 0
    if kind == "reserve":
        assert pool.waiting() == [third.request]
        pool.ok("release")
    assert pool.finish(third).out == "started\n"


def test_a_small_request_does_not_starve_a_large_one(pool):
    jobs = [pool.job() for _ in range(8)]
    large = pool.waiter("--gpus", "4", command=("sh", "-c", "echo large; read line"),
                        stdin=subprocess.PIPE)
    small = pool.waiter("--gpus", "1", command=("echo", "small"))
    for n, job in enumerate(jobs[:3]):
        job.kill()
        wait_for(lambda: len(pool.reserved()) == 7 - n)
    assert len(pool.queue_json()["entries"][0]["allocated_gpus"]) == 3
    assert small.poll() is None and large.poll() is None
    jobs[3].kill()
    assert pool.read_line(large) == "large"
    assert small.poll() is None
    jobs[4].kill()
    assert pool.finish(small).out == "small\n"
    assert pool.finish(large, b"\n").status == 0


@pytest.mark.parametrize("kind", ["run", "reserve"])
def test_nonblock_overtakes_nobody(pool, kind):
    pool.ok("reserve", "--gpus", "7", "--duration", "2h")
    first = pool.waiter("--gpus", "2")
    words = [kind, "--nonblock"] + (["--", "true"] if kind == "run" else [])
    instead = "canhazgpu run --mine --gpus 1" if kind == "run" else "leave --nonblock out to wait"
    assert_error(pool.run(*words), 75,
                 "not available now: waiting for 1 GPU, none available: ", instead)
    assert "GPU 7 held for root" in pool.run(*words).err
    assert pool.waiting() == [first.request]
    assert pool.reserved() == list(range(7))
    first.kill()
    first.wait()
    assert pool.run(*words).status == 0


def test_nonblock_is_in_nobodys_way(pool):
    """One that asks for too much, and leaves at once, costs another nothing."""
    pool.ok("reserve", "--gpus", "7", "--duration", "2h")
    for _ in range(20):
        greedy = [pool.popen("run", "--nonblock", "-g", "8", "--", "true") for _ in range(4)]
        modest = pool.popen("run", "--nonblock", "--", "true")
        assert pool.finish(modest).status == 0
        assert [pool.finish(process).status for process in greedy] == [75] * 4
        wait_for(lambda: pool.reserved() == list(range(7)))


def test_nonblock_takes_what_is_free(pool):
    pool.ok("reserve", "--gpus", "7")
    assert pool.ok("run", "--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "7\n"


def test_a_named_request_blocks_no_other_gpu(pool):
    pool.job("--gpu-ids", "7")
    pool.waiter("--gpu-ids", "7")
    out = pool.ok("run", "--gpus", "7", "--nonblock", "--", "sh", "-c",
                  "echo $CUDA_VISIBLE_DEVICES")
    assert out == "0,1,2,3,4,5,6\n"


def test_a_named_request_holds_what_is_free_of_it(pool):
    pool.ok("reserve", "--gpu-ids", "7")
    pool.waiter("--gpu-ids", "6,7", "--user", "alice")
    lines = pool.status()
    assert lines[6] == ("GPU 6: AVAILABLE (never used) [validated: 45MB used] "
                        "held for alice (root), 1st in queue")
    assert lines[5] == "GPU 5: AVAILABLE (never used) [validated: 45MB used]"
    assert_error(pool.run("run", "-G", "6", "--nonblock", "--", "true"), 75,
                 "waiting for GPU 6, held for alice (root)")


def test_held_gpus(pool):
    pool.ok("reserve", "--gpus", "5")
    pool.waiter("--gpus", "4")
    pool.waiter("--gpus", "1")
    lines = pool.status()
    for gpu in (5, 6, 7):
        assert lines[gpu] == (f"GPU {gpu}: AVAILABLE (never used) [validated: 45MB used] "
                              "held for root, 1st in queue")
    entries = pool.status_json()
    assert {entry["gpu_id"] for entry in entries if "held_for" in entry} == {5, 6, 7}
    assert entries[5]["held_for"] == "root" and entries[5]["held_position"] == 1
    assert pool.reserved() == [0, 1, 2, 3, 4]


# --- Leaving it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["run", "reserve"])
def test_wait_in_vain(pool, kind):
    pool.ok("reserve", "--gpus", "8", "--duration", "2h")
    begin = time.monotonic()
    words = [kind, "--wait", "1s"] + (["--", "true"] if kind == "run" else [])
    result = pool.run(*words)
    assert time.monotonic() - begin >= 1
    assert result.status == 75 and result.out == ""
    lines = result.err.splitlines()
    assert re.match(r"canhazgpu: 1st in queue, waiting for 1 GPU, none available: "
                    r"GPUs 0-7 reserved by you until .*; estimated start ", lines[0])
    if kind == "run":
        hint = "hint: run in what you have reserved: canhazgpu run --mine --gpus 1 -- COMMAND"
        assert (lines.pop(1), lines[2]) == (f"canhazgpu: {hint}", hint)
    else:
        assert lines[2].startswith("hint: wait longer")
    assert len(lines) == 3, result
    assert lines[1].startswith("canhazgpu: error: not available in time: waiting for 1 GPU")
    assert pool.waiting() == []


def test_wait_long_enough(pool):
    pool.ok("reserve", "--gpus", "8", "--duration", "0.5s")
    assert pool.ok("run", "--wait", "30s", "--", "echo", "ran") == "ran\n"


@pytest.mark.parametrize("kind", ["run", "reserve"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_queue(pool, number, kind):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(kind=kind)
    waiter.send_signal(number)
    result = pool.finish(waiter)
    assert_error(result, 130, "interrupted while waiting (")
    assert "left the queue" in result.err
    assert pool.waiting() == []
    pool.ok("release")
    assert pool.reserved() == []
    assert len(pool.usage()) == 8  # only of the reservation


def test_a_signal_before_it_waits(nvidia, smi):
    """While it looks at the GPUs, which may take its time, it is not deaf."""
    asked = smi.folder / "asked"
    asked.unlink()
    smi.put("hang", "")
    process = nvidia.popen("run", "--", "true")
    wait_for(asked.exists, "it to look at the GPUs")
    process.send_signal(signal.SIGINT)
    result = nvidia.finish(process)
    assert result.status in (130, -signal.SIGINT), result
    assert nvidia.waiting() == [] and nvidia.reserved() == []


def test_cancel_by_the_beginning_of_the_id(pool):
    pool.ok("reserve", "--gpus", "8")
    first, second = pool.waiter(), pool.waiter()
    assert pool.ok("cancel", second.request[:6]) == f"cancelled {second.request}\n"
    result = pool.finish(second)
    assert_error(result, 130, f"request {second.request} was taken out of the queue")
    assert pool.waiting() == [first.request]
    assert pool.ok("cancel", first.request) == f"cancelled {first.request}\n"
    assert pool.finish(first).status == 130
    assert_error(pool.run("cancel", first.request), 1,
                 f"no request '{first.request}' waits in the queue", "canhazgpu queue")
    assert_error(pool.run("cancel", ""), 1, "no request ''")


def test_cancel_of_an_ambiguous_id(pool):
    pool.ok("reserve", "--gpus", "8")
    waiters = [pool.waiter() for _ in range(2)]
    for n, waiter in enumerate(waiters):
        # Its owner misses its own and comes back; these two are only to be told apart.
        pool.edit("UPDATE request SET id = ? WHERE id = ?", f"zzzzzzz{n}", waiter.request)
    assert_error(pool.run("cancel", "zzzz"), 1, "more than one request begins with 'zzzz'",
                 "write more of the id")
    for waiter in waiters:
        waiter.send_signal(signal.SIGINT)
        assert pool.finish(waiter).status == 130


# --- What is told ----------------------------------------------------------------------------------


def test_queue_as_json(pool):
    empty = validate(pool.queue_json(), "queue")
    assert empty == {"entries": [], "total_waiting": 0, "total_gpus_requested": 0,
                     "total_gpus_allocated": 0}
    pool.ok("reserve", "--gpus", "7", "--duration", "2h")
    ends = pool.value("SELECT ends FROM reservation") / 1e9
    first = pool.waiter("--gpus", "2", "--note", "for ä \x1b[31m science", "--user", "alice")
    second = pool.waiter("--gpu-ids", "3,5", kind="reserve")
    queue = validate(pool.queue_json(), "queue")
    assert (queue["total_waiting"], queue["total_gpus_requested"],
            queue["total_gpus_allocated"]) == (2, 4, 1)
    one, two = queue["entries"]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
    enqueued = [one.pop("enqueue_time"), two.pop("enqueue_time")]
    assert enqueued == sorted(enqueued)
    for entry in (one, two):
        assert re.fullmatch(HMS, entry.pop("wait_time"))
        assert 0 <= entry.pop("wait_time_seconds") < 30
        assert "reserved by root until" in entry.pop("reason")
    start = one.pop("estimated_start")
    assert start == when
    two.pop("estimated_start", None)
    assert one == {
        "id": first.request, "position": 1, "user": "alice (root)", "actual_user": "root",
        "account": "root", "label": "alice",
        "requested_count": 2, "requested_ids": [], "allocated_gpus": [7], "allocated_count": 1,
        "reservation_type": "run", "note": "for ä \x1b[31m science"}
    assert two == {
        "id": second.request, "position": 2, "user": "root", "actual_user": "root", "account": "root",
        "requested_count": 2, "requested_ids": [3, 5], "allocated_gpus": [], "allocated_count": 0,
        "reservation_type": "manual"}


def test_queue_as_text(pool):
    assert pool.ok("queue") == "nobody waits\n"
    pool.ok("reserve", "--gpus", "8", "--duration", "2h", "--user", "ann")
    waiter = pool.waiter("--gpu-ids", "1,3", "--note", "mine")
    title, line = pool.ok("queue").splitlines()
    assert re.split(r" {2,}", title.strip()) == ["POSITION", "ID", "USER", "GPUS", "TYPE", "WAITED",
                                                "REASON", "ESTIMATED START", "NOTE"]
    cells = re.split(r" {2,}", line.strip())
    assert cells[:5] == ["1", waiter.request, "root", "GPUs 1 and 3", "RUN"]
    assert re.fullmatch(HMS, cells[5])
    assert cells[6].startswith("waiting for GPUs 1 and 3, reserved by ann (root) until")
    assert cells[8] == "mine"


def test_a_waiter_tells_each_change_once(pool):
    pool.ok("reserve", "--gpus", "8", "--duration", "2h", "--user", "ann")
    first, second = pool.waiter("--gpus", "8"), pool.waiter("--gpus", "8")
    assert second.told.startswith("canhazgpu: 2nd in queue, waiting for 8 GPUs")
    pool.ok("cancel", first.request)
    line = second.stderr.readline().decode()
    assert line.startswith("canhazgpu: 1st in queue, waiting for 8 GPUs, none available: "), line
    # Changes that are no news to it.
    for _ in range(3):
        assert pool.run("run", "--nonblock", "--", "true").status == 75
    second.send_signal(signal.SIGTERM)
    told = pool.finish(second).err.splitlines()
    assert len(told) == len(set(told)), told
    assert [line for line in told if "in queue" in line] == []


# --- What ends the waiting -------------------------------------------------------------------------


@pytest.mark.parametrize("waiters", [1, 5])
def test_an_expiry_needs_no_other_command(pool, waiters):
    pool.policy(*NO_TIMER)
    job = pool.job("--gpus", "8")
    reserving = pool.waiter("--gpus", "8", "--duration", "1s", kind="reserve")
    waiting = [pool.waiter(command=CLOCK) for _ in range(waiters)]
    job.kill()
    assert pool.finish(reserving).status == 0
    started = [float(pool.finish(waiter).out) for waiter in waiting]
    pool.await_free()
    manual = [row for row in pool.usage() if row[3] == "manual"]
    assert [row[6] for row in manual] == ["expired"] * 8
    (ends,) = {row[5] for row in manual}
    # From the claim on, which comes a moment after the grant.
    assert all(ends - row[4] >= 1e9 for row in manual)
    assert min(started) >= ends / 1e9


def test_an_undrained_gpu_goes_to_the_waiter(pool):
    pool.ok("admin", "--drain", "0-7", "--note", "moving")
    waiter = pool.waiter()
    assert "GPUs 0-7 out of service (moving)" in waiter.told
    pool.ok("admin", "--undrain", "5")
    assert pool.read_line(waiter) == "started"


def test_unreserved_use_that_began_meanwhile(pool):
    """Granted a GPU that somebody uses by then, it gives it back and keeps its place."""
    pool.ok("reserve", "--gpus", "8", "--user", "ann")
    waiter = pool.waiter("--gpu-ids", "3")
    pool.put_processes(3, simulated("bob", 1001))
    pool.ok("release", "--user", "ann")
    line = waiter.stderr.readline().decode()
    assert re.match(r"canhazgpu: 1st in queue, waiting for GPU 3, in unreserved use by bob", line)
    assert pool.waiting() == [waiter.request] and pool.reserved() == []
    # Others are not in its way, nor it in theirs.
    assert pool.run("run", "-G", "4", "--nonblock", "--", "true").status == 0
    assert pool.run("run", "-G", "3", "--nonblock", "--", "true").status == 75
    pool.put_processes(3)
    assert pool.read_line(waiter) == "started"
    assert pool.finish(waiter).status == 0
    pool.await_free()
    assert {row[0] for row in pool.usage() if row[1] == 3 and row[3] == "run"} == {waiter.request}


def test_a_free_gpu_is_taken_instead_of_one_in_unreserved_use(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter(command=("sh", "-c", "echo $CUDA_VISIBLE_DEVICES"))
    for gpu in range(7):
        pool.put_processes(gpu, simulated("bob", 1001, pid=4000 + gpu))
    pool.ok("release")
    assert pool.read_line(waiter) == "7"


def test_waiting_for_unreserved_use_from_the_beginning(pool):
    pool.edit_gpus(lambda gpus: [gpu.update(processes=[simulated("bob", 1001)]) for gpu in gpus])
    waiter = pool.waiter()
    assert "GPUs 0-7 in unreserved use by bob" in waiter.told
    pool.put_processes(6)
    assert pool.read_line(waiter) == "started"


def test_waiting_for_a_gpu_in_error(pool):
    pool.edit_gpus(lambda gpus: gpus[2].update(error="GPU is lost"))
    waiter = pool.waiter("--gpu-ids", "2")
    assert "waiting for GPU 2, in error (GPU is lost)" in waiter.told
    pool.edit_gpus(lambda gpus: gpus[2].pop("error"))
    assert pool.read_line(waiter) == "started"


def test_the_probe_fails_while_it_waits(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter()
    pool.edit_gpus(error="the driver is gone")
    pool.ok("release")
    # Nothing unknown is given out; and nobody gives up for it.
    wait_for(lambda: pool.waiting() == [waiter.request] and pool.reserved() == [])
    assert waiter.poll() is None
    pool.edit_gpus(error=None)
    assert pool.read_line(waiter) == "started"


def test_reserve_waits_too(pool):
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter("--short", "--duration", "1h", kind="reserve")
    pool.ok("release")
    assert pool.finish(waiter).out == "0\n"
    ends, holder = pool.rows("SELECT ends, holder FROM reservation")[0]
    assert holder is None
    assert 3500 < ends / 1e9 - time.time() <= 3600


def test_reserve_prints_a_line_to_copy(pool):
    out = pool.ok("reserve", "--gpus", "2")
    lines = out.splitlines()
    assert re.match(r"reserved GPUs 0 and 1 until ", lines[0])
    assert "export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,1" in lines
    reservation = validate(json.loads(pool.ok("reserve", "--json", "--note", "n")), "reservation")
    assert reservation["gpu_ids"] == [2] and reservation["note"] == "n"
    assert pool.ok("reserve", "-G", "5,3", "--short") == "3,5\n"
