"""What others do to the files of a pool, and what becomes of the pool: people go on, or are told what
is wrong in one line."""

import os
import resource
import shutil
import signal
import sqlite3
import stat

import pytest
from conftest import assert_error, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def in_folder_of_its_own(pool):
    """The pool lies in a folder in which there is nothing else, as on a host."""
    pool.path = pool.directory / "state/pool.db"
    pool.gpus_file = pool.path.parent / "fake-gpus.json"
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{pool.path}"
    return pool


@pytest.fixture
def group_pool(bare_pool, users):
    """Root's pool for a group."""
    pool = in_folder_of_its_own(bare_pool)
    pool.admin(8, "--group", users.gpu_group)
    return pool


def look_with_sqlite3(pool, how="select count(*) from pool", **options):
    """Reads the pool with SQLite's own shell, the last to leave, which takes the log away."""
    result = pool.run_command(["sqlite3", str(pool.path), how], **options)
    assert result.status == 0, result
    assert not log_files(pool)
    return result.out


def log_files(pool):
    return [path.name for path in pool.path.parent.iterdir() if path.name.endswith(("-wal", "-shm"))]


def records_in_copy(pool):
    """What is in pool.db alone, without its log: as `cp pool.db` finds it."""
    copy = pool.directory / "copy.db"
    shutil.copy(pool.path, copy)
    database = sqlite3.connect(f"file:{copy}?immutable=1", uri=True)
    found = [row[0] for row in database.execute("SELECT field FROM pool ORDER BY field")]
    database.close()
    return found


# --- Somebody looks with sqlite3 -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["select count(*) from pool", ".backup copy"])
def test_members_go_on_after_root_has_looked_with_sqlite3(group_pool, users, how):
    pool = group_pool
    pool.ok("reserve", "-G", "3", "--duration", "4h", user=users.d)
    look_with_sqlite3(pool, how)
    assert "GPU 3: IN USE" in pool.ok("status", user=users.d)
    assert pool.ok("run", "-G", "5", "--", "echo", "ran", user=users.d) == "ran\n"
    wait_for(lambda: "GPU 5: IN USE" not in pool.ok("status", user=users.d), "the run to be over")
    pool.ok("reserve", "-g", "7", "--nonblock", user=users.e)
    result = pool.run("reserve", "-g", "1", "--nonblock", user=users.d)
    assert result.status == 75, result
    # No one but root may have made files there.
    assert not log_files(pool)
    assert pool.ok("report", user=users.e)
    assert "GPU 3: IN USE" in pool.ok("status")
    assert sorted(log_files(pool)) == ["pool.db-shm", "pool.db-wal"]
    assert "released GPU 3" in pool.ok("release", "-G", "3", user=users.d)
    for name in log_files(pool):
        file = (pool.path.parent / name).stat()
        assert (stat.S_IMODE(file.st_mode), file.st_gid) == (0o660, pool.path.stat().st_gid), name


def test_members_wait_for_each_other_after_root_has_looked(group_pool, users):
    pool = group_pool
    look_with_sqlite3(pool)
    pool.ok("reserve", "-g", "8", user=users.d)
    waiter = pool.popen("run", "--", "echo", "started", user=users.e)
    assert "1st" in waiter.stderr.readline().decode()
    assert not log_files(pool)
    pool.ok("release", "-G", "4", user=users.d)
    assert pool.finish(waiter).out == "started\n"


def test_many_members_at_once_after_root_has_looked(group_pool, users):
    pool = group_pool
    look_with_sqlite3(pool)
    runs = [pool.popen("run", "--", "echo", "ran", user=user) for user in (users.d, users.e) * 8]
    for run in runs:
        result = pool.finish(run)
        assert (result.status, result.out) == (0, "ran\n"), result
    wait_for(lambda: "IN USE" not in pool.ok("status", user=users.d), "the GPUs to be free")
    assert not log_files(pool)
    database = sqlite3.connect(pool.path)
    assert database.execute("SELECT count(*) FROM events WHERE is_end").fetchone() == (16,)
    database.close()


