"""Who asks is an account of the host, whatever uid a user namespace gives it (semantics.md, 14)."""

import signal
import subprocess

import pytest
from conftest import PATIENCE, assert_error, wait_for

INSIDE = ["unshare", "-r"]
TWICE_INSIDE = INSIDE + INSIDE
UNMAPPED = ["unshare", "-U"]
UNTOLD = "cannot tell which account of the host asks"


@pytest.fixture
def shared(pool, users):
    """A pool of root's for everybody, with an admin group."""
    tried = subprocess.run(TWICE_INSIDE + ["true"], **users.a.arguments(), capture_output=True)
    if tried.returncode != 0:
        pytest.skip("this host lets nobody make user namespaces")
    pool.ok("admin", "--admin-group", users.admin_group)
    return pool


def within(pool, way, *arguments, **options):
    return pool.run_command([*way, pool.program, *arguments], **options)


def state(pool):
    return pool.rows("SELECT * FROM reservation"), pool.rows("SELECT * FROM gpu")


CHANGES_OF_OTHERS = [["release", "-G", "2"], ["release", "--kill", "-G", "2"],
                     ["extend", "1h", "-G", "2"]]
CHANGES_OF_THE_POOL = [["admin", "--drain", "7", "--note", "x"], ["admin", "--admin-group", ""],
                       ["admin", "--force", "--yes"]]


@pytest.mark.parametrize("way", [INSIDE, TWICE_INSIDE], ids=["inside", "twice inside"])
def test_root_of_ones_own_namespace_has_no_power(shared, users, way):
    shared.ok("reserve", "-G", "2", user=users.a)
    before = state(shared)
    for command in CHANGES_OF_OTHERS:
        assert_error(within(shared, way, *command, user=users.b), 77,
                     f"GPU 2 is reserved by {users.a.name}")
    for command in CHANGES_OF_THE_POOL:
        assert_error(within(shared, way, *command, user=users.b), 77, "may change it")
    assert within(shared, way, "release", user=users.b).out == "nothing to release\n"
    assert state(shared) == before


def test_nobody_passes_for_another(shared, users):
    """The outer of two namespaces calls b by the uid of a, or of root."""
    shared.ok("reserve", "-G", "2", user=users.a)
    shared.ok("reserve", "-G", "3")
    for uid, gpu in ((users.a.uid, 2), (0, 3)):
        way = ["unshare", f"--map-user={uid}", f"--map-group={users.a.gid}", *INSIDE]
        result = within(shared, way, "release", "-G", str(gpu), user=users.b)
        assert_error(result, 77, f"GPU {gpu} is reserved by")
        assert within(shared, way, "reserve", "--nonblock", user=users.b).status == 0
    uids = [row[0] for row in shared.rows("SELECT uid FROM reservation ORDER BY gpus")]
    assert sorted(uids) == sorted([users.a.uid, 0, users.b.uid, users.b.uid])


def test_neither_root_nor_the_admin_group_has_power_from_another_namespace(shared, users):
    shared.ok("reserve", "-G", "2", user=users.a)
    before = state(shared)
    for caller in (None, users.c):
        for command in CHANGES_OF_OTHERS + CHANGES_OF_THE_POOL:
            result = within(shared, INSIDE, *command, user=caller)
            assert result.status == 77, (caller, command, result)
    assert state(shared) == before
    assert shared.run("admin", "--drain", "7", user=users.c).status == 0


def with_mounts(script):
    """In a mount namespace of the caller's own, after a script that mounts there."""
    return ["unshare", "-rm", "sh", "-c", f'set -e; {script}; exec "$@"', "sh"]


# A directory that looks like a kernel's without user namespaces.
NO_USER_NAMESPACES = with_mounts("mount -t tmpfs none /proc/$$/ns; "
                                 "touch /proc/$$/ns/mnt /proc/$$/ns/pid")
# The namespaces of a process in the first user namespace.
THOSE_OF_THE_PARENT = ["sh", "-c", '"$@"; exit $?', "sh",
                       *with_mounts("mount --bind /proc/$PPID/ns /proc/$$/ns")]
# Links to all of the real files but one, which says that root asks.
ONE_FALSE_FILE = with_mounts("""
    mount -t tmpfs none /mnt; mkdir /mnt/proc; mount --rbind /proc /mnt/proc
    mount -t tmpfs none /proc; mkdir /proc/$$
    ln -s $$ /proc/self
    echo "60 43 0:22 / /x rw - tmpfs canhazgpu rw,uid=0" > /proc/$$/mountinfo
    for file in /mnt/proc/$$/* /mnt/proc/*; do
      test -e "/proc/${file#/mnt/proc/}" || ln -s "$file" "/proc/${file#/mnt/proc/}"
    done""")


