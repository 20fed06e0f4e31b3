"""Hosts that are full, poor or sealed: each command does its work, or says in one line why it can't
and changes nothing; and what was promised before is still there."""

import os
import re
import resource
import shutil
import signal
import subprocess

import pytest
from chaos import IS_LONG, make_pool
from conftest import IS_SANITIZED, is_alive, orphans, show, wait_for

# None of them waits for better times.
COMMANDS = [["status"], ["queue"], ["report"], ["reserve", "-G", "1", "--short", "--nonblock"],
            ["release", "-G", "1"], ["extend", "1h", "-G", "6"],
            ["run", "-G", "2", "--nonblock", "--", "true"]]
UNAVAILABLE = 75


def assert_clear(result, words, surroundings):
    """Done, or refused with one line of error and at most one of hint; never a signal."""
    told = f"{words} with {surroundings}: {result}"
    if result.status in (0, UNAVAILABLE):
        return
    lines = result.err.splitlines()
    assert result.status in (1, 77), told
    assert 1 <= len(lines) <= 2 and lines[0].startswith("canhazgpu: error: "), told
    assert len(lines) < 2 or lines[1].startswith("hint: "), told
    # In words, not as a library or the language says it.
    assert not re.search(r"std::|bad_alloc|basic_string|what\(\)|exception", result.err), told


def limited(kind, value):
    return {"preexec_fn": lambda: resource.setrlimit(kind, (value, value))}


class Witness:
    """A manual reservation and a living job, which nothing here may take away."""

    def __init__(self, pool):
        self.pool = pool
        pool.ok("reserve", "-G", "6", "-d", "5h")
        self.job = pool.job("-G", "7", command=("sh", "-c", "echo started; read line"),
                            stdin=subprocess.PIPE)

    def assert_there(self, told):
        kinds = {gpu: held.kind for held in self.pool.held().values() for gpu in held.gpus}
        assert kinds.get(6) == "manual" and kinds.get(7) == "run", (told, kinds)
        assert is_alive(self.job.pid), told

    def run_all(self, told, **options):
        """Every command; whether all of them could do their work."""
        able = []
        for words in COMMANDS:
            result = self.pool.run(*words, **options)
            assert_clear(result, words, told)
            able.append(result.status in (0, UNAVAILABLE))
            self.assert_there(told)
        return all(able)

    def leave(self):
        """When all is as it should be again, so is the pool."""
        pool = self.pool
        pool.finish(self.job, b"\n")
        pool.ok("release")
        assert pool.ok("run", "-g", "8", "--wait", "60s", "--", "echo", "ran") == "ran\n"
        wait_for(lambda: not orphans(pool.known()), "all processes to end")
        assert pool.held() == {} and pool.waiting() == [] and pool.left_over() == set()
        pool.assert_sound()


# --- Limits ----------------------------------------------------------------------------------------


def least(pool, kind, low, high, step):
    """The least limit under which the program can be loaded at all."""
    while high - low > step:
        middle = (low + high) // 2
        if pool.run("--version", **limited(kind, middle)).status == 0:
            high = middle
        else:
            low = middle
    return high


def walk_limits(pool, kind, values, name):
    """From too little for some commands to enough for all."""
    witness = Witness(pool)
    able = unable = 0
    for value in values:
        if witness.run_all(f"{name} {value}", **limited(kind, value)):
            able += 1
            if able == 3:
                break
        else:
            unable += 1
    witness.leave()
    show(f"{pool.store}: {unable} limits of {name} were too little for some command")
    assert unable > 0 and able > 0, "too dull"


needs_bare_program = pytest.mark.skipif(
    IS_SANITIZED, reason="a sanitizer takes memory, descriptors and processes of its own")


@needs_bare_program
def test_descriptors(chaos_pool):
    first = least(chaos_pool, resource.RLIMIT_NOFILE, 0, 64, 1)
    walk_limits(chaos_pool, resource.RLIMIT_NOFILE, range(first, 64), "descriptors")


@needs_bare_program
def test_memory(chaos_pool):
    """By address space; a long history takes a lot of it."""
    pool = chaos_pool
    pool.ok("run", "--", "true")
    pool.await_free()
    pool.fill_history(8_000)
    page = 4096
    first = least(pool, resource.RLIMIT_AS, page, 2**28, page)
    step = (32 if IS_LONG else 512) * page
    walk_limits(pool, resource.RLIMIT_AS, range(first, 2**28, step), "memory")


# --- Processes -------------------------------------------------------------------------------------

