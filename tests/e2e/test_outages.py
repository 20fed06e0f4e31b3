"""The Redis goes away, comes back without what it knew, or takes no changes: no job is harmed, nobody
loses what was acknowledged, and commands say what to check."""

import collections
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import HMS, NO_TIMER, assert_error, is_alive, validate, wait_for
from redis_client import LOCK, POOL
from redis_pool import RedisServer, empty, pool, pytestmark  # noqa: F401 (fixtures)

HEARTBEAT_TIMEOUT = 1.0
BEATS = ("heartbeat.interval=0.2s", f"heartbeat.timeout={HEARTBEAT_TIMEOUT}s")
READ_LINE = ("sh", "-c", "echo started; read line; echo ended")


def job_of(pool, *arguments, **options):
    """A run that ends when it is sent a line, with its record in the store."""
    known = set(pool.records())
    job = pool.job(*arguments, command=READ_LINE, stdin=subprocess.PIPE, **options)
    (job.id,) = set(pool.records()) - known
    return job


def use_gpus(pool, job, count):
    """The job is seen on its GPUs, so that nobody gets them while the store has forgotten it."""
    process = {"pid": job.pid, "memory_mb": 5000, "type": "compute"}
    pool.edit_gpus(lambda gpus: [gpu.update(processes=[process]) for gpu in gpus[:count]])


def stop_using(pool):
    pool.edit_gpus(lambda gpus: [gpu.update(processes=[]) for gpu in gpus])


def beat_of(pool, id):
    return int(pool.records()[id]["last_heartbeat"].split()[0])


def await_beat(pool, id):
    before = beat_of(pool, id)
    wait_for(lambda: beat_of(pool, id) > before, "a heartbeat", step=0.02)


def finish_job(pool, job):
    result = pool.finish(job, b"\n")
    assert result.status == 0 and result.out == "ended\n", result


def ends(pool, id):
    return [record["how"] for record in pool.usage() if record["reservation"] == id]


# --- Away, and back with everything ----------------------------------------------------------------