@pytest.mark.parametrize("way", [NO_USER_NAMESPACES, THOSE_OF_THE_PARENT, ONE_FALSE_FILE],
                         ids=["no user namespaces", "those of the parent", "one false file"])
def test_own_mounts_over_proc_make_nobody_another(shared, users, way):
    shared.ok("reserve", "-G", "2", user=users.a)
    shared.ok("reserve", "-G", "3")
    before = state(shared)
    for command in [["release", "-G", "2"], ["release", "-G", "3"], ["reserve"],
                    ["policy", "set", "contact=mallory"]]:
        assert_error(within(shared, way, *command, user=users.b), 77, UNTOLD)
    assert state(shared) == before and "mallory" not in shared.ok("policy")


def test_a_mount_over_another_file_of_proc_hides_nobody(shared, users):
    way = with_mounts("mount --bind /dev/null /proc/cpuinfo")
    assert within(shared, way, "reserve", "-G", "4", user=users.a).status == 0
    assert shared.rows("SELECT uid FROM reservation") == [(users.a.uid,)]


@pytest.mark.parametrize("way", [INSIDE, TWICE_INSIDE, ["unshare", "-c"]],
                         ids=["root inside", "root twice inside", "the same uid inside"])
def test_inside_and_outside_is_the_same_person(shared, users, way):
    def reserved():
        return shared.rows("SELECT uid, account FROM reservation")

    assert within(shared, way, "reserve", "-G", "4", user=users.a).status == 0
    assert reserved() == [(users.a.uid, str(users.a.uid))]
    assert shared.ok("release", user=users.a) == "released GPU 4\n"
    shared.ok("reserve", "-G", "5", user=users.a)
    assert within(shared, way, "extend", "1h", user=users.a).status == 0
    assert within(shared, way, "release", user=users.a).out == "released GPU 5\n"
    assert reserved() == []
    result = within(shared, way, "run", "--", "echo", "ran", user=users.a)
    assert (result.status, result.out) == (0, "ran\n"), result
    shared.await_free()
    assert {row[2] for row in shared.usage()} == {users.a.name, str(users.a.uid)}


@pytest.mark.parametrize("by_root", [False, True], ids=["by its owner", "by root"])
def test_a_run_inside_is_ended_outside(shared, users, by_root):
    command = ["sh", "-c", "echo started; exec sleep 600"]
    job = shared.start([*TWICE_INSIDE, shared.program, "run", "--", *command], user=users.a)
    assert shared.read_line(job) == "started"
    caller = None if by_root else users.a
    assert shared.ok("release", "--kill", "-G", "0", user=caller) == "released GPU 0\n"
    assert job.wait(PATIENCE) == -signal.SIGINT


def test_a_waiter_inside_is_cancelled_outside(shared, users):
    shared.ok("reserve", "-g", "8", user=users.b)
    waiter = shared.start([*INSIDE, shared.program, "reserve"], user=users.a)
    id = wait_for(shared.waiting, "the request to join the queue")[0]
    assert_error(within(shared, INSIDE, "cancel", id, user=users.b), 77, "belongs to")
    assert shared.run("cancel", id, user=users.a).status == 0
    assert waiter.wait(PATIENCE) == 130


def test_the_limits_of_a_group_are_not_left_behind(shared, users):
    shared.ok("policy", "set", "limits.gpus=4", f"limits.group.{users.gpu_group}.gpus=1")
    for way in ([], INSIDE):
        result = within(shared, way, "reserve", "--gpus", "2", "--nonblock", user=users.d)
        assert result.status == 77, (way, result)


def test_inside_the_strictest_limits_of_all_groups_hold(shared, users):
    limit = f"limits.group.{users.gpu_group}"
    shared.ok("policy", "set", "limits.gpus=4", f"{limit}.gpus=2", f"{limit}.duration=2h",
              f"limits.user.{users.a.name}.gpus=8")
    for arguments in (["--gpus", "3"], ["--duration", "3h"]):
        result = within(shared, INSIDE, "reserve", "--nonblock", *arguments, user=users.a)
        assert result.status == 77, (arguments, result)
    reserve = ["reserve", "--gpus", "2", "--duration", "1h", "--nonblock"]
    assert within(shared, INSIDE, *reserve, user=users.a).status == 0
    assert within(shared, INSIDE, "extend", "2h", user=users.a).status == 77
    assert shared.run("extend", "2h", user=users.a).status == 0
    assert shared.run("reserve", "--gpus", "6", "--nonblock", user=users.a).status == 0