# Runs what follows as another account that may have this many processes.
AS_USER = """
import os, resource, sys
uid, gid, limit = map(int, sys.argv[1:4])
os.setgroups([]); os.setgid(gid); os.setuid(uid)
resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
os.execv(sys.argv[4], sys.argv[4:])
"""


@needs_bare_program
def test_no_more_processes(chaos_pool, users):
    """fork fails: for the process in the middle, and for the supervisor itself."""
    pool = chaos_pool
    for limit, told in ((1, "cannot start the supervisor of the run: "),
                        (2, "cannot start the supervisor of the run: ")):
        result = pool.run_command(["python3", "-c", AS_USER, users.a.uid, users.a.gid, limit,
                                   pool.program, "run", "-g", "2", "--nonblock", "--", "echo", "ran"])
        assert (result.status, result.out) == (1, ""), (limit, result)
        assert result.err.startswith(f"canhazgpu: error: {told}"), result
        assert_clear(result, "run", f"{limit} processes")
        assert pool.held() == {} and pool.used() == []
    enough = pool.run_command(["python3", "-c", AS_USER, users.a.uid, users.a.gid, 3,
                               pool.program, "run", "-g", "2", "--", "echo", "ran"])
    assert (enough.status, enough.out) == (0, "ran\n"), enough
    wait_for(lambda: not orphans(pool.known()), "all processes to end")


# --- Disks -----------------------------------------------------------------------------------------


class Disk:
    """A small file system for the store."""

    def __init__(self, pool, size):
        self.path = pool.directory / "disk"
        self.path.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", self.path],
                capture_output=True).returncode != 0:
            pytest.skip("cannot mount here")

    def remount(self, option):
        subprocess.run(["mount", "-o", f"remount,{option}", self.path], check=True)

    def fill(self, but=0):
        """Leaves so many bytes."""
        with open(self.path / "ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                file.truncate(max(file.tell() - but, 0))

    def empty(self):
        (self.path / "ballast").unlink()

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(binaries):
    pool = make_pool("sqlite", binaries)
    disk = None
    try:
        disk = Disk(pool, "512k")
        home, pool.directory = pool.directory, disk.path
        pool.path = disk.path / "pool.db"
        pool.gpus_file = disk.path / "fake-gpus.json"
        pool.environment["CANHAZGPU_STORE"] = f"sqlite:{pool.path}"
        pool.admin()
        pool.database()
        disk.pool = pool
        yield disk
    finally:
        pool.close()
        if disk is not None:
            disk.unmount()
        shutil.rmtree(home)


def test_a_disk_that_is_nearly_full(disk):
    """With room for less and less, down to nothing."""
    witness = Witness(disk.pool)
    able = unable = 0
    for pages in range(12, -1, -1):
        disk.fill(but=pages * 4096)
        for _ in range(4):
            worked = witness.run_all(f"{pages} pages left")
        able, unable = able + worked, unable + (not worked)
        disk.empty()
    witness.leave()
    show(f"sqlite: {unable} of {able + unable} nearly full disks were too full for some command")
    assert unable > 0 and able > 0, "too dull"


def test_a_waiter_outlasts_a_full_disk(disk):
    """Rule 12: it keeps its place, and goes on."""
    pool = disk.pool
    job = pool.job("-g", "8")
    waiter = pool.waiter("-g", "8")
    disk.fill()
    # Without a supervisor it is for the waiter to write that they have ended.
    os.kill(pool.identity("supervisor").pid, signal.SIGKILL)
    job.kill()
    assert b"no space left" in waiter.stderr.readline()
    assert waiter.poll() is None and pool.waiting() == [waiter.request]
    disk.empty()
    result = pool.finish(waiter)
    assert (result.status, result.out) == (0, "started\n"), result
    wait_for(lambda: not orphans(pool.known()), "all processes to end")
    assert pool.held() == {} and pool.waiting() == []


def test_a_store_on_a_sealed_disk(disk):
    """Mounted for reading only, for a while: nobody can change anything, and nothing is lost."""
    pool = disk.pool
    witness = Witness(pool)
    short = pool.job("-G", "0", command=("sh", "-c", "echo started; read line"),
                     stdin=subprocess.PIPE)
    disk.remount("ro")
    assert not witness.run_all("a sealed disk")
    pool.finish(short, b"\n")
    disk.remount("rw")
    # Its supervisor tries again until it can.
    wait_for(lambda: pool.reserved() == [6, 7], "the supervisor to give GPU 0 back")
    witness.leave()
