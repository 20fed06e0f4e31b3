"""Who may do what, with real accounts (semantics.md, 14), and what the files let people do."""

import os
import re
import signal
import stat

import pytest
from conftest import HMS, PATIENCE, assert_error, is_alive, wait_for


@pytest.fixture
def shared(pool, users):
    """The pool, with an admin group."""
    pool.ok("admin", "--admin-group", users.admin_group)
    return pool


# --- Whose it is -----------------------------------------------------------------------------------


def test_status_names_the_account(shared, users):
    shared.ok("reserve", "--gpus", "1", user=users.a)
    shared.ok("reserve", "--gpus", "1", "--user", "alice", user=users.b)
    lines = shared.status(user=users.b)
    assert lines[0].startswith(f"GPU 0: IN USE by {users.a.name} for ")
    assert lines[1].startswith(f"GPU 1: IN USE by alice ({users.b.name}) for ")
    entries = shared.status_json()
    assert [entry.get("account") for entry in entries[:2]] == [users.a.name, users.b.name]
    assert shared.rows("SELECT uid FROM reservation ORDER BY gpus") == [(users.a.uid,), (users.b.uid,)]


def test_a_label_is_no_authority(shared, users):
    shared.ok("reserve", "-G", "3", user=users.a)
    result = shared.run("release", "-G", "3", "--user", users.a.name, user=users.b,
                        env={"USER": users.a.name, "LOGNAME": users.a.name, "SUDO_USER": users.a.name})
    assert_error(result, 77, f"GPU 3 is reserved by {users.a.name}")


def test_others_may_not_change_a_manual_reservation(shared, users):
    shared.ok("reserve", "-G", "3", "--user", "alice", user=users.a)
    before = shared.rows("SELECT * FROM reservation")
    owner = f"GPU 3 is reserved by alice ({users.a.name})"
    hint = "only its owner, root and the admin group may change it"
    for command in (["release", "-G", "3"], ["release", "-G", "3", "--kill"],
                    ["extend", "1h", "-G", "3"]):
        assert_error(shared.run(*command, user=users.b), 77, owner, hint)
    assert shared.ok("release", user=users.b) == "nothing to release\n"
    assert_error(shared.run("extend", "1h", user=users.b), 1, "no manual reservation to extend")
    assert shared.rows("SELECT * FROM reservation") == before


def test_others_may_not_cancel_a_request(shared, users):
    shared.ok("reserve", "-g", "8", user=users.a)
    waiter = shared.waiter(user=users.a)
    assert_error(shared.run("cancel", waiter.request, user=users.b), 77,
                 f"request '{waiter.request}' belongs to {users.a.name}",
                 "only its owner, root and the admin group may cancel it")
    assert shared.waiting() == [waiter.request]
    assert shared.run("cancel", waiter.request[:5], user=users.a).status == 0
    assert shared.finish(waiter).status == 130


@pytest.mark.parametrize("who", ["root", "the admin group", "the owner"])
def test_who_may_change_everything(shared, users, who):
    caller = {"root": None, "the admin group": users.c, "the owner": users.a}[who]
    shared.ok("reserve", "-G", "3,4", "--duration", "1h", user=users.a)
    ends = shared.value("SELECT ends FROM reservation")
    assert re.match("GPUs 3 and 4 reserved until ",
                    shared.ok("extend", "30m", "-G", "3", user=caller))
    assert shared.value("SELECT ends FROM reservation") == ends + 1800 * 10**9
    assert shared.ok("release", "-G", "3", user=caller) == "released GPU 3\n"
    assert shared.reserved() == [4]
    waiter = shared.waiter("-G", "4", kind="reserve", user=users.a)
    assert shared.run("cancel", waiter.request, user=caller).status == 0
    assert shared.ok("release", "-G", "4", user=caller) == "released GPU 4\n"
    # The records are the owner's.
    assert {row[2] for row in shared.usage()} == {users.a.name}


def test_release_without_ids_is_about_ones_own(shared, users):
    shared.ok("reserve", "-G", "1", user=users.a)
    shared.ok("reserve", "-G", "2", user=users.b)
    assert shared.ok("release") == "nothing to release\n"  # root's own
    assert shared.ok("release", user=users.b) == "released GPU 2\n"
    assert shared.reserved() == [1]


# --- Runs ------------------------------------------------------------------------------------------


def test_others_may_not_end_a_run(shared, users):
    job = shared.job(user=users.a)
    for options in (["--kill", "-G", "0"], ["-G", "0"]):
        assert_error(shared.run("release", *options, user=users.b), 77,
                     f"GPU 0 is reserved by {users.a.name}")
    assert shared.ok("release", "--kill", user=users.b) == "nothing to release\n"
    assert is_alive(job.pid) and shared.reserved() == [0]
    assert shared.value("SELECT ending FROM reservation") is None