def test_nobody_takes_anothers_name_or_limits(shared, users):
    shared.ok("policy", "set", "limits.gpus=1", f"limits.user.{users.a.name}.gpus=4",
              f"limits.group.{users.gpu_group}.gpus=4")
    accounts = "/mnt/accounts"
    way = with_mounts(f"""
        mount -t tmpfs none /mnt
        echo "{users.a.name}:x:{users.b.uid}:0::/:/bin/sh" > {accounts}
        echo "{users.gpu_group}:x:0:{users.a.name}" > {accounts}-groups
        mount --bind {accounts} /etc/passwd; mount --bind {accounts}-groups /etc/group""")
    result = within(shared, way, "reserve", "--gpus", "2", "--nonblock", user=users.b)
    assert result.status == 77, result
    assert within(shared, way, "reserve", "--nonblock", user=users.b).status == 0
    assert shared.rows("SELECT uid, account FROM reservation") == \
        [(users.b.uid, str(users.b.uid))]


@pytest.mark.parametrize("way", [UNMAPPED, INSIDE + UNMAPPED], ids=["unmapped", "unmapped inside"])
def test_an_account_that_is_not_told_only_looks(shared, users, way):
    shared.ok("reserve", "-G", "2", user=users.a)
    before = state(shared)
    for command in CHANGES_OF_OTHERS + CHANGES_OF_THE_POOL + [
            ["reserve"], ["run", "--", "true"], ["release"], ["cancel", "x"],
            ["store", "copy", f"sqlite:{shared.path}", f"sqlite:{shared.home}/copy.db"]]:
        assert_error(within(shared, way, *command, user=users.a), 77, UNTOLD, "ask outside of")
    assert state(shared) == before and shared.waiting() == []
    for command in (["status"], ["queue"], ["report"]):
        result = within(shared, way, *command, user=users.a)
        assert result.status == 0, result
    assert f"GPU 2: IN USE by {users.a.name} for" in \
        within(shared, way, "status", user=users.a).out


def test_where_no_namespace_can_be_made_the_account_is_not_told(shared, users):
    """Whose the uid is can't be asked there; a guess would be the uid that b wants it to be."""
    shared.ok("reserve", "-G", "2", user=users.a)
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    way = [*INSIDE, "sh", "-c", script, "sh"]
    assert_error(within(shared, way, "release", "-G", "2", user=users.a), 77, UNTOLD)
    assert within(shared, way, "status", user=users.a).status == 0


def test_a_pool_of_ones_own_is_ones_own_inside_and_outside(shared, users):
    own = ["--store", f"sqlite:{shared.home}/own.db"]
    shared.home.chmod(0o777)
    result = within(shared, INSIDE, *own, "admin", "--provider", "fake", "--gpus", "2",
                    user=users.a)
    assert result.status == 0, result
    assert shared.run(*own, "admin", "--drain", "1", user=users.a).status == 0
    assert within(shared, INSIDE, *own, "admin", "--undrain", "1", user=users.a).status == 0
    result = within(shared, INSIDE, *own, "admin", "--drain", "1", user=users.b)
    assert result.status == 77, result


def test_status_inside_knows_ones_own_processes_and_nobody_elses(shared, users):
    shared.ok("reserve", "-G", "0", user=users.a)
    pids = {}
    for gpu, user in ((0, users.a), (1, users.a), (2, users.b)):
        process = shared.start(["sleep", "600"], user=user)
        wait_for(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n")
        shared.put_processes(gpu, {"pid": process.pid, "memory_mb": 3000})
        pids[gpu] = process.pid
    lines = within(shared, INSIDE, "status", user=users.a).out.splitlines()
    assert "WITHOUT RESERVATION" not in lines[0]
    assert f"user {users.a.name} - " in lines[1], lines[1]
    assert "unknown user" in lines[2] and "nobody" not in lines[2], lines[2]


def test_doctor_says_who_asks(shared, users):
    first = within(shared, INSIDE, "doctor", user=users.a).out.splitlines()[0]
    assert first.endswith(f"as uid {users.a.uid} (uid 0 of another user namespace)"), first
    first = within(shared, UNMAPPED, "doctor", user=users.a).out.splitlines()[0]
    assert "which does not tell whose it is" in first, first
