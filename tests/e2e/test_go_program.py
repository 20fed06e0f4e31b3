"""Beside the Go program of the same name, on one pool."""

import json
import pathlib
import random
import time

from conftest import PATIENCE, wait_for
from go_program import HISTORY, QUEUE, GoProgram, GoRun, entry_key, rfc3339
from redis_pool import empty, pool, pytestmark  # noqa: F401 (fixtures)

LOCKCHECK = str(pathlib.Path(__file__).with_name("lockcheck.sh"))


def its_admin(pool, gpus=4):
    pool.redis("SET", "canhazgpu:gpu_count", str(gpus))
    pool.redis("SET", "canhazgpu:provider", "fake")
    pool.write_gpus(json.dumps({"gpus": [{"memory_used_mb": 45}] * gpus}).encode())


def test_a_pool_that_it_set_up_needs_no_admin(empty):
    pool = empty
    its_admin(pool)
    assert len(pool.status()) == 4
    assert pool.ok("run", "--gpus", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1\n"
    pool.await_free()
    pool.ok("reserve", "--duration", "1h")
    assert pool.redis("GET", "canhazgpu:gpu_count") == ["4"]
    assert pool.redis("GET", "canhazgpu:provider") == ["fake"]


def test_its_reservations_waiters_and_history_are_shown_and_respected(empty):
    pool = empty
    its_admin(pool)
    now = time.time()
    run = GoProgram(pool.socket, "carol", 1)
    assert run.try_once()
    pool.redis("SET", "canhazgpu:gpu:1", json.dumps(
        {"type": "manual", "user": "dave", "actual_user": "shared", "start_time": int(now) - 60,
         "expiry_time": int(now) + 3600, "note": "debugging"}))
    waiter = GoProgram(pool.socket, "erin", 3)
    waiter.enqueue()
    assert not waiter.take_turn()
    assert waiter.collected == [2, 3]
    pool.redis("ZADD", HISTORY, str(int(now)), json.dumps(
        {"user": "frank", "gpu_id": 2, "start_time": rfc3339(now - 7200),
         "end_time": rfc3339(now - 3600), "duration_seconds": 3600, "reservation_type": "run"}))

    lines = pool.status()
    assert "IN USE by carol for" in lines[0] and "(run, last heartbeat" in lines[0]
    assert "IN USE by dave (shared) for" in lines[1] and "(manual, expires in 0h 59m" in lines[1]
    assert lines[1].endswith('"debugging"')
    assert "IN USE by erin for" in lines[2] and "IN USE by erin for" in lines[3]
    queue = pool.queue_json()
    assert [(one["user"], one["position"]) for one in queue["entries"]] == [("erin", 1)]
    report = pool.ok("report")
    assert "frank" in report and "1.0" in report
    assert pool.run("run", "--nonblock", "--", "true").status == 75
    refused = pool.run("reserve", "--nonblock", "--gpu-ids", "1")
    assert refused.status == 75 and "reserved by dave" in refused.err
    # What it collects is not ours to take, nor what it gives back: the first in line gets it.
    run.release()
    assert pool.run("run", "--nonblock", "--", "true").status == 75
    assert waiter.take_turn()
    waiter.release()
    assert pool.ok("run", "--gpus", "3", "--", "echo", "now") == "now\n"


def test_its_program_reads_what_ours_has_reserved(pool):
    pool.job("--gpus", "3")
    pool.ok("reserve", "--gpus", "4", "--duration", "1h")
    its = GoProgram(pool.socket, "carol", 2)
    assert len(its.free()) == 1
    assert not its.try_once()
    its.count = 1
    assert its.try_once()
    assert pool.status()[its.collected[0]].split("by ")[1].startswith("carol")


def test_all_waiters_of_one_queue_are_served_in_its_order(pool):
    """Ours and its own take turns in the queue; each needs every GPU."""
    served = pool.directory / "served"
    locks = pool.directory / "locks"
    locks.mkdir()
    job = pool.job("--gpus", "8")
    ours, theirs, order = [], [], []
    for number in range(3):
        name = f"ours-{number}"
        ours.append(pool.waiter("--gpus", "8", command=(
            "sh", "-c", f'echo {name} >> {served}; exec "$0" 0.05', LOCKCHECK),
            env={"LOCKS": str(locks)}))
        theirs.append(GoRun(GoProgram(pool.socket, f"go-{number}", 8, locks), served, 0.05))
        theirs[-1].program.enqueue()
        order += [name, f"go-{number}"]
    for run in theirs:
        run.start()
    assert len(pool.waiting()) == 6
    job.kill()
    for run in ours:
        assert pool.finish(run).status == 0
    for run in theirs:
        run.join(PATIENCE)
        assert run.twice == [], "served, and alone"
    assert served.read_text().split() == order
    wait_for(lambda: not pool.reserved(), "all GPUs to be free", step=0.05)
    assert pool.waiting() == []


def test_no_gpu_is_given_out_twice_and_nobody_starves(pool):
    """Many of both, of all sizes; some of its own take what is free without a look at the queue."""
    served = pool.directory / "served"
    locks = pool.directory / "locks"
    locks.mkdir()
    choice = random.Random(2)
    ours, theirs = [], []
    for number in range(30):
        count = choice.randint(1, 8)
        if number % 2:
            ours.append(pool.popen("run", "--gpus", count, "--", LOCKCHECK, "0.02",
                                   env={"LOCKS": str(locks)}))
        else:
            its = GoProgram(pool.socket, f"go-{number}", count, locks)
            theirs.append(GoRun(its, served, 0.02, tries_first=True))
            theirs[-1].start()
    results = [pool.finish(run) for run in ours]
    assert [result.status for result in results] == [0] * len(ours), results
    for run in theirs:
        run.join(PATIENCE)
        assert run.twice == [], "served, and alone"
    wait_for(lambda: not pool.reserved(), "all GPUs to be free", step=0.05)
    assert pool.waiting() == [] and pool.redis("EXISTS", "canhazgpu:allocation_lock") == ["0"]


def test_its_dead_waiter_delays_nobody_for_long(pool):
    """It says every 30 s that it lives, and is forgotten after 2 min without."""
    its = GoProgram(pool.socket, "carol", 8)
    its.enqueue()
    its.entry["last_heartbeat"] = "2026-11-24T13:24:28.259536358Z"
    pool.redis("SET", entry_key(its.id), json.dumps(its.entry))
    assert pool.ok("run", "--gpus", "8", "--", "echo", "now") == "now\n"
    assert its.id not in pool.redis("ZRANGE", QUEUE, "0", "-1")