def test_nothing_is_lost_while_the_server_is_away(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    before = pool.records()[job.id]
    pool.server.kill()
    assert_error(pool.run("status"), 1, "cannot reach the Redis", "is it running")
    assert "still waiting, trying again" in waiter.stderr.readline().decode()
    pool.server.start()
    await_beat(pool, job.id)
    after = pool.records()[job.id]
    for record in (before, after):
        del record["last_heartbeat"]
    assert before == after
    assert pool.waiting() == [waiter.request] and waiter.poll() is None
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"
    pool.await_free()
    assert ends(pool, job.id) == ["finished"] * 8


def test_a_stopped_server_is_waited_for_until_the_timeout(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    pool.server.stop()
    runs = [pool.popen(*words) for words in (["status"], ["queue"], ["run", "--", "true"], ["release"])]
    for run in runs:
        assert_error(pool.finish(run), 1, "did not answer within 5s", "overloaded or stopped")
    pool.server.go_on()
    await_beat(pool, job.id)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"
    pool.await_free()
    assert ends(pool, job.id) == ["finished"] * 8


def test_an_outage_longer_than_the_heartbeat_timeout(pool):
    """Whoever can be seen lives, however long he was not heard of."""
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    (supervisor,) = pool.supervisors()
    os.kill(supervisor, signal.SIGSTOP)  # so that it does not beat before the others look
    pool.server.kill()
    time.sleep(HEARTBEAT_TIMEOUT)
    pool.server.start()
    lines = pool.status()
    assert re.match(rf"GPU 0: IN USE by root for {HMS} \(run, last heartbeat {HMS} ago\)", lines[0])
    assert pool.run("run", "--nonblock", "--", "true").status == 75
    os.kill(supervisor, signal.SIGCONT)
    await_beat(pool, job.id)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"


class DeadServer(threading.Thread):
    """Where the server was: notes who comes, and when, and closes the connection."""

    def __init__(self, path):
        super().__init__(daemon=True)
        path.unlink()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(64)
        self.visits = collections.defaultdict(list)  # pid -> moments
        self.start()

    def run(self):
        while True:
            visitor = self.listening.accept()[0]
            with visitor:
                peer = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                self.visits[struct.unpack("3i", peer)[0]].append(time.monotonic())


def test_who_waits_for_the_server_asks_for_it_now_and_then(pool):
    """A waiter every second, a supervisor less and less often; each visit may be noted late."""
    pool.policy(*NO_TIMER)
    job_of(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "1")
    (supervisor,) = pool.supervisors()
    pool.server.kill()
    dead = DeadServer(pool.socket)
    for pid, seconds in ((waiter.pid, 3), (supervisor, 1 + 2 + 4)):
        visits = wait_for(lambda: dead.visits[pid][3:4] and dead.visits[pid], "four visits", step=0.1)
        assert visits[3] - visits[0] >= 0.6 * seconds, visits


def test_a_job_that_cannot_be_seen_outlives_a_long_outage(pool):
    """Others give it up for dead; its supervisor knows better."""
    pool.policy(*BEATS)
    isolated = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if pool.run_command([*isolated, "true"]).status != 0:
        pytest.skip("no pid namespace can be made")
    job = pool.start([*isolated, pool.program, "run", "--gpus", "2", "--", *READ_LINE, ],
                     stdin=subprocess.PIPE)
    assert pool.read_line(job) == "started"
    ((id, record),) = pool.records().items()
    pool.server.stop()
    time.sleep(HEARTBEAT_TIMEOUT)
    pool.server.go_on()
    # Whether the supervisor or this one was first, it is reserved in the end.
    pool.status()
    wait_for(lambda: id in pool.records(), "the run to be back", step=0.05)
    await_beat(pool, id)
    assert pool.records()[id]["gpus"] == record["gpus"]
    finish_job(pool, job)


# --- Back without what it knew ---------------------------------------------------------------------


def lose_everything(pool, set_up=True):
    pool.server.kill()
    pool.server.forget()
    pool.server.start()
    if set_up:
        pool.admin()


def test_a_run_comes_back_when_the_server_has_forgotten_it(pool):
    job = job_of(pool, "--gpus", "3", "--note", "mine")
    waiter = pool.waiter("--gpus", "8")
    use_gpus(pool, job, 3)
    before = pool.records()[job.id]
    lose_everything(pool)
    wait_for(lambda: job.id in pool.records(), "the run to be back", step=0.02)
    after = pool.records()[job.id]
    assert [after[name] for name in ("gpus", "started", "holder", "supervisor", "note")] == \
           [before[name] for name in ("gpus", "started", "holder", "supervisor", "note")]
    wait_for(lambda: pool.waiting() == [waiter.request], "the waiter to be back", step=0.02)
    assert waiter.poll() is None
    stop_using(pool)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"
    pool.await_free()
    assert ends(pool, job.id) == ["finished"] * 3


def test_a_run_within_a_run_comes_back_inside_it(pool):
    """Whichever is back first, they don't lose their GPUs to each other."""
    job = job_of(pool, "--gpus", "3")
    inner = job_of(pool, env={"CANHAZGPU_RESERVATION": job.id})
    assert inner.id.endswith("." + job.id)
    waiter = pool.waiter("--gpus", "3", env={"CANHAZGPU_RESERVATION": job.id})
    use_gpus(pool, job, 3)
    before = pool.records()
    lose_everything(pool)
    wait_for(lambda: set(pool.records()) == set(before) and pool.waiting(), "all to be back",
             step=0.02)
    for id, record in pool.records().items():
        assert record["gpus"] == before[id]["gpus"] and "lost" not in record, record
    stop_using(pool)
    finish_job(pool, inner)
    assert pool.finish(waiter).status == 0
    finish_job(pool, job)
    pool.await_free()


def test_runs_and_waiters_wait_for_a_pool_that_is_not_there(pool):
    job = job_of(pool, "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    use_gpus(pool, job, 8)
    lose_everything(pool, set_up=False)
    said = ""
    while "the store has lost the pool" not in said:
        said = waiter.stderr.readline().decode()
        assert said, "the waiter gave up"
    assert_error(pool.run("status"), 1, "no pool on this host", "canhazgpu admin")
    assert is_alive(job.pid) and waiter.poll() is None
    pool.admin()
    wait_for(lambda: job.id in pool.records() and pool.waiting(), "both to be back", step=0.02)
    stop_using(pool)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"


def test_waiters_keep_their_places(pool):
    job = job_of(pool, "--gpus", "8")
    waiters = [pool.waiter("--gpus", "8") for _ in range(4)]
    use_gpus(pool, job, 8)
    lose_everything(pool)
    wait_for(lambda: len(pool.waiting()) == 4, "all to be back", step=0.02)
    assert pool.waiting() == [waiter.request for waiter in waiters]
    entries = pool.queue_json()["entries"]
    assert [entry["id"] for entry in entries] == [waiter.request for waiter in waiters]
    wait_for(lambda: job.id in pool.records(), "the run to be back", step=0.02)
    stop_using(pool)
    finish_job(pool, job)
    for waiter in waiters:
        assert pool.finish(waiter).out == "started\n"


def lose_to_another(pool, gpus="0"):
    """A run on GPUs 0 and 1, and somebody's reservation of `gpus` that was made while the store had
    forgotten the run."""
    job = job_of(pool, "--gpu-ids", "0,1", "--user", "alice")
    (supervisor,) = pool.supervisors()
    os.kill(supervisor, signal.SIGSTOP)
    lose_everything(pool)
    pool.ok("reserve", "--gpu-ids", gpus, "--user", "bob")
    os.kill(supervisor, signal.SIGCONT)
    wait_for(lambda: job.id in pool.records(), "the run to be back", step=0.02)
    return job


def test_what_somebody_else_has_got_is_not_taken_back(pool):
    job = lose_to_another(pool)
    record = pool.records()[job.id]
    assert (record["gpus"], record["lost"]) == ([1], [0])
    lines = pool.status()
    assert lines[0].startswith("GPU 0: IN USE by bob (root) for")
    assert f" lost by the run {job.id} of alice (root), which goes on" in lines[0]
    assert lines[1].startswith("GPU 1: IN USE by alice (root) for") and "lost by" not in lines[1]
    shown = validate(pool.status_json(), "status")
    assert shown[0]["lost_by"] == [{"user": "alice (root)", "account": "root", "label": "alice",
                                    "reservation_id": job.id}]
    assert all("lost_by" not in gpu for gpu in shown[1:])
    table = pool.ok("status", "--table").splitlines()
    assert any(f"lost by the run {job.id} of alice (root)" in line for line in table)
    assert job.poll() is None
    finish_job(pool, job)
    wait_for(lambda: job.id not in pool.records(), step=0.02)
    assert ends(pool, job.id) == ["finished"]
    assert "lost by" not in pool.status()[0]


def test_what_was_lost_is_its_own_again_when_it_is_given_back(pool):
    job = lose_to_another(pool, gpus="0,1")
    assert pool.records()[job.id]["gpus"] == []
    waiter = pool.waiter("--gpu-ids", "0")
    pool.ok("release", "--user", "bob")
    record = pool.records()[job.id]
    assert record["gpus"] == [0, 1] and "lost" not in record
    assert pool.waiting() == [waiter.request], "the run has it, and not who waited"
    assert pool.status()[0].startswith("GPU 0: IN USE by alice (root) for")
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"


def test_an_older_state_is_put_right(pool):
    """In it the run still waits, and somebody has what is free by now."""
    first = job_of(pool, "--gpus", "8")
    runner = pool.waiter("--gpus", "4", command=READ_LINE, stdin=subprocess.PIPE)
    pool.server.kill()
    pool.server.save(pool.directory / "older")
    pool.server.start()
    wait_for(lambda: first.id in pool.records(), step=0.02)
    finish_job(pool, first)
    assert pool.read_line(runner) == "started"
    wait_for(lambda: list(pool.records()) == [runner.request], step=0.02)
    gpus = pool.records()[runner.request]["gpus"]
    pool.server.kill()
    pool.server.restore(pool.directory / "older")
    pool.server.start()

    def is_right():
        records = pool.records()
        return list(records) == [runner.request] and records[runner.request]["gpus"] == gpus \
            and "supervisor" in records[runner.request] and not pool.waiting()

    def after_a_command():
        pool.status()
        return is_right()

    wait_for(after_a_command, "the run to be back, and the ended one gone", step=0.05)
    assert is_alive(runner.pid)
    finish_job(pool, runner)
    pool.await_free()


def scripts_run(pool):
    """How many updates of the program the server has served."""
    calls = re.findall(r"^cmdstat_eval(?:sha)?:calls=(\d+)", "\n".join(
        pool.redis("INFO", "commandstats")), re.M)
    return sum(map(int, calls))


@pytest.mark.parametrize("notices", [True, False])
def test_what_was_ended_on_purpose_stays_ended(pool, notices):
    """Whether the supervisor has noticed it by its heartbeat, or is told by the loss of the server."""
    pool.policy(*(BEATS if notices else NO_TIMER))
    job = job_of(pool, "--gpus", "2")
    (supervisor,) = pool.supervisors()
    os.kill(supervisor, signal.SIGSTOP)
    pool.ok("admin", "--force", "--yes")
    assert pool.records() == {}
    before = scripts_run(pool)
    os.kill(supervisor, signal.SIGCONT)
    if notices:
        wait_for(lambda: scripts_run(pool) > before, "a heartbeat", step=0.02)
    pool.server.kill()
    pool.server.start()
    if not notices:
        wait_for(lambda: scripts_run(pool) > 0, "the supervisor to ask", step=0.02)
    assert pool.records() == {} and job.poll() is None
    assert ends(pool, job.id) == ["cleared"] * 2
    finish_job(pool, job)
    pool.await_no_supervisors()
    assert pool.records() == {}
    assert ends(pool, job.id) == ["cleared"] * 2


def test_a_cancelled_request_stays_cancelled(pool):
    job_of(pool, "--gpus", "8")
    waiter = pool.waiter()
    os.kill(waiter.pid, signal.SIGSTOP)
    pool.ok("cancel", waiter.request)
    pool.server.kill()
    pool.server.start()
    os.kill(waiter.pid, signal.SIGCONT)
    assert pool.finish(waiter).status == 130
    assert pool.waiting() == []
    # Nothing of it is kept.
    assert "cancelled" not in pool.redis("HKEYS", POOL)


def test_manual_reservations_are_as_safe_as_the_server(pool):
    """They have no supervisor, so what the server has forgotten is lost."""
    pool.ok("reserve", "--gpus", "2")
    pool.server.kill()
    pool.server.start()
    assert len(pool.reserved()) == 2
    lose_everything(pool)
    assert pool.reserved() == []


# --- There, but of no use --------------------------------------------------------------------------


def test_a_read_only_replica_shows_and_takes_nothing(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "2")
    pool.redis("REPLICAOF", "127.0.0.1", "1")
    assert pool.status()[0].startswith("GPU 0: IN USE by root for")
    for words in (["run", "--gpus", "8", "--", "true"], ["reserve"], ["release"]):
        assert_error(pool.run(*words), 1, "is a read-only replica", "redis-sentinel://")
    pool.redis("REPLICAOF", "NO", "ONE")
    await_beat(pool, job.id)
    finish_job(pool, job)
    pool.await_free()


def test_without_memory_nothing_is_taken_and_everything_given_back(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "3")
    pool.ok("reserve", "--gpus", "2", "--duration", "1h")
    waiter = pool.waiter("--gpus", "8")
    pool.redis("CONFIG", "SET", "maxmemory", "1")
    for words in (["run", "--", "true"], ["run", "--nonblock", "--", "true"], ["reserve"]):
        assert_error(pool.run(*words), 1, "has no memory left", "nothing was changed")
    assert pool.waiting() == [waiter.request] and len(pool.reserved()) == 5
    assert not pool.redis("GET", LOCK)[0]
    pool.ok("extend", "1h")
    pool.ok("release")
    await_beat(pool, job.id)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n", "who waited is served"
    pool.await_free()
    assert len(pool.usage()) == 2 + 3 + 8
    pool.redis("CONFIG", "SET", "maxmemory", "0")
    assert pool.ok("run", "--", "echo", "ran") == "ran\n"


def test_a_server_that_is_loading_is_waited_for(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "8")
    waiter = pool.waiter()
    pool.redis("DEBUG", "POPULATE", "2000", "other", "2000")
    pool.redis("CONFIG", "SET", "loading-process-events-interval-bytes", "2048")
    pool.redis("CONFIG", "SET", "key-load-delay", "1000")  # microseconds for each key
    loading = pool.start(["redis-cli", "-s", pool.socket, "DEBUG", "RELOAD"])
    wait_for(lambda: "still loading" in pool.run("status").err, "the server to load", step=0.02)
    assert_error(pool.run("status"), 1, "is still loading its data", "try again in a moment")
    pool.finish(loading)
    await_beat(pool, job.id)
    finish_job(pool, job)
    assert pool.finish(waiter).out == "started\n"


def test_too_many_connections(pool):
    pool.policy(*BEATS)
    job = job_of(pool, "--gpus", "2")
    pool.redis("CONFIG", "SET", "maxclients", "10")
    crowd = []
    while len(crowd) < 20:
        crowd.append(socket.socket(socket.AF_UNIX))
        crowd[-1].connect(str(pool.socket))
    # Now and then a heartbeat that ends leaves room for one.
    refused = wait_for(lambda: [one for one in [pool.run("status")] if one.status != 0], step=0.02)
    assert_error(refused[0], 1, "has too many connections", "maxclients")
    for one in crowd:
        one.close()
    await_beat(pool, job.id)
    finish_job(pool, job)
    pool.await_free()


def test_rights_that_are_taken_away_and_come_back(pool):
    pool.policy(*BEATS)
    env = {"CANHAZGPU_REDIS_USERNAME": "gpu", "CANHAZGPU_REDIS_PASSWORD": "pw"}
    pool.redis("ACL", "SETUSER", "gpu", "on", ">pw", "~canhazgpu:*", "&canhazgpu:*", "+@all")
    job = job_of(pool, "--gpus", "2", env=env)
    pool.redis("ACL", "SETUSER", "gpu", "resetkeys")
    assert_error(pool.run("status", env=env), 77, "does not permit it", "ACL SETUSER")
    pool.redis("ACL", "SETUSER", "gpu", "<pw", ">new")
    refused = pool.run("status", env=env)
    assert_error(refused, 77, "refuses the user name or the password", "redis.password")
    pool.redis("ACL", "SETUSER", "gpu", "<new", ">pw", "~canhazgpu:*")
    await_beat(pool, job.id)
    finish_job(pool, job)
    pool.await_free()


def test_a_run_waits_for_the_replicas_that_must_know_of_it(pool):
    env = {"CANHAZGPU_REDIS_REPLICAS": "1"}
    early = pool.popen("run", "--gpus", "2", "--", "echo", "started", env=env)
    wait_for(lambda: any("supervisor" in record for record in pool.records().values()))
    assert early.poll() is None
    replica = RedisServer(pool.directory / "replica")
    try:
        port = pool.server.listen()
        replica.command("REPLICAOF", "127.0.0.1", str(port))
        assert pool.finish(early).out == "started\n"
        pool.await_free()
        assert pool.ok("run", "--", "echo", "ran", env=env) == "ran\n"
        pool.ok("reserve", env=env)
        ids = [name for name in replica.command("HKEYS", POOL)
               if name.startswith("reservation:")]
        assert {f"reservation:{id}" for id in pool.records()} <= set(ids)
    finally:
        replica.kill()
    assert_error(pool.run("reserve", "--nonblock", env=env), 1, "only 0 of 1 replicas", "redis.replicas")