def test_a_member_who_is_killed_after_root_has_looked_leaves_a_whole_pool(group_pool, users):
    pool = group_pool
    pool.ok("reserve", "-G", "3", user=users.d)
    look_with_sqlite3(pool)
    for _ in range(20):
        process = pool.popen("reserve", "-G", "5", "--nonblock", user=users.e)
        wait_for(lambda: process.poll() is not None or standby(pool).stat().st_size > 0,
                 "a change to be made", step=0)
        process.kill()
        process.wait()
        lines = pool.status(user=users.d)
        assert "IN USE" in lines[3], lines
        if "IN USE" in lines[5]:
            pool.ok("release", "-G", "5", user=users.e)
        assert not log_files(pool)
    database = sqlite3.connect(pool.path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def standby(pool):
    return pool.path.with_name("pool.db-standby")


# --- One file ---------------------------------------------------------------------------------------


def test_a_new_pool_is_whole_in_its_one_file(bare_pool):
    pool = bare_pool
    pool.admin(2)
    assert records_in_copy(pool) == ["gpu:0", "gpu:1", "identity", "provider", "settings"]
    pool.ok("admin", "--drain", "1", "--note", "fan")
    assert b"fan" in pool.path.read_bytes()


def test_a_copied_pool_is_whole_in_its_one_file(pool):
    pool.ok("reserve", "-G", "3")
    new = pool.directory / "new/pool.db"
    pool.ok("store", "copy", f"sqlite:{pool.path}", f"sqlite:{new}")
    pool.path = new
    assert [field for field in records_in_copy(pool) if field.startswith("reservation:")]


# --- What is no pool --------------------------------------------------------------------------------

COMMANDS = (["status"], ["reserve", "--nonblock"], ["release"], ["queue"], ["report"],
            ["run", "--nonblock", "--", "true"], ["admin", "--force", "--yes"])


def change_by_hand(pool, *statements):
    database = sqlite3.connect(pool.path, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_view_in_place_of_the_pool_is_refused(pool, command):
    change_by_hand(pool, "ALTER TABLE pool RENAME TO hidden",
                   "CREATE VIEW pool AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                   "FROM n) SELECT 'z' || i AS field, '' AS record FROM n")
    assert_error(pool.run(*command), 1, "is no part of a pool", "take it out")


@pytest.mark.parametrize("statement, name", [
    ("CREATE TRIGGER gone AFTER INSERT ON pool BEGIN DELETE FROM events; END", "gone"),
    ("CREATE VIEW more AS SELECT 1", "more"), ("CREATE TABLE songs (name)", "songs"),
    ("CREATE INDEX songs ON events (is_end)", "songs"), ("DROP TABLE events", "missing")])
def test_what_schema_sql_does_not_make_is_refused(pool, statement, name):
    change_by_hand(pool, statement)
    assert_error(pool.run("status"), 1, name, "take it out")


# --- Signals of the kernel --------------------------------------------------------------------------


def truncated_while_mapped(pool, *arguments):
    """Runs the program, whose index of the log is truncated again and again."""
    process = pool.popen(*arguments)
    index = pool.path.with_name("pool.db-shm")
    while process.poll() is None:
        os.truncate(index, 0)
    return pool.finish(process)


def test_a_truncated_index_of_the_log_is_told(pool):
    seen = set()
    for _ in range(400):
        result = truncated_while_mapped(pool, "status")
        if result.status == 0:
            continue
        assert result.status == 1, result
        assert 1 <= len(result.err.splitlines()) <= 2, result
        seen.add("was truncated while it was in use" in result.err)
        if True in seen:
            break
    assert True in seen


def test_a_limit_of_a_files_size_is_told(pool):
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
    result = pool.run("reserve", "--nonblock", preexec_fn=limited)
    assert_error(result, 1, "within the limit of a file's size", "ulimit -f")
    assert pool.reserved() == []


def test_the_command_of_a_run_has_its_signals_as_they_were(pool):
    for ignore in (False, True):
        def as_it_was():
            for number in (signal.SIGBUS, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_IGN if ignore else signal.SIG_DFL)
        found = pool.ok("run", "--", "grep", "-E", "Sig(Ign|Cgt)", "/proc/self/status",
                        preexec_fn=as_it_was)
        ignored, caught = (int(line.split()[1], 16) for line in found.splitlines())
        both = 1 << (signal.SIGBUS - 1) | 1 << (signal.SIGXFSZ - 1)
        assert (ignored & both == both) == ignore and caught & both == 0, found
        assert ignore or ignored & both == 0


# --- What can't be read -----------------------------------------------------------------------------


@pytest.mark.parametrize("row, kept", [
    ("reservation:x", "GPU 3"), ("request:x", "GPU 3"), ("gpu:x", "GPU 3"), ("cancelled", "GPU 3"),
    ("settings", "GPU 3")])
def test_admin_force_reads_past_what_it_cannot_read(pool, row, kept):
    pool.ok("run", "-G", "5", "--", "true")
    pool.await_free()
    pool.ok("admin", "--drain", "3", "--note", "fan")
    pool.ok("reserve", "-G", "1")
    change_by_hand(pool, f"INSERT OR REPLACE INTO pool VALUES ('{row}', '[')")
    assert_error(pool.run("status"), 1, f"in '{row}'", "canhazgpu admin --force")
    out = pool.ok("admin", "--force", "--yes")
    assert f"took out '{row}', which could not be read" in out
    assert "cleared 1 reservation" in out
    lines = pool.status()
    assert lines[3] == "GPU 3: OUT OF SERVICE (fan)"
    assert [row[1] for row in pool.usage()] == [5, 1]
    pool.ok("reserve", "-G", "1")


def test_admin_force_asks_before_it_takes_out_what_it_cannot_read(pool):
    change_by_hand(pool, "INSERT INTO pool VALUES ('reservation:x', '[')")
    assert_error(pool.run("admin", "--force"), 1, "--force would take away", "--yes")
    assert_error(pool.run("status"), 1, "'reservation:x'")


# --- Root in somebody else's folder -----------------------------------------------------------------


@pytest.fixture
def foreign_folder(bare_pool, users):
    """A folder of an ordinary account, in which root is to set a pool up."""
    pool = in_folder_of_its_own(bare_pool)
    pool.path.parent.mkdir()
    os.chown(pool.path.parent, users.a.uid, users.a.gid)
    return pool


@needs_root
def test_root_shares_nothing_in_somebody_elses_folder(foreign_folder, users):
    pool = foreign_folder
    precious = pool.directory / "precious"
    precious.mkdir(mode=0o700)
    os.symlink(precious, pool.path.parent / "pool.db-bells")
    before = precious.stat()
    for options in ([], ["--group", users.gpu_group]):
        result = pool.run("admin", "--provider", "fake", *options)
        assert_error(result, 77, f"'{pool.path.parent}', which belongs to somebody else",
                     "a folder of root's")
    assert precious.stat() == before and not pool.path.exists()


@pytest.mark.parametrize("how", ["group", "everybody", "sticky", "parent"])
def test_root_shares_nothing_where_others_may_write(foreign_folder, how):
    pool = foreign_folder
    folder = pool.path.parent
    os.chown(folder, 0, 0)
    if how == "parent":
        pool.directory.chmod(0o777)
    else:
        folder.chmod({"group": 0o775, "everybody": 0o777, "sticky": 0o1777}[how])
    result = pool.run("admin", "--provider", "fake")
    assert_error(result, 77, "which others can write", "a folder of root's")
    assert not pool.path.exists()


@pytest.mark.parametrize("name", ["pool.db-bells", "pool.db-lock", "pool.db-standby", "pool.db"])
def test_links_in_place_of_a_pools_files_are_not_followed(foreign_folder, users, name):
    """As left from the time when the folder was somebody else's."""
    pool = foreign_folder
    os.chown(pool.path.parent, 0, 0)
    target = pool.directory / "target"
    target.mkdir() if name == "pool.db-bells" else target.touch()
    target.chmod(0o600)
    os.symlink(target, pool.path.parent / name)
    before = target.stat()
    result = pool.run("admin", "--provider", "fake", "--group", users.gpu_group)
    assert result.status in (1, 77) and len(result.err.splitlines()) <= 2, result
    assert target.stat() == before


def test_a_pipe_in_place_of_the_simulated_gpus_keeps_nobody_waiting(pool):
    for name in ("fake-gpus.json", "fake-gpus.json.new"):
        (pool.directory / name).unlink(missing_ok=True)
        os.mkfifo(pool.directory / name)
    assert_error(pool.run("run", "--", "true"), 1, "is not a regular file", "remove it")
    assert_error(pool.run("admin", "--provider", "fake", "--gpus", "8"), 1, "is not a regular file")


@needs_root
def test_root_obeys_no_journal_that_somebody_has_put_beside_a_pool(foreign_folder, users):
    """SQLite deletes the file that a journal names."""
    pool = foreign_folder
    pool.path.parent.chmod(0o755)
    pool.ok("admin", "--provider", "fake", "--gpus", "2", user=users.a)
    precious = pool.directory / "precious"
    precious.write_text("precious\n")
    name = str(precious).encode()
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + (0).to_bytes(4, "big") * 2 + (2).to_bytes(4, "big") + \
        (512).to_bytes(4, "big") + (1024).to_bytes(4, "big")
    page = (0x40000000 // 1024 + 1).to_bytes(4, "big")
    checksum = sum(name).to_bytes(4, "big")
    journal = header.ljust(512, b"\0") + page + name + len(name).to_bytes(4, "big") + checksum + \
        magic
    for suffix in ("-wal", "-shm"):
        (pool.path.parent / f"pool.db{suffix}").unlink()
    database = sqlite3.connect(pool.path)
    database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    (pool.path.parent / "pool.db-journal").write_bytes(journal)
    result = pool.run("status")
    assert precious.exists(), result
    assert result.status == 1, result


@needs_root
def test_root_follows_no_configuration_of_somebody_else(pool, users):
    """As after sudo -E."""
    file = pool.home / ".canhazgpu.yaml"
    file.write_text("run:\n  gpus: 3\nmemory.threshold: nonsense\n")
    os.chown(file, users.a.uid, users.a.gid)
    result = pool.run("run", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert (result.status, result.out) == (0, "0\n"), result
    assert result.err.count(f"did not read '{file}', which belongs to somebody else") == 1, result
    file.write_text("run:\n  gpus: 3\n")
    named = pool.ok("--config", str(file), "run", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert named.count(",") == 2
    os.chown(file, 0, 0)
    pool.await_free()
    assert pool.ok("run", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES", user=users.a).count(",") == 2
    assert pool.ok("run", "--", "true") == ""
