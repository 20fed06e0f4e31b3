"""`events`: what has happened, and who did it."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from conftest import Pool, assert_error, temporary, validate, wait_for
from redis_pool import RedisPool


@pytest.fixture(params=["sqlite", "redis"])
def pool(request, binaries):
    if request.param == "redis" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with temporary(RedisPool if request.param == "redis" else Pool, binaries) as pool:
        pool.admin()
        yield pool


def events(pool, *options, id=None, **more):
    """As `events --json` tells them, each held to its schema."""
    found = [validate(json.loads(line), "event")
             for line in pool.ok("events", "--json", *options, **more).splitlines()]
    return [event for event in found if id in (None, event.get("id"))]


def kinds(found):
    return [event["event"] for event in found]


def last(pool, kind):
    return [event for event in events(pool) if event["event"] == kind][-1]


def me():
    return subprocess.run(["id", "-un"], stdout=subprocess.PIPE, text=True).stdout.strip()


def test_life_of_a_run(pool):
    pool.ok("run", "--gpus", "2", "--note", "train", "--user", "ann", "--", "sh", "-c", "exit 0")
    pool.await_free()
    found = events(pool)
    assert kinds(found) == ["set_up", "queued", "granted", "taken", "ended"]
    assert "id" not in found[0] and found[0]["actor"] == me() and found[0]["detail"]
    queued, granted, taken, ended = found[1:]
    for event in found[1:]:
        assert event["id"] == queued["id"] and event["user"] == f"ann ({me()})"
        assert event["note"] == "train" and event["command"] == "sh -c exit 0"
        assert event["reservation_type"] == "run" and event["uid"] == os.getuid()
    assert queued["requested_count"] == 2 and "gpus" not in queued
    assert granted["gpus"] == taken["gpus"] == ended["gpus"] == [0, 1]
    assert queued["actor"] == taken["actor"] == ended["actor"] == me()
    assert "actor" not in granted
    assert ended["how"] == "finished" and ended["start_time"] == granted["time"]
    times = [event["time_unix_ns"] for event in found]
    assert times == sorted(times)
    # Usage is what the ends tell.
    (row,) = json.loads(pool.ok("report", "--json"))["users"]
    assert row["name"] == f"ann ({me()})" and row["run_count"] == 1


def test_lines(pool):
    pool.ok("run", "--note", "tr\x1b[31m", "--", "true")
    pool.await_free()
    lines = pool.ok("events").splitlines()
    assert len(lines) == 5 and all("\x1b" not in line for line in lines)
    assert "  queued  " in lines[1] and "  1 GPU  " in lines[1] and lines[1].endswith("  true")
    assert "  ended  " in lines[4] and "  GPU 0  finished after 0h 0m " in lines[4]


def test_manual_reservation(pool):
    pool.ok("reserve", "--gpu-ids", "3,5", "--duration", "1h")
    pool.ok("extend", "1h")
    pool.ok("release", "--gpu-ids", "3")
    pool.ok("release")
    found = events(pool)[1:]
    assert kinds(found) == ["queued", "granted", "taken", "extended", "ended", "ended"]
    assert found[0]["gpus"] == [3, 5] and {event["reservation_type"] for event in found} == {"manual"}
    assert found[2]["expiry_time"] < found[3]["expiry_time"]
    assert [(event["gpus"], event["how"]) for event in found[4:]] == [([3], "released"),
                                                                      ([5], "released")]
    assert kinds(events(pool, "--gpu-ids", "3")) == kinds(found)[:5]


def test_request_that_is_not_granted_at_once_leaves_none(pool):
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    before = events(pool)
    for _ in range(3):
        assert pool.run("run", "--nonblock", "--", "true").status == 75
    assert events(pool) == before


def test_waiter_that_leaves_and_one_that_is_killed(pool):
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    leaves = pool.waiter()
    leaves.send_signal(signal.SIGINT)
    leaves.wait()
    assert kinds(events(pool, id=leaves.request)) == ["queued", "withdrawn"]
    assert events(pool, id=leaves.request)[-1]["actor"] == me()
    dies = pool.waiter()
    dies.kill()
    dies.wait()
    pool.ok("queue")
    assert kinds(events(pool, id=dies.request)) == ["queued", "withdrawn"]
    assert "actor" not in events(pool, id=dies.request)[-1], "nobody did it: it was found"


def test_killed_run_is_found_by_nobody(pool):
    job = pool.job("--gpus", "3")
    (supervisor,) = pool.supervisors()
    os.kill(supervisor, signal.SIGKILL)
    job.kill()
    job.wait()
    wait_for(lambda: pool.status() and not pool.reserved(), "the run to be found")
    ended = last(pool, "ended")
    assert ended["how"] == "lost" and ended["gpus"] == [0, 1, 2] and "actor" not in ended
    assert ended["command"].startswith("sh -c echo started")


def test_ends_name_who_made_them(pool, users):
    job = pool.job("--gpu-ids", "0", user=users.a)
    pool.ok("reserve", "--gpu-ids", "1-7", "--duration", "1h", user=users.a)
    waiter = pool.waiter("--gpu-ids", "1", kind="reserve", user=users.a)
    assert_error(pool.run("cancel", waiter.request, user=users.b), 77,
                 "belongs to " + users.a.name)
    pool.ok("cancel", waiter.request)
    waiter.wait()
    pool.ok("release", "--gpu-ids", "1")
    pool.ok("release", user=users.a)
    pool.ok("release", "--kill", "--gpu-ids", "0")
    job.wait()
    pool.await_free()
    cancelled = last(pool, "cancelled")
    assert (cancelled["id"], cancelled["account"], cancelled["actor"]) == (
        waiter.request, users.a.name, me())
    ends = [(event["gpus"], event["how"], event["account"], event["actor"])
            for event in events(pool) if event["event"] == "ended"]
    assert ends == [([1], "released", users.a.name, me()),
                    ([2, 3, 4, 5, 6, 7], "released", users.a.name, users.a.name),
                    ([0], "killed", users.a.name, me())]
    killed = [line for line in pool.ok("events").splitlines() if "  killed after " in line]
    assert len(killed) == 1 and f"  by {me()}  " in killed[0]


def test_changes_of_the_pool(pool):
    pool.ok("admin", "--drain", "7", "--note", "fan")
    pool.ok("admin", "--undrain", "7")
    pool.policy("heartbeat.timeout=10m")
    pool.policy("heartbeat.timeout=10m")  # which changes nothing
    pool.ok("reserve", "--duration", "1h")
    pool.ok("admin", "--force", "--yes")
    found = events(pool)[1:]
    assert kinds(found) == ["drained", "undrained", "policy_changed", "queued", "granted", "taken",
                            "cleared", "ended"]
    assert found[0]["gpus"] == [7] and found[0]["note"] == "fan"
    assert found[2]["detail"] == "heartbeat.timeout: 5m -> 10m"
    assert found[-1]["how"] == "cleared"
    assert all(event["actor"] == me() for event in found if event["event"] != "granted")


def test_since(pool):
    pool.ok("reserve", "--duration", "1h")
    assert kinds(events(pool, "--since", "1h")) == ["set_up", "queued", "granted", "taken"]
    assert_error(pool.run("events", "--since", "yesterday"), 2, "yesterday")
    assert events(pool, "--since", "0.000001s") == []


def follow(pool, *options):
    follower = pool.popen("events", "--follow", "--json", *options)

    def next_event():
        return validate(json.loads(pool.read_line(follower)), "event")
    return follower, next_event


def test_follow_sees_a_run_begin_and_end_as_it_happens(pool):
    follower, next_event = follow(pool)
    assert next_event()["event"] == "set_up"
    job = pool.job(command=("sh", "-c", "echo started; read line"), stdin=subprocess.PIPE)
    assert [next_event()["event"] for _ in range(3)] == ["queued", "granted", "taken"]
    assert pool.reserved() == [0], "it goes on"
    pool.finish(job, b"\n")
    ended = next_event()
    assert ended["event"] == "ended" and ended["how"] == "finished"
    # And not only once.
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    assert [next_event()["event"] for _ in range(3)] == ["queued", "granted", "taken"]
    waiter = pool.waiter()
    assert next_event()["id"] == waiter.request
    pool.ok("cancel", waiter.request)
    assert next_event()["event"] == "cancelled"
    follower.send_signal(signal.SIGINT)
    assert follower.wait() == -signal.SIGINT


def test_follow_waits_for_a_redis_that_is_away(pool):
    if not isinstance(pool, RedisPool):
        pytest.skip("a file does not go away")
    follower, next_event = follow(pool)
    assert next_event()["event"] == "set_up"
    pool.server.kill()
    assert "trying again" in follower.stderr.readline().decode()
    pool.server.start()
    pool.ok("reserve", "--duration", "1h")
    assert [next_event()["event"] for _ in range(3)] == ["queued", "granted", "taken"]


def test_without_a_pool(pool):
    env = {"CANHAZGPU_STORE": f"sqlite:{pool.directory}/none.db"}
    for options in ([], ["--follow"]):
        assert_error(pool.run("events", *options, env=env), 1, "there is no pool")


def test_old_events_are_forgotten_when_a_run_ends(pool):
    if isinstance(pool, RedisPool):
        pytest.skip("the times of its events can't be changed")
    pool.policy("history.kept=2d")
    pool.ok("reserve", "--duration", "1h")
    old = len(events(pool, "--since", "9d"))
    pool.edit("UPDATE events SET serial = serial - 86400 * 1000000000")
    pool.ok("run", "--", "true")
    pool.await_no_supervisors()
    assert len(events(pool, "--since", "9d")) == old + 4, "a day is not old"
    pool.edit("UPDATE events SET serial = serial - 129600 * 1000000000 WHERE serial IN "
              "(SELECT serial FROM events ORDER BY serial LIMIT ?)", old)
    pool.ok("run", "--", "true")
    pool.await_no_supervisors()
    assert kinds(events(pool, "--since", "9d")) == 2 * ["queued", "granted", "taken", "ended"]