def test_the_admin_group_may_not_signal_other_peoples_processes(shared, users):
    job = shared.job(user=users.a)
    assert_error(shared.run("release", "--kill", "-G", "0", user=users.c), 77,
                 f"the processes on GPU 0 belong to {users.a.name}",
                 "only their owner and root may end them")
    assert is_alive(job.pid) and shared.value("SELECT ending FROM reservation") is None


def test_root_ends_a_run(shared, users):
    job = shared.job(user=users.a)
    assert shared.ok("release", "--kill", "-G", "0") == "released GPU 0\n"
    assert job.wait(PATIENCE) == -signal.SIGINT
    shared.await_free()
    assert shared.usage()[0][6] == "killed"


def test_two_runs_of_one_account(shared, users):
    first, second = (shared.job(user=users.a) for _ in range(2))
    result = shared.run("release", user=users.a)
    assert (result.status, result.out) == (0, "nothing to release\n")
    assert result.err == ("canhazgpu: 2 live runs of yours go on; end with: "
                          "canhazgpu release --kill\n")
    assert_error(shared.run("release", "-G", "1", user=users.a), 1,
                 f"GPU 1 is reserved by a live run of {users.a.name}",
                 "end it now with: canhazgpu release --kill --gpu-ids 1")
    assert is_alive(first.pid) and is_alive(second.pid) and shared.reserved() == [0, 1]
    assert shared.ok("release", "--kill", "-G", "1", user=users.a) == "released GPU 1\n"
    assert second.wait(PATIENCE) == -signal.SIGINT
    assert is_alive(first.pid) and shared.reserved() == [0]
    assert shared.ok("release", "--kill", user=users.a) == "released GPU 0\n"
    assert first.wait(PATIENCE) == -signal.SIGINT


@pytest.mark.parametrize("ignored, ends", [("INT", signal.SIGTERM), ("INT TERM", signal.SIGKILL)])
def test_release_kill_of_a_job_that_ignores_it(shared, users, ignored, ends):
    job = shared.job(command=("sh", "-c", f"trap '' {ignored}; echo started; exec sleep 600"),
                     user=users.a)
    assert shared.ok("release", "--kill", "-G", "0", user=users.a) == "released GPU 0\n"
    assert job.wait(PATIENCE) == -ends


def test_one_gpu_of_several_of_a_run(shared):
    """A run ends as a whole; half of its GPUs taken away would be no use to it."""
    job = shared.job("--gpus", "2")
    assert shared.ok("release", "--kill", "-G", "1") == "released GPUs 0 and 1\n"
    assert job.wait(PATIENCE) == -signal.SIGINT
    assert shared.reserved() == []


# --- Labels ----------------------------------------------------------------------------------------


def test_labels_of_a_shared_account(shared, users):
    shared.ok("reserve", "-G", "0", "--user", "alice", user=users.a)
    shared.ok("reserve", "-G", "1", "--user", "bob", user=users.a)
    shared.ok("reserve", "-G", "2", user=users.a)
    result = shared.run("release", user=users.a)
    assert (result.status, result.out) == (0, "released GPU 2\n")
    assert result.err.splitlines() == [
        f"canhazgpu: kept what is labelled '{label}'; give it back with: canhazgpu release "
        f"--user {label}" for label in ("alice", "bob")]
    result = shared.run("release", "--user", "bob", user=users.a)
    assert result.out == "released GPU 1\n"
    assert "kept what is labelled 'alice'" in result.err
    assert shared.ok("release", "--user", "alice", user=users.a) == "released GPU 0\n"


def test_nothing_with_that_label(shared, users):
    shared.ok("reserve", "-G", "2", user=users.a)
    result = shared.run("release", "--user", "zoe", user=users.a)
    assert result.out == "nothing to release\n"
    assert "without a label are kept" in result.err
    assert shared.reserved() == [2]


