"""store backup and store restore, of both kinds of store."""

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess

import pytest
from conftest import HMS, assert_error, timeless, wait_for
from redis_pool import RedisPool

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None,
                                 reason="redis-server is not installed")
STORE_FILES = ("", "-lock", "-wal", "-shm", "-standby", "-reading")


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def any_pool(request, bare_pool, binaries):
    """A pool in either store."""
    if request.param == "file":
        bare_pool.admin()
        yield bare_pool
        return
    directory = bare_pool.directory / "with-redis"
    directory.mkdir()
    server = RedisPool(directory, binaries)
    try:
        server.admin()
        yield server
    finally:
        server.close()


def lose(pool):
    """The store forgets everything."""
    if isinstance(pool, RedisPool):
        pool.redis("FLUSHALL")
        return
    if pool.keeper is not None:
        pool.keeper.close()
        pool.keeper = None
    for suffix in STORE_FILES:
        pool.path.with_name(f"pool.db{suffix}").unlink()


def words_of(report):
    """Its lines in any order, without the hours, which go on."""
    return sorted(re.sub(r"[\d.]+", "", line).split() for line in report.splitlines())


def copy_of(pool):
    return pool.directory / "backup.db"


def test_what_a_lost_store_had_comes_back(any_pool):
    pool = any_pool
    pool.ok("run", "--gpus", "3", "--", "true")
    pool.await_free()
    pool.ok("admin", "--drain", "7", "--note", "fan")
    pool.ok("reserve", "-G", "5", "--duration", "4h", "--note", "d'oh \x1b[31m", "--user", "alice")
    lines, report = pool.ok("status"), pool.ok("report")
    out = pool.ok("store", "backup", "backup.db")
    assert out == "wrote 8 GPUs, 1 reservation and 3 usage records to backup.db, and checked it\n"
    lose(pool)
    out = pool.ok("store", "restore", "backup.db")
    assert out.startswith("brought 8 GPUs, 1 reservation and 3 usage records back from backup.db "
                          "into ")
    assert timeless(pool.ok("status")) == timeless(lines)
    assert words_of(pool.ok("report")) == words_of(report)
    pool.ok("release", "-G", "5", "--user", "alice")
    assert pool.ok("run", "-G", "5", "--", "echo", "ran") == "ran\n"


