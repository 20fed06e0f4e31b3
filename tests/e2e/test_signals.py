"""Who is signalled: only what proves that it is of the job, by what nobody can write into a store
(semantics.md, 9 and 17). Everybody who uses a pool may write its file."""

import pathlib
import signal
import subprocess

import pytest
from conftest import PATIENCE, assert_error, comm, is_alive, wait_for


def ticks(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def forge(pool, pid, uid=None):
    """A member's hand: the run lives by this process now, says the store, and is this account's."""
    holder = pool.identity("holder")
    holder.pid, holder.ticks = pid, ticks(pid)
    pool.edit("UPDATE reservation SET holder = ?", str(holder))
    if uid is not None:
        pool.edit("UPDATE reservation SET uid = ?", uid)


def idle(pool, user=None, env=None):
    """A process that has nothing to do with any job."""
    process = pool.start(["sleep", "600"], user=user, env=env)
    wait_for(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n")
    return process


def carrying(pool):
    return {"CANHAZGPU_RESERVATION": pool.value("SELECT id FROM reservation")}


# --- Forged records --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the run", "after it"])
def test_a_supervisor_signals_what_it_remembers(pool, when):
    victim = idle(pool) if when == "before the run" else None
    job = pool.job("--timeout", "8s")
    victim = victim or idle(pool)
    forge(pool, victim.pid)
    assert job.wait(PATIENCE) == -signal.SIGINT
    pool.await_no_supervisors()
    assert is_alive(victim.pid)


@pytest.mark.parametrize("is_claimed", [False, True], ids=["its account", "root's, by the store"])
def test_root_signals_nobody_by_hearsay(pool, users, is_claimed):
    victim = idle(pool)
    job = pool.job(user=users.a)
    forge(pool, victim.pid, uid=0 if is_claimed else None)
    assert_error(pool.run("release", "--kill", "-G", "0"), 1,
                 f"process {victim.pid}, which the store names as the run on GPU 0, does not prove",
                 f"ps -fp {victim.pid}")
    assert is_alive(victim.pid) and is_alive(job.pid)


def test_people_signal_no_other_process_of_their_own_by_hearsay(pool, users):
    victim = idle(pool, users.a)
    pool.job(user=users.a)
    forge(pool, victim.pid)
    assert_error(pool.run("release", "--kill", user=users.a), 1, "does not prove")
    assert is_alive(victim.pid)


def test_an_id_in_a_strangers_environment_proves_nothing(pool, users):
    """b gives a process of his own the id of a's run; then root ends the run."""
    job = pool.job(user=users.a)
    stranger = idle(pool, users.b, carrying(pool))
    assert pool.ok("release", "--kill", "-G", "0") == "released GPU 0\n"
    assert job.wait(PATIENCE) == -signal.SIGINT
    assert is_alive(stranger.pid)


# Takes the title and the kernel's name of a supervisor.
IMPOSTOR = ("perl", "-e", '$0 = $ARGV[0]; open(my $name, ">", "/proc/self/comm"); '
                          'print $name "canhazgpu-super"; close $name; $| = 1; '
                          'print "ready\n"; sleep 600')


@pytest.mark.parametrize("owner", ["a", "b"])
def test_a_false_supervisor_gives_no_power(pool, users, owner):
    """b has a process that vouches for root's. The run is a's, for whom b can't vouch; or it is
    b's, by the store, and then root acts as b."""
    victim = idle(pool)
    pool.job(user=users.a)
    id = pool.value("SELECT id FROM reservation")
    title = f"canhazgpu: supervisor of run {id} (sleep, pid {victim.pid})"
    impostor = pool.start([*IMPOSTOR, title], user=users.b)
    assert pool.read_line(impostor) == "ready"
    shown = pathlib.Path(f"/proc/{impostor.pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert (shown, comm(impostor.pid)) == (title, "canhazgpu-super")
    forge(pool, victim.pid, getattr(users, owner).uid)
    result = pool.run("release", "--kill", "-G", "0", env={"CANHAZGPU_PROBE_TIMEOUT": "1s"})
    told = "does not prove" if owner == "a" else "some processes on GPU 0 could not be ended"
    assert_error(result, 1, told)
    assert is_alive(victim.pid)


# --- What proves itself ----------------------------------------------------------------------------

# Writes over its environment, as programs do that show a title of their own.
TITLED = ("perl", "-e", '$| = 1; $0 = "trainer" . " " x 9000; print "started\\n"; sleep 600')


@pytest.mark.parametrize("by_root", [False, True], ids=["by its owner", "by root"])
def test_a_job_that_has_written_over_its_environment_is_ended(pool, users, by_root):
    job = pool.job(command=TITLED, user=users.a)
    environ = pathlib.Path(f"/proc/{job.pid}/environ").read_bytes()
    assert b"CANHAZGPU_RESERVATION" not in environ
    caller = None if by_root else users.a
    assert pool.ok("release", "--kill", "-G", "0", user=caller) == "released GPU 0\n"
    assert job.wait(PATIENCE) == -signal.SIGINT


def test_what_such_a_job_has_left_in_its_session_is_ended(pool, users):
    script = 'env --default-signal=INT "$@" & echo $!; read word'
    job = pool.job(command=("sh", "-c", script, "sh", *TITLED), user=users.a,
                   stdin=subprocess.PIPE, start_new_session=True)
    left = int(job.first_line)
    assert pool.read_line(job) == "started"
    pool.put_processes(0, {"pid": left, "memory_mb": 3000})
    job.stdin.close()
    job.wait(PATIENCE)
    wait_for(lambda: pool.value("SELECT leftovers FROM reservation"), "the leftover to be noted")
    assert pool.ok("release", "--kill", "-G", "0", user=users.a) == "released GPU 0\n"
    assert not is_alive(left)


def test_a_command_that_has_changed_its_account_is_ended(pool, users):
    job = pool.job(command=("sh", "-c", f"echo started; exec {as_account(users.b)} sleep 600"))
    wait_for(lambda: open(f"/proc/{job.pid}/comm").read() == "sleep\n")
    assert pool.ok("release", "--kill") == "released GPU 0\n"
    assert job.wait(PATIENCE) == -signal.SIGINT


def as_account(user):
    return f"env --default-signal=INT setpriv --reuid={user.uid} --regid={user.gid} --clear-groups"


def test_what_a_job_starts_as_another_account_is_of_it(pool, users):
    """As by sudo: it descends from the command. What has left its parents is anybody's."""
    script = (f"{as_account(users.b)} sleep 600 & echo $!; "
              f"(setsid {as_account(users.b)} sleep 601 & echo $! >away); exec sleep 602")
    job = pool.job(command=("sh", "-c", script))
    child = int(job.first_line)
    told = pool.directory / "away"
    away = int(wait_for(lambda: told.exists() and told.read_text()))
    for pid in (child, away):
        wait_for(lambda: open(f"/proc/{pid}/comm").read() == "sleep\n")
    pool.put_processes(0, {"pid": child, "memory_mb": 3000})
    assert "WITHOUT RESERVATION" not in pool.status()[0]
    pool.put_processes(0, {"pid": away, "memory_mb": 3000})
    assert f"ALSO USED WITHOUT RESERVATION by user {users.b.name}" in pool.status()[0]
    assert pool.ok("release", "--kill") == "released GPU 0\n"
    job.wait(PATIENCE)
    assert not is_alive(child) and is_alive(away)


@pytest.mark.parametrize("looker", ["a", "b", None])
def test_a_stranger_with_the_id_is_foreign_use(pool, users, looker):
    pool.job(user=users.a)
    stranger = idle(pool, users.b, carrying(pool))
    pool.put_processes(0, {"pid": stranger.pid, "memory_mb": 3000})
    line = pool.status(user=getattr(users, looker) if looker else None)[0]
    assert f"ALSO USED WITHOUT RESERVATION by user {users.b.name}" in line, line
