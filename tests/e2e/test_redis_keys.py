"""What lies in a Redis in each state, field by field, as the Go program of the same name wants it:
see what it writes itself in go_program.py."""

import json
import os
import pwd
import re
import subprocess
import time

import pytest
from conftest import wait_for
from go_program import HISTORY, QUEUE, Redis, entry_key
from redis_pool import empty, pool, pytestmark  # noqa: F401 (fixtures)

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@pytest.fixture
def redis(pool):
    connection = Redis(pool.socket)
    yield connection
    connection.close()


def gpu(redis, index):
    return json.loads(redis("GET", f"canhazgpu:gpu:{index}"))


def take_times(value, *names):
    """Takes the unix times out of the value: whole numbers, of this minute."""
    times = [value.pop(name) for name in names]
    for one in times:
        assert type(one) is int and abs(one - time.time()) < 60, one
    return times


def test_pool(redis):
    assert redis("GET", "canhazgpu:gpu_count") == "8"
    assert redis("GET", "canhazgpu:provider") == "fake"
    assert redis("EXISTS", *(f"canhazgpu:gpu:{index}" for index in range(8))) == 0, "never used"
    assert redis("EXISTS", "canhazgpu:allocation_lock", QUEUE, HISTORY) == 0


def test_run_and_its_heartbeat(pool, redis):
    job = pool.job("--gpus", "2", "--note", "train", env={"CANHAZGPU_HEARTBEAT_INTERVAL": "1s"},
                   command=("sh", "-c", "echo started; read line"), stdin=subprocess.PIPE)
    id = next(iter(pool.records()))
    same = {"type": "run", "user": ACCOUNT, "actual_user": ACCOUNT, "note": "train",
            "reservation_ids": [id]}
    value = gpu(redis, 1)
    start, first = take_times(value, "start_time", "last_heartbeat")
    assert value == same and first >= start
    assert redis("EXISTS", "canhazgpu:gpu:2") == 0
    wait_for(lambda: gpu(redis, 1)["last_heartbeat"] > first, "a heartbeat", step=0.05)
    value = gpu(redis, 1)
    assert take_times(value, "start_time", "last_heartbeat")[0] == start
    assert value == same
    # Free, and used before.
    pool.finish(job, b"\n")
    pool.await_free()
    value = gpu(redis, 1)
    assert list(value) == ["last_released"] and RFC3339.fullmatch(value["last_released"])


def test_manual_reservation_with_a_label(pool, redis):
    pool.ok("reserve", "--duration", "1h", "--note", "debugging", "--user", "bob")
    value = gpu(redis, 0)
    expiry = value.pop("expiry_time")
    (start,) = take_times(value, "start_time")
    assert type(expiry) is int and expiry - start in (3600, 3601)
    assert len(value.pop("reservation_ids")) == 1
    assert value == {"type": "manual", "user": "bob", "actual_user": ACCOUNT, "note": "debugging"}
    pool.ok("extend", "1h")
    assert gpu(redis, 0)["expiry_time"] == expiry + 3600


@pytest.mark.parametrize("kind, options, members", [
    ("run", ("--gpus", "6", "--note", "big"), {"requested_count": 6, "note": "big"}),
    ("run", ("--gpu-ids", "1,7"), {"requested_count": 1, "requested_ids": [1, 7]}),
    ("run", ("--timeout", "1h", "--wait", "1h"), {"requested_count": 1}),
    ("reserve", ("--duration", "1h"), {"requested_count": 1, "expiry_duration": 3600 * 10**9,
                                       "reservation_type": "manual"}),
])
def test_waiting(pool, redis, kind, options, members):
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    waiter = pool.waiter(*options, "--user", "bob", kind=kind)
    (id, score), value = (redis("ZRANGE", QUEUE, 0, -1, "WITHSCORES"),
                          json.loads(redis("GET", entry_key(waiter.request))))
    assert id == waiter.request
    assert abs(float(score) / 1e9 - time.time()) < 60
    assert value.pop("canhazgpu")["waiter"].startswith(f"{waiter.pid} ")
    for name in ("enqueue_time", "last_heartbeat"):
        assert RFC3339.fullmatch(value.pop(name))
    assert value == {"id": id, "user": "bob", "actual_user": ACCOUNT, "allocated_gpus": [],
                     "reservation_type": "run", **members}
    waiter.terminate()
    waiter.wait()
    assert redis("EXISTS", QUEUE, entry_key(id)) == 0


def test_usage_record(pool, redis):
    pool.ok("run", "--user", "bob", "--", "true")
    pool.await_free()
    text, score = redis("ZRANGE", HISTORY, 0, -1, "WITHSCORES")
    value = json.loads(text)
    assert value.pop("canhazgpu")["how"] == "finished"
    start, end = value.pop("start_time"), value.pop("end_time")
    assert RFC3339.fullmatch(start) and RFC3339.fullmatch(end)
    assert int(score) == int(time.mktime(time.strptime(end[:19], "%Y-%m-%dT%H:%M:%S")) -
                             time.timezone)
    assert 0 < value.pop("duration_seconds") < 60
    assert value == {"user": "bob", "gpu_id": 0, "reservation_type": "run"}
    assert 7776000 - 60 < redis("TTL", HISTORY) <= 7776000


def test_each_change_is_counted_and_published(pool, redis):
    before = int(redis("GET", "canhazgpu:changes"))
    listener = Redis(pool.socket)
    assert listener("SUBSCRIBE", "canhazgpu:changes") == ["subscribe", "canhazgpu:changes", 1]
    pool.ok("reserve", "--duration", "1h")
    after = int(redis("GET", "canhazgpu:changes"))
    assert after > before
    for _ in range(after - before):
        assert listener.reply() == ["message", "canhazgpu:changes", ""]
    pool.ok("status")
    assert int(redis("GET", "canhazgpu:changes")) == after, "nothing has changed"
    listener.close()