def test_a_backup_is_one_file_for_its_maker_alone(any_pool):
    pool = any_pool
    pool.ok("reserve", "-G", "5")
    before = set(os.listdir(pool.directory))
    pool.ok("store", "backup", "backup.db", umask=0)
    assert set(os.listdir(pool.directory)) - before == {"backup.db"}
    assert stat.S_IMODE(copy_of(pool).stat().st_mode) == 0o600
    moved = pool.directory / "elsewhere" / "a?b#c%d.db"
    moved.parent.mkdir()
    copy_of(pool).rename(moved)
    moved.chmod(0o400)
    moved.parent.chmod(0o500)
    database = sqlite3.connect(f"file:{moved.parent}/a%3fb%23c%25d.db?immutable=1", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    fields = [row[0] for row in database.execute("SELECT field FROM pool")]
    database.close()
    assert len([field for field in fields if field.startswith("reservation:")]) == 1
    lose(pool)
    pool.ok("store", "restore", moved)
    assert os.listdir(moved.parent) == [moved.name]
    assert pool.reserved() == [5]


def test_a_file_that_is_there_is_kept(pool):
    copy_of(pool).write_text("precious\n")
    assert_error(pool.run("store", "backup", "backup.db"), 1, "'backup.db' exists already",
                 "--force")
    assert copy_of(pool).read_text() == "precious\n"
    pool.ok("store", "backup", "backup.db", "--force")
    assert copy_of(pool).read_bytes().startswith(b"SQLite format 3\0")
    assert_error(pool.run("store", "restore", "backup.db", "--force"), 2, "--force is only for")
    for words, text in ((("backup", "missing/file.db"), "cannot make 'missing/file.db"),
                        (("backup",), "FROM is missing"),
                        (("backup", "a", "b"), "unexpected word 'b'")):
        result = pool.run("store", *words)
        assert result.status in (1, 2) and text in result.err, result
    assert not [name for name in os.listdir(pool.directory) if name.endswith(".new")]


def test_the_history_since_is_kept_and_nothing_is_doubled(any_pool):
    pool = any_pool
    pool.ok("run", "-G", "1", "--", "true")
    pool.await_free()
    pool.ok("store", "backup", "backup.db")
    pool.ok("run", "-G", "2", "--", "true")
    pool.await_free()
    out = pool.ok("store", "restore", "backup.db")
    assert "0 reservations and 0 usage records back" in out
    assert len(pool.usage()) == 2


def test_what_has_ended_since_stays_ended(any_pool):
    pool = any_pool
    pool.ok("reserve", "-G", "1")
    pool.ok("reserve", "-G", "2")
    pool.ok("store", "backup", "backup.db")
    pool.ok("release", "-G", "1")
    assert "0 reservations" in pool.ok("store", "restore", "backup.db")
    assert pool.reserved() == [2]


def test_a_run_that_has_ended_does_not_come_back_and_one_that_goes_on_does(any_pool):
    pool = any_pool
    short = pool.job("-G", "1")
    job = pool.job("-G", "2")
    pool.ok("store", "backup", "backup.db")
    short.kill()
    wait_for(lambda: pool.reserved() == [2], "the run to end")
    lose(pool)
    out = pool.ok("store", "restore", "backup.db")
    assert "1 reservation and" in out
    assert pool.reserved() == [2]
    assert pool.run("run", "-G", "2", "--nonblock", "--", "true").status == 75
    job.kill()
    pool.await_free()


def test_nothing_is_restored_over_reservations_that_the_backup_lacks(any_pool):
    pool = any_pool
    pool.ok("store", "backup", "backup.db")
    pool.ok("reserve", "-G", "4")
    result = pool.run("store", "restore", "backup.db")
    assert_error(result, 1, "GPU 4 is reserved by 'root', of which the backup does not know"
                 if os.geteuid() == 0 else "GPU 4 is reserved by", "nothing was changed")
    assert pool.reserved() == [4]
    pool.ok("release", "-G", "4")
    pool.ok("store", "restore", "backup.db")


def test_the_queue_stays(pool):
    pool.ok("reserve", "-g", "8")
    pool.ok("store", "backup", "backup.db")
    waiter = pool.waiter("-g", "1")
    pool.ok("store", "restore", "backup.db")
    assert pool.waiting() == [waiter.request]
    pool.ok("release", "-G", "3")
    assert pool.finish(waiter).out == "started\n"


def test_what_a_restore_changes_has_its_events(any_pool):
    pool = any_pool
    pool.ok("policy", "set", "limits.gpus=4")
    pool.ok("admin", "--drain", "7", "--note", "fan")
    pool.ok("store", "backup", "backup.db")
    pool.ok("policy", "unset", "limits.gpus")
    pool.ok("admin", "--undrain", "7")
    pool.ok("admin", "--drain", "6")
    before = len(pool.ok("events").splitlines())
    pool.ok("store", "restore", "backup.db")
    found = [json.loads(line) for line in pool.ok("events", "--json").splitlines()][before:]
    assert [(event["event"], event.get("gpus")) for event in found] == [
        ("policy_changed", None), ("undrained", [6]), ("drained", [7])]
    assert all(event["actor"] for event in found) and found[2]["note"] == "fan"
    assert "limits.gpus" in pool.ok("policy")
    # Nothing differs any more.
    pool.ok("store", "restore", "backup.db")
    assert len(pool.ok("events").splitlines()) == before + 3


def test_a_lost_pool_that_comes_back_is_set_up_by_somebody(any_pool):
    pool = any_pool
    pool.ok("store", "backup", "backup.db")
    lose(pool)
    pool.ok("store", "restore", "backup.db")
    found = [json.loads(line) for line in pool.ok("events", "--json").splitlines()]
    assert [event["event"] for event in found] == ["set_up", "set_up"]


def test_a_waiting_request_must_still_be_possible(pool):
    pool.ok("store", "backup", "backup.db")
    pool.gpus_file.unlink()
    pool.admin(16)
    pool.ok("admin", "--drain", "0")
    waiter = pool.waiter("-g", "16")
    assert_error(pool.run("store", "restore", "backup.db"), 1,
                 "a waiting request asks for more GPUs", "canhazgpu queue")
    assert len(pool.status()) == 16 and pool.waiting() == [waiter.request]


def test_what_is_no_backup(pool):
    file = copy_of(pool)
    assert_error(pool.run("store", "restore", "backup.db"), 1, "cannot read the backup 'backup.db'")
    os.mkfifo(file)
    assert_error(pool.run("store", "restore", "backup.db"), 1, "is not a regular file")
    file.unlink()
    file.write_bytes(b"nonsense" * 1000)
    assert_error(pool.run("store", "restore", "backup.db"), 1, "is damaged")
    file.unlink()
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE songs (name)")
    other.close()
    assert_error(pool.run("store", "restore", "backup.db"), 1, "is a database of another program")
    pool.ok("store", "backup", "backup.db", "--force")
    content = bytearray(file.read_bytes())
    content[2 * 1024:3 * 1024] = b"\xff" * 1024
    file.write_bytes(content)
    assert_error(pool.run("store", "restore", "backup.db"), 1, "is damaged")
    pool.ok("store", "backup", "backup.db", "--force")
    changed = sqlite3.connect(file)
    changed.execute("UPDATE pool SET record = 'other-boot elsewhere' WHERE field = 'identity'")
    changed.commit()
    changed.close()
    assert_error(pool.run("store", "restore", "backup.db"), 1, "is of host 'elsewhere'")
    assert len(pool.status()) == 8


def test_only_the_owner_restores(pool, users):
    pool.ok("admin", "--admin-group", users.admin_group)
    pool.ok("store", "backup", "backup.db")
    copy_of(pool).chmod(0o644)
    assert_error(pool.run("store", "restore", "backup.db", user=users.a), 77, "may change it", "sudo")
    pool.ok("store", "restore", "backup.db", user=users.c)
    lose(pool)
    result = pool.run("store", "restore", "backup.db", user=users.a)
    assert result.status == 77, result


def test_a_plain_copy_of_the_file_at_rest_can_be_restored(pool):
    pool.ok("admin", "--drain", "7", "--note", "fan")
    shutil.copy(pool.path, copy_of(pool))
    lose(pool)
    pool.ok("store", "restore", "backup.db")
    assert pool.status()[7] == "GPU 7: OUT OF SERVICE (fan)"


@needs_redis
def test_from_one_kind_of_store_to_the_other(pool, binaries):
    pool.ok("reserve", "-G", "5", "--duration", "4h")
    pool.ok("store", "backup", "backup.db")
    directory = pool.directory / "with-redis"
    directory.mkdir()
    server = RedisPool(directory, binaries)
    try:
        server.ok("store", "restore", copy_of(pool))
        assert server.reserved() == [5]
        assert re.search(rf"expires in {HMS}", server.status()[5])
    finally:
        server.close()


def test_a_full_disk_leaves_nothing(pool):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    disk = pool.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", disk], check=True)
    try:
        with open(disk / "full", "wb") as file:
            file.write(b"x" * 8192)
        result = pool.run("store", "backup", disk / "backup.db")
        assert_error(result, 1, "no space left")
        assert os.listdir(disk) == ["full"]
    finally:
        subprocess.run(["umount", disk], check=True)
