"""`store copy`: from a file to a Redis and back, with what is in it, and what must not happen."""

import os
import shutil
import signal
import subprocess

import pytest

from conftest import assert_error, timeless, wait_for
from redis_client import EVENTS, POOL, Redis
from redis_pool import RedisPool

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None,
                                 reason="redis-server is not installed")


def dump(pool):
    """All that is in the file, in words."""
    return list(pool.database().iterdump())


def fill_history(pool, count):
    """Usage records, some of them with the same end."""
    pool.edit(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
        "INSERT INTO usage SELECT printf('r%07d', i), i % 8, 1000 + i % 5, 'account', '', "
        "'run', 1795500000000000000 + i / 3 * 1000000000, "
        "1795500060000000000 + i / 3 * 1000000000, 'finished' FROM n", count)


def hours(report):
    """Of the accounts of `fill_history`."""
    found = [line.split()[:2] for line in report.splitlines() if line.startswith("account")]
    assert found, report
    return found


@pytest.fixture
def copy_to(pool):
    """The same place with another store: `canhazgpu` on the copy."""
    def at(url, *arguments, **options):
        return pool.run(*arguments, env={"CANHAZGPU_STORE": url,
                                         "CANHAZGPU_FAKE_FILE": str(pool.gpus_file)}, **options)
    return at


@pytest.fixture
def redis(pool, binaries):
    directory = pool.directory / "redis"
    directory.mkdir()
    server = RedisPool(directory, binaries)
    server.url = server.environment["CANHAZGPU_STORE"]
    try:
        yield server
    finally:
        server.close()


def source(pool):
    return f"sqlite:{pool.path}"


@needs_redis
def test_there_and_back(pool, redis, copy_to):
    pool.ok("run", "--gpus", "3", "--", "true")
    pool.await_free()
    pool.ok("reserve", "-G", "5", "--duration", "4h", "--note", "d'oh \x1b[31m", "--user", "alice")
    pool.ok("admin", "--drain", "7", "--note", "fan")
    fill_history(pool, 2500)
    before, lines = dump(pool), pool.ok("status")
    out = pool.ok("store", "copy", source(pool), redis.url)
    assert out == (f"copied 8 GPUs, 1 reservation and 2509 events from {pool.path} to "
                   f"{redis.url}, and compared them\n")
    assert dump(pool) == before
    back = pool.directory / "back/pool.db"
    out = pool.ok("store", "copy", redis.url, f"sqlite:{back}")
    assert "2509 events" in out
    for url in (redis.url, f"sqlite:{back}"):
        result = copy_to(url, "status")
        assert timeless(result.out) == timeless(lines), result
        report = copy_to(url, "report", "--days", "3650").out
        # But for what goes on: the reservation, and the shares of it.
        assert hours(report) == hours(pool.ok("report", "--days", "3650"))
    # Everything but what the file itself is.
    copied = subprocess.run(["sqlite3", back, ".dump"], stdout=subprocess.PIPE, check=True)
    original = subprocess.run(["sqlite3", pool.path, ".dump"], stdout=subprocess.PIPE, check=True)
    rows = [sorted(line for line in text.stdout.splitlines() if line.startswith(b"INSERT"))
            for text in (copied, original)]
    assert rows[0] == rows[1]


def test_sharing_is_that_of_a_new_store(pool):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    back = pool.directory / "new/pool.db"
    pool.ok("store", "copy", source(pool), f"sqlite:{back}")
    assert back.stat().st_mode & 0o777 == 0o666
    assert back.parent.stat().st_mode & 0o777 == 0o755


def test_nothing_is_copied_over_a_pool(pool, copy_to):
    other = f"sqlite:{pool.directory}/other/pool.db"
    assert copy_to(other, "admin", "--provider", "fake", "--gpus", "8").status == 0
    copy_to(other, "reserve", "-G", "3")
    assert_error(pool.run("store", "copy", source(pool), other), 1, "there is a pool in",
                 "name an empty store")
    assert_error(pool.run("store", "copy", source(pool), source(pool)), 1, "there is a pool in")
    assert "IN USE" in copy_to(other, "status").out


def test_what_is_no_store_to_copy(pool):
    new = f"sqlite:{pool.directory}/new/pool.db"
    missing = pool.directory / "missing.db"
    assert_error(pool.run("store", "copy", f"sqlite:{missing}", new), 1, "there is no store",
                 "canhazgpu config")
    assert not missing.exists()
    damaged = pool.directory / "damaged.db"
    damaged.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    assert_error(pool.run("store", "copy", f"sqlite:{damaged}", new), 1, "is damaged")
    for words, text in ((("copi", source(pool), new), "unknown action 'copi'"),
                        (("copy", source(pool)), "TO is missing"),
                        (("copy", "pool.db", new), "'pool.db' is no store"),
                        (("copy", source(pool), "redis://h:0/"), "is no URL of a Redis")):
        assert_error(pool.run("store", *words), 2, text)
    pool.edit("PRAGMA user_version = 99")
    assert_error(pool.run("store", "copy", source(pool), new), 1, "made by a newer canhazgpu")
    assert not (pool.directory / "new").exists()