# --- Sharing ---------------------------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_roots_pool_is_everybodys_whatever_the_umask(bare_pool, users, umask):
    pool = bare_pool
    store = pool.directory / "state/pool.db"
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{store}"
    pool.path, pool.gpus_file = store, store.parent / "fake-gpus.json"
    pool.admin(umask=umask)
    assert mode(store.parent) == 0o755
    for suffix in ("", "-lock", "-wal", "-shm"):
        assert mode(f"{store}{suffix}") == 0o666, suffix
    assert mode(f"{store}-bells") == 0o755
    assert {mode(file) for file in (store.parent / "pool.db-bells").iterdir()} == {0o666}
    for user in (users.a, users.b):
        assert pool.ok("run", "--", "echo", "ran", user=user, umask=umask) == "ran\n"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_pool_for_a_group(bare_pool, users, umask):
    pool = bare_pool
    store = pool.directory / "state/pool.db"
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{store}"
    pool.path, pool.gpus_file = store, store.parent / "fake-gpus.json"
    pool.admin(8, "--group", users.gpu_group, umask=umask)
    assert mode(store) == 0o660 and mode(store.parent) == 0o750
    gid = os.stat(store).st_gid
    assert {os.stat(path).st_gid for path in [store.parent, *store.parent.rglob("*")]
            if path.name != "fake-gpus.json"} == {gid}
    for command in (["status"], ["reserve"], ["run", "--", "true"], ["queue"], ["report"],
                    ["release"], ["cancel", "x"]):
        result = pool.run(*command, user=users.b)
        assert_error(result, 77, f"'{store}'", "ask the administrator for access to it")
    assert pool.ok("run", "--", "echo", "ran", user=users.d, umask=umask) == "ran\n"
    pool.ok("reserve", "-g", "8", user=users.d, umask=umask)
    waiter = pool.waiter(user=users.d, umask=umask)
    pool.ok("release", user=users.d, umask=umask)
    assert pool.finish(waiter).out == "started\n"


def test_a_pool_is_turned_over_to_a_group(pool, users):
    pool.ok("run", "--", "true", user=users.b)
    pool.ok("admin", "--group", users.gpu_group)
    assert pool.run("run", "--", "true", user=users.b).status == 77
    assert pool.run("run", "--", "true", user=users.d).status == 0


def test_a_pool_is_turned_over_to_another_group(bare_pool, users):
    pool = bare_pool
    store = pool.directory / "state/pool.db"
    pool.environment["CANHAZGPU_STORE"] = f"sqlite:{store}"
    pool.path, pool.gpus_file = store, store.parent / "fake-gpus.json"
    pool.admin(8, "--group", users.gpu_group)
    pool.admin(8, "--group", users.admin_group)
    assert pool.run("run", "--", "true", user=users.c).status == 0
    assert pool.run("run", "--", "true", user=users.d).status == 77


def test_a_directory_with_other_things_is_not_turned_over(bare_pool, users):
    bare_pool.admin(8, "--group", users.gpu_group)  # its directory has a home folder, too
    assert mode(bare_pool.directory) == 0o755 and bare_pool.directory.stat().st_gid == 0
    assert bare_pool.run("run", "--", "true", user=users.d).status == 0


def test_an_empty_store_is_its_owners(bare_pool, users):
    """Root's empty file that all may write must not make its first visitor the pool's master."""
    bare_pool.path.touch()
    bare_pool.path.chmod(0o666)
    result = bare_pool.run("admin", "--provider", "fake", user=users.a)
    assert_error(result, 77, "only root, the admin group and whoever set the pool up", "sudo")
    bare_pool.admin()


def test_only_root_shares(bare_pool, users):
    bare_pool.directory.chmod(0o777)
    result = bare_pool.run("admin", "--provider", "fake", "--group", users.gpu_group, user=users.a)
    assert_error(result, 77, "only root can share the store with a group", "sudo")


def test_a_group_that_there_is_not(bare_pool):
    assert_error(bare_pool.run("admin", "--provider", "fake", "--group", "no-such-group"), 2,
                 "unknown group 'no-such-group'")


def test_nobody_deletes_roots_files(pool, users):
    for path in [pool.path, *pool.directory.glob("pool.db-*"),
                 *(pool.directory / "pool.db-bells").iterdir()]:
        result = pool.run_command(["rm", "-rf", path], user=users.a)
        assert result.status != 0 and path.exists(), path
    result = pool.run_command(["touch", pool.directory / "pool.db-bells/more"], user=users.a)
    assert result.status != 0
    assert pool.ok("run", "--", "echo", "ran", user=users.b) == "ran\n"


def test_a_users_own_pool_is_private(bare_pool, users):
    pool = bare_pool
    env = {"CANHAZGPU_STORE": None, "HOME": str(pool.home)}
    if os.path.exists("/var/lib/canhazgpu"):
        pytest.skip("this host has a pool")
    out = pool.run("admin", "--provider", "fake", "--gpus", "2", user=users.a, env=env)
    assert out.status == 0
    assert "this pool is your own" in out.err and "sudo canhazgpu admin" in out.err
    store = pool.home / ".local/state/canhazgpu/pool.db"
    assert mode(store) == 0o600 and os.stat(store).st_uid == users.a.uid
    result = pool.run("run", "--", "echo", "ran", user=users.a, env=env)
    assert result.out == "ran\n" and "this pool is your own" in result.err
    result = pool.run("--store", f"sqlite:{store}", "status", user=users.b, env=env)
    assert result.status == 77


