"""The file systems that a store may lie on, and what root makes on them."""

import errno
import os
import pathlib
import platform
import sqlite3
import stat
import subprocess
import sys

import pytest
from conftest import assert_error, on_a_disk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

LOCAL_DISK = "a disk of this host (--store sqlite:PATH), or into a Redis"
FORBID = pathlib.Path(__file__).with_name("forbid.py")
# The numbers of fcntl, flock and mmap.
FCNTL, FLOCK, MMAP = {"x86_64": (72, 73, 9), "aarch64": (25, 32, 222)}.get(platform.machine(), (0, 0, 0))
F_SETLK, MAP_SHARED, NO_FILE = 6, 1, 0xFFFFFFFF
# What file systems refuse that are not of this host: the lock of a whole file, that of a part of one,
# and memory that processes share through one.
FAULTS = {
    "no lock daemon": (FLOCK, errno.ENOLCK),
    "no locks": (FLOCK, errno.EOPNOTSUPP),
    "no locks of parts": (f"{FCNTL},1={F_SETLK}", errno.ENOLCK),
    "no shared memory": (f"{MMAP},3&{MAP_SHARED}={MAP_SHARED},4!={NO_FILE}", errno.ENODEV),
}


def run_with(pool, fault, *words):
    """Runs the program where the kernel refuses that."""
    if FCNTL == 0:
        pytest.skip("the numbers of this machine's system calls are not known")
    return pool.run_command([sys.executable, FORBID, *FAULTS[fault], pool.program, *words])


# --- Without locks, or without shared memory ----------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_no_pool_is_set_up_where_there_are_no_locks(bare_pool, fault):
    words = ["admin", "--provider", "fake", "--gpus", "2"]
    result = run_with(bare_pool, fault, *words)
    assert_error(result, 1, f"the store '{bare_pool.path}' lies on a file system that cannot", LOCAL_DISK)
    bare_pool.ok(*words)
    assert len(bare_pool.status()) == 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("words", [["reserve"], ["status"]], ids=" ".join)
def test_a_pool_whose_file_system_has_lost_its_locks(pool, words, fault):
    """As of a network file system whose server has another setting now."""
    result = run_with(pool, fault, *words)
    if words == ["status"] and "lock" in fault and "parts" not in fault:
        assert result.status == 0, result  # which locks nothing so
        return
    assert result.status == 1 and result.out == "", result
    assert "cannot" in result.err and LOCAL_DISK in result.err, result
    assert "another program" not in result.err, result
    assert pool.reserved() == []


# --- Mounted read-only --------------------------------------------------------------------------------

LOOKING = [["status"], ["status", "--json"], ["queue"], ["report"], ["events"], ["policy"]]
CHANGING = [["reserve"], ["run", "--", "true"], ["release"], ["extend", "1h"],
            ["policy", "set", "limits.gpus=1"]]


@pytest.fixture
def disk(bare_pool):
    """A disk of its own, with a pool on it, which can be sealed."""
    with on_a_disk(bare_pool, "a disk", "size=4m") as disk:
        bare_pool.ok("reserve", "-G", "3", "--duration", "4h", "--note", "as it was")
        yield disk


def seal(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def take_the_log_away(pool):
    """As SQLite's own shell does, when it is the last to leave."""
    database = sqlite3.connect(pool.path)
    assert database.execute("SELECT count(*) FROM pool").fetchone()[0] > 0
    database.close()
    assert not pool.path.with_name("pool.db-wal").exists()


@pytest.mark.parametrize("has_log", [True, False])
@pytest.mark.parametrize("is_root", [True, False])
def test_a_store_that_is_mounted_read_only_can_be_looked_at(bare_pool, disk, users, is_root, has_log):
    pool = bare_pool
    if not has_log:
        take_the_log_away(pool)
    seal(disk)
    options = {} if is_root else {"user": users.a}
    for words in LOOKING:
        result = pool.run(*words, **options)
        assert result.status == 0 and result.err == "", result
    assert "GPU 3: IN USE" in pool.ok("status", **options)
    assert "GPU 3" in pool.ok("events", **options)
    assert "1 reservation" in pool.ok("report", **options)
    assert sorted(path.name for path in disk.iterdir() if path.name.endswith("-wal")) == (
        ["pool.db-wal"] if has_log else [])
    for words in [*CHANGING, *([["admin", "--drain", "1"]] if is_root else [])]:
        assert_error(pool.run(*words, **options), 1,
                     f"the store '{pool.path}' cannot be changed: Read-only file system",
                     f"findmnt -T '{disk}'")
    doctor = pool.run("doctor", **options)
    assert doctor.status == 1 and "cannot be changed: Read-only file system" in doctor.out, doctor


def test_a_backup_is_made_of_a_store_that_is_mounted_read_only(bare_pool, disk):
    seal(disk)
    file = bare_pool.directory / "backup.db"
    assert "1 reservation" in bare_pool.ok("store", "backup", str(file))
    assert file.exists()


# --- What is no file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["status"], ["reserve"], ["admin", "--provider", "fake"]], ids=" ".join)
def test_a_directory_named_as_a_store(bare_pool, words):
    folder = bare_pool.directory / "it's a folder"
    folder.mkdir()
    result = bare_pool.run(*words, "--store", f"sqlite:{folder}")
    assert_error(result, 1, f"the store '{folder}' is a directory")
    # What the hint says works when it is typed.
    hint = result.err.splitlines()[1].split("name a file in it: ")[1]
    bare_pool.run_command(["sh", "-c", f"{bare_pool.program} admin --provider fake --gpus 2 {hint}"])
    assert (folder / "pool.db").exists()


def test_a_device_named_as_a_store(bare_pool):
    assert_error(bare_pool.run("--store", "sqlite:/dev/null", "status"), 1,
                 "the store '/dev/null' is not a regular file", "--store sqlite:PATH")


# --- The umask ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [False, True])
def test_people_pass_through_the_folders_that_root_makes_whatever_its_umask(bare_pool, users, group):
    pool = bare_pool
    top = pool.directory / "srv"
    pool.path = top / "data/canhazgpu/pool.db"
    pool.gpus_file = pool.path.with_name("fake-gpus.json")
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{pool.path}"
    words = ["--group", users.gpu_group] if group else []
    pool.admin(4, *words, preexec_fn=lambda: os.umask(0o077))
    for folder in (top, top / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755, folder
    user = users.d if group else users.a
    assert len(pool.status(user=user)) == 4
    pool.ok("reserve", "-G", "1", user=user)
    pool.ok("run", "--", "true", user=user)


def test_folders_that_were_there_stay_as_they_are(bare_pool):
    pool = bare_pool
    closed = pool.directory / "closed"
    closed.mkdir(0o700)
    pool.path = closed / "new/pool.db"
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{pool.path}"
    pool.admin(2)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_pool_of_ones_own_is_closed(bare_pool, users):
    """Nobody else has to pass."""
    pool = bare_pool
    pool.environment["CANHAZGPU_STORE"] = None
    pool.ok("--store", f"sqlite:{pool.home}/a/b/pool.db", "admin", "--provider", "fake", user=users.a)
    assert stat.S_IMODE((pool.home / "a").stat().st_mode) == 0o700
