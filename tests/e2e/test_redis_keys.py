"""What lies in a Redis in each state."""

import json
import os
import re
import subprocess

import pytest
from conftest import wait_for
from redis_client import EVENTS, POOL, Redis
from redis_pool import empty, pool, pytestmark  # noqa: F401 (fixtures)

LOG = "canhazgpu:log"
NANOSECONDS = 10**9


@pytest.fixture
def redis(pool):
    connection = Redis(pool.socket)
    yield connection
    connection.close()


def instant(text):
    """A moment: nanoseconds since 1970, and since the boot with that id."""
    wall, boot, boot_id = text.split(" ")
    assert re.fullmatch(r"[0-9a-f-]{36}", boot_id)
    return int(wall), int(boot)


def test_pool(redis):
    fields = redis("HKEYS", POOL)
    assert sorted(fields) == ["gpu:0", "gpu:1", "gpu:2", "gpu:3", "gpu:4", "gpu:5", "gpu:6",
                              "gpu:7", "identity", "provider", "recall", "settings", "version"]
    assert redis("HGET", POOL, "provider") == "fake"
    assert redis("EXISTS", "canhazgpu:lock") == 0
    ((_, (field, text)),) = redis("XRANGE", EVENTS, "-", "+")
    assert field == "event" and json.loads(text)["event"] == "set_up"


def test_run_and_its_heartbeat(pool, redis):
    pool.policy("heartbeat.interval=1s")
    job = pool.job("--gpus", "2", "--note", "train",
                   command=("sh", "-c", "echo started; read line"), stdin=subprocess.PIPE)
    ((id, record),) = pool.records().items()
    assert record["id"] == id
    assert record["gpus"] == [0, 1] and record["kind"] == "run" and record["note"] == "train"
    assert record["uid"] == os.getuid()
    assert record["holder"].startswith(f"{job.pid} ")
    assert "ends" not in record and "lost" not in record
    first = instant(record["last_heartbeat"])
    assert first >= instant(record["started"])
    wait_for(lambda: instant(pool.records()[id]["last_heartbeat"]) > first, "a heartbeat",
             step=0.05)
    pool.finish(job, b"\n")
    pool.await_free()
    assert "last_released" in pool.stored("gpu")["1"]
    assert "last_released" not in pool.stored("gpu")["2"]


def test_manual_reservation_with_a_label(pool):
    pool.ok("reserve", "--duration", "1h", "--note", "debugging", "--user", "bob")
    ((id, record),) = pool.records().items()
    assert record["kind"] == "manual" and record["label"] == "bob"
    assert "holder" not in record
    lasts = record["ends"] - instant(record["started"])[0]
    assert 0 <= lasts - 3600 * NANOSECONDS < 60 * NANOSECONDS
    pool.ok("extend", "1h")
    assert pool.records()[id]["ends"] == record["ends"] + 3600 * NANOSECONDS


@pytest.mark.parametrize("kind, options, members", [
    ("run", ("--gpus", "6", "--note", "big"), {"count": 6, "gpus": [], "note": "big"}),
    ("run", ("--gpu-ids", "1,7"), {"count": 2, "gpus": [1, 7]}),
    ("run", ("--timeout", "1h", "--wait", "1h"), {"count": 1, "duration": 3600 * NANOSECONDS}),
    ("reserve", ("--duration", "1h"), {"duration": 3600 * NANOSECONDS, "kind": "manual"}),
])
def test_waiting(pool, kind, options, members):
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    waiter = pool.waiter(*options, "--user", "bob", kind=kind)
    ((id, record),) = pool.stored("request").items()
    assert id == waiter.request == record["id"]
    assert record["waiter"].startswith(f"{waiter.pid} ") and record["label"] == "bob"
    assert members.items() <= record.items()
    waiter.terminate()
    waiter.wait()
    assert pool.stored("request") == {}


def test_events(pool, redis):
    pool.ok("run", "--user", "bob", "--", "true")
    pool.await_free()
    entries = redis("XRANGE", EVENTS, "-", "+")[1:]
    assert [field for _, (field, _) in entries] == ["event", "event", "event", "end"]
    events = [json.loads(text) for _, (_, text) in entries]
    assert [event["event"] for event in events] == ["queued", "granted", "taken", "ended"]
    assert len({event["id"] for event in events}) == 1
    for (id, _), event in zip(entries, events):
        assert int(id.split("-")[0]) >= event["at"] // 10**6
    ended = events[-1]
    assert ended["how"] == "finished" and ended["gpus"] == [0] and ended["label"] == "bob"
    assert ended["command"] == "true" and ended["started"] <= ended["at"]
    assert redis("TTL", EVENTS) == -1


def test_each_change_is_logged_and_published(pool, redis):
    number, commit = redis("HGET", POOL, "version").split(" ")
    listener = Redis(pool.socket)
    assert listener("SUBSCRIBE", "canhazgpu:changes") == ["subscribe", "canhazgpu:changes", 1]
    pool.ok("reserve", "--duration", "1h")
    changes = redis("XRANGE", LOG, f"({number}-0", "+")
    assert changes
    for id, words in changes:
        number = int(number) + 1
        assert id == f"{number}-0"
        assert words[:3] == ["after", commit, "commit"]
        commit = words[3]
        assert listener.reply() == ["message", "canhazgpu:changes", ""]
    assert redis("HGET", POOL, "version") == f"{number} {commit}"
    (name,) = pool.records()
    assert f"=reservation:{name}" in changes[-1][1]
    pool.ok("status")
    assert redis("HGET", POOL, "version") == f"{number} {commit}", "nothing has changed"
    listener.close()