def test_only_its_makers_change_the_pool(shared, users):
    before = shared.rows("SELECT * FROM gpu")
    for options in (["--drain", "1"], ["--force", "--yes"], ["--admin-group", users.gpu_group],
                    ["--gpus", "8"]):
        assert_error(shared.run("admin", *options, user=users.a), 77, "may change it")
    assert shared.rows("SELECT * FROM gpu") == before
    assert shared.run("admin", "--drain", "1", "--note", "fan", user=users.c).status == 0
    assert shared.status()[1] == "GPU 1: OUT OF SERVICE (fan)"


def test_after_root_has_looked_with_sqlite3(pool, users):
    """The shell's end takes the log away; people go on."""
    pool.keeper.close()
    pool.keeper = None
    pool.run_command(["sqlite3", str(pool.path), "SELECT count(*) FROM pool"])
    result = pool.run("run", "--", "echo", "ran", user=users.a)
    if result.status == 77:
        assert_error(result, 77, "cannot be opened", "any canhazgpu command of its owner")
        pool.ok("status")
        result = pool.run("run", "--", "echo", "ran", user=users.a)
    assert (result.status, result.out) == (0, "ran\n"), result
    pool.await_free()


# --- Unreserved use, and --force -------------------------------------------------------------------


def sleeper(pool, user):
    process = pool.start(["sleep", "600"], user=user)
    wait_for(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n")
    return process.pid


def test_force_takes_what_only_the_caller_uses(shared, users):
    own = [{"pid": sleeper(shared, users.a), "memory_mb": 3000} for _ in range(2)]
    others = {"pid": sleeper(shared, users.b), "memory_mb": 200}
    shared.put_processes(1, *own)
    shared.put_processes(2, own[0], others)
    shared.put_processes(3, others)
    shared.edit_gpus(lambda gpus: gpus[4].update(memory_used_mb=9000))
    for gpu, status in ((1, 0), (2, 75), (3, 75), (4, 75)):
        for options, expected in (([], 75), (["--force"], status)):
            result = shared.run("reserve", "-G", str(gpu), "--nonblock", *options, user=users.a)
            assert result.status == expected, (gpu, options, result)
    assert shared.reserved() == [1]
    assert re.match(rf"GPU 1: IN USE by {users.a.name} for {HMS} \(manual, expires in {HMS}\) "
                    r"\[validated: 6000MB, 2 processes\]", shared.status()[1])
    assert shared.run("reserve", "-G", "3", "--nonblock", "--force").status == 75  # nor root


def test_force_sees_what_comes_between(shared, users):
    """A GPU that was the caller's alone when he was granted it, and is not when he looks."""
    shared.ok("reserve", "-G", "1", user=users.b)
    waiter = shared.waiter("-G", "1", "--force", "--short", kind="reserve", user=users.a)
    mine = {"pid": sleeper(shared, users.a), "memory_mb": 3000}
    shared.put_processes(1, mine, {"pid": sleeper(shared, users.b), "memory_mb": 3000})
    shared.ok("release", user=users.b)
    assert "unreserved use by" in waiter.stderr.readline().decode()
    assert shared.reserved() == []
    shared.put_processes(1, mine)
    assert shared.finish(waiter).out == "1\n"


def test_foreign_use_by_another_account(shared, users):
    shared.ok("reserve", "-G", "2", user=users.a)
    pid = sleeper(shared, users.b)
    shared.put_processes(2, {"pid": pid, "memory_mb": 2048})
    line = shared.status()[2]
    assert re.fullmatch(
        rf"GPU 2: IN USE by {users.a.name} for {HMS} \(manual, expires in {HMS}\) "
        rf"\[validated: 2048MB, 1 processes\] ALSO USED WITHOUT RESERVATION by user "
        rf"{users.b.name} - 2048MB used by PID {pid} \(sleep\)", line), line


def test_people_see_each_others_runs_end(shared, users):
    """A waiter notices the end of another account's run, whose supervisor it may not signal."""
    job = shared.job("-g", "8", user=users.a)
    supervisor = shared.identity("supervisor").pid
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor))
    waiter = shared.waiter("-g", "8", user=users.b)
    job.kill()
    assert shared.read_line(waiter) == "started"
    assert shared.finish(waiter).status == 0


def test_a_job_of_another_account_is_not_ended_by_its_timeout_alone(shared, users):
    """The supervisor is the user's own process, with the user's own rights."""
    job = shared.job(user=users.a)
    supervisor = shared.identity("supervisor").pid
    assert os.stat(f"/proc/{supervisor}").st_uid == users.a.uid
    title = open(f"/proc/{supervisor}/cmdline", "rb").read().rstrip(b"\0").decode()
    id = shared.value("SELECT id FROM reservation")
    assert title == f"canhazgpu: supervisor of run {id} (sh, pid {job.pid})"
    # Nothing of the environment is left to be read there.
    environ = open(f"/proc/{supervisor}/environ", "rb").read()
    assert b"CANHAZGPU_STORE" not in environ