def test_only_the_owner_copies(pool, users):
    new = pool.directory / "new"
    new.mkdir()
    new.chmod(0o777)
    result = pool.run("store", "copy", source(pool), f"sqlite:{new}/pool.db", user=users.a)
    assert_error(result, 77, "whoever set the pool up", "sudo")
    assert list(new.iterdir()) == []
    pool.ok("admin", "--admin-group", users.admin_group)
    pool.ok("store", "copy", source(pool), f"sqlite:{new}/pool.db", user=users.c)


def test_place_of_somebody_else_is_not_taken(pool, users, copy_to):
    pool.ok("admin", "--admin-group", users.admin_group)
    new = pool.directory / "new"
    new.mkdir()
    new.chmod(0o777)
    (new / "pool.db").touch()
    (new / "pool.db").chmod(0o666)
    result = pool.run("store", "copy", source(pool), f"sqlite:{new}/pool.db", user=users.c)
    assert_error(result, 77, "may change it")


def test_queue_stays(pool, copy_to):
    pool.ok("reserve", "-g", "8")
    waiter = pool.waiter("-g", "1")
    new = f"sqlite:{pool.directory}/new/pool.db"
    result = pool.run("store", "copy", source(pool), new)
    assert result.status == 0 and "1 request still waits in" in result.err, result
    assert copy_to(new, "queue").out == "nobody waits\n"
    assert pool.waiting() == [waiter.request]


def test_live_run_keeps_its_gpus_in_the_copy(pool, copy_to):
    job = pool.job("-G", "2", command=("sh", "-c", "echo started; read line"),
                   stdin=subprocess.PIPE)
    new = f"sqlite:{pool.directory}/new/pool.db"
    result = pool.run("store", "copy", source(pool), new)
    assert result.status == 0 and "1 live run goes on" in result.err, result
    assert copy_to(new, "run", "-G", "2", "--nonblock", "--", "true").status == 75
    assert "GPU 2: IN USE" in copy_to(new, "status").out
    # A waiter of the new store is served when the run of the old one has ended.
    waiter = pool.popen("run", "-G", "2", "--", "echo", "mine",
                        env={"CANHAZGPU_STORE": new, "CANHAZGPU_FAKE_FILE": str(pool.gpus_file)})
    assert waiter.stderr.readline(), "it says what it waits for"
    pool.finish(job, b"\n")
    assert pool.finish(waiter).out == "mine\n"
    pool.await_free()


def test_run_that_cannot_be_seen_is_refused(pool):
    pool.job("-G", "2")
    holder = pool.identity("holder")
    holder.boot_id, holder.host = "another", "elsewhere"
    pool.edit("UPDATE reservation SET holder = ?", str(holder))
    new = pool.directory / "new"
    result = pool.run("store", "copy", source(pool), f"sqlite:{new}/pool.db")
    assert_error(result, 1, "on GPU 2 cannot be seen from here", "wait until it is over")
    assert not new.exists()


@needs_redis
def test_killed_copy_is_no_pool_and_goes_on(pool, redis, copy_to):
    records = 10_000
    fill_history(pool, records)
    # Each commit would wait for a disk that others may keep busy.
    redis.redis("CONFIG", "SET", "appendfsync", "no")
    ask = Redis(redis.socket)
    for killed in range(2):
        before = ask("XLEN", EVENTS)
        copying = pool.popen("store", "copy", source(pool), redis.url)
        wait_for(lambda: ask("XLEN", EVENTS) > before, "the copy to begin", step=0)
        copying.send_signal(signal.SIGKILL)
        copying.wait()
        assert ask("XLEN", EVENTS) <= records, killed
        assert_error(copy_to(redis.url, "status"), 1, "there is no pool")
    out = pool.ok("store", "copy", source(pool), redis.url)
    assert f"{records + 1} events" in out
    assert ask("XLEN", EVENTS) == records + 1
    ask.close()
    assert len(copy_to(redis.url, "status").out.splitlines()) == 8


@needs_redis
def test_another_history_is_left_alone(pool, redis):
    pool.ok("run", "--", "true")
    pool.await_free()
    redis.admin()
    redis.ok("run", "--", "true")
    redis.await_free()
    redis.redis("DEL", POOL)
    kept = redis.redis("XRANGE", EVENTS, "-", "+")
    assert_error(pool.run("store", "copy", source(pool), redis.url), 1,
                 "has a history of its own", "name an empty store")
    assert redis.redis("XRANGE", EVENTS, "-", "+") == kept
