"""The program on a Redis."""

import fcntl
import pathlib
import re
import signal
import subprocess

import pytest
from conftest import IS_SANITIZED, PATIENCE, assert_error, wait_for
from redis_client import LOCK, Redis
from redis_pool import empty, pool, pytestmark  # noqa: F401 (fixtures)
from redis_proxy import HoldingProxy


def test_says_that_there_is_no_pool_yet(empty):
    assert_error(empty.run("status"), 1, "there is no pool on this host yet", "canhazgpu admin")


def test_sets_up_shows_and_runs(pool):
    assert len(pool.status()) == 8
    assert pool.ok("run", "--gpus", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1\n"
    pool.await_free()
    pool.ok("reserve", "--gpus", "3", "--duration", "1h", "--note", "mine")
    assert len(pool.reserved()) == 3
    pool.ok("extend", "1h")
    pool.ok("release")
    assert pool.reserved() == []
    assert "2 reservations" in pool.ok("report")


def test_flags_and_keys_name_the_redis(pool):
    tcp = ["--redis-host", "localhost", "--redis-port", "1"]
    result = pool.run(*tcp, "status")
    assert_error(result, 1, "cannot reach the Redis 'redis://localhost:1'", "running")
    by_keys = {"CANHAZGPU_STORE": None, "CANHAZGPU_REDIS_SOCKET": str(pool.socket)}
    assert len(pool.status(env=by_keys)) == 8
    other = {**by_keys, "CANHAZGPU_REDIS_PREFIX": "other"}
    assert_error(pool.run("status", env=other), 1, "there is no pool on this host yet")


def test_shows_no_password(pool):
    pool.redis("CONFIG", "SET", "requirepass", "secret")
    assert_error(pool.run("status"), 77, "asks for a password", "redis.password")
    wrong = pool.run("status", env={"CANHAZGPU_REDIS_PASSWORD": "wrong-secret"})
    assert wrong.status == 77 and "secret" not in wrong.err
    right = {"CANHAZGPU_REDIS_PASSWORD": "secret"}
    assert len(pool.status(env=right)) == 8
    assert "secret" not in pool.ok("config", env=right)
    with_password = {"CANHAZGPU_STORE": f"redis+unix://:secret@{pool.socket}"}
    assert "secret" not in pool.ok("config", env=with_password)
    assert "secret" not in pool.ok("admin", "--drain", "1", env=with_password)
    pool.redis("-a", "secret", "CONFIG", "SET", "requirepass", "")


def test_waiter_is_woken_by_a_release(pool):
    job = pool.job("--gpus", "8", command=("sh", "-c", "echo started; read line"),
                   stdin=subprocess.PIPE)
    waiter = pool.waiter("--gpus", "1")
    assert pool.queue_json()["total_waiting"] == 1
    pool.finish(job, b"\n")
    result = pool.finish(waiter)
    assert result.status == 0 and result.out == "started\n", result
    pool.await_free()


def test_killed_run_gives_its_gpus_back(pool):
    job = pool.job("--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    job.kill()
    assert pool.finish(waiter).out == "started\n"
    pool.await_free()


def test_job_outlives_an_outage(pool):
    job = pool.job("--gpus", "2", command=("sh", "-c", "echo started; read line; echo ended"),
                   stdin=subprocess.PIPE)
    pool.server.kill()
    assert_error(pool.run("status"), 1, "cannot reach the Redis", "running")
    pool.finish(job, b"\n")
    pool.server.start()
    # Its supervisor tries until it can give the GPUs back.
    pool.await_free()


def test_waiter_outlives_an_outage(pool):
    job = pool.job("--gpus", "8", command=("sh", "-c", "echo started; read line"),
                   stdin=subprocess.PIPE)
    waiter = pool.waiter("--gpus", "8")
    pool.server.kill()
    assert waiter.stderr.readline(), "it says that there is trouble"
    assert waiter.poll() is None
    pool.server.start()
    pool.finish(job, b"\n")
    result = pool.finish(waiter)
    assert result.status == 0 and result.out == "started\n", result


def test_stopped_server_is_waited_for_until_the_timeout(pool):
    pool.server.stop()
    assert_error(pool.run("status"), 1, "did not answer within 5s")
    pool.server.go_on()
    assert len(pool.status()) == 8


def sent_until(monitor, mark):
    """The names of the commands that clients have sent until then; what scripts do is not sent."""
    names = []
    while mark not in (line := monitor.reply()):
        if " lua] " not in line:
            names.append(line.split('"')[1])
    return names


def test_a_grant_takes_six_commands_at_most(pool):
    """Who the provider is; then lock and load, commit. For `run` twice: the second time to record
    its supervisor, before the command begins."""
    pool.ok("run", "--", "true")  # the server knows the scripts from now on
    pool.await_free()
    monitor, other = Redis(pool.socket), Redis(pool.socket)
    assert monitor("MONITOR") == "OK"
    job = pool.job("--gpus", "2")
    other("ECHO", "mark-run")
    sent = sent_until(monitor, "mark-run")
    # The supervisor listens for the end of the server besides, which costs nothing later.
    assert [name for name in sent if name != "SUBSCRIBE"] == ["HMGET", *["EVALSHA"] * 4], sent
    pool.ok("reserve", "--gpus", "2", "--duration", "1h")
    other("ECHO", "mark-reserve")
    sent = sent_until(monitor, "mark-reserve")
    # The supervisor of the run listens, from when its command has begun.
    assert len([name for name in sent if name in ("HMGET", "EVALSHA")]) == 3, sent
    assert len(sent) <= 6 + 1, sent
    job.kill()
    monitor.close()
    other.close()


def test_request_is_entered_when_the_store_can_be_had_again(pool, bare_pool):
    """Both kinds of store, whose locks are held by somebody for longer than anybody waits."""
    bare_pool.admin()
    pool.redis("SET", LOCK, "locked")
    with open(f"{bare_pool.path}-lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patient = [one.popen("run", "--gpus", "8", "--", "echo", "started")
                   for one in (pool, bare_pool)]
        hasty = [one.popen("reserve", *options, "--duration", "1h") for one in (pool, bare_pool)
                 for options in (("--nonblock",), ("--wait", "1s"))]
        for process in patient:
            line = process.stderr.readline().decode()
            assert "still waiting, trying again: the store is locked for" in line, line
            assert process.poll() is None
        for process in hasty:
            result = pool.finish(process)
            assert result.status == 1 and "lock" in result.err, result
        assert pool.waiting() == bare_pool.waiting() == []
        pool.redis("DEL", LOCK)
    for one, process in zip((pool, bare_pool), patient):
        result = pool.finish(process)
        assert result.status == 0 and result.out == "started\n", result
        one.await_free()
        assert one.waiting() == [] and len(one.usage()) == 8


@pytest.mark.parametrize("held_by_another", [True, False])
def test_holder_of_the_lock_that_stops_in_the_middle_harms_nobody(pool, held_by_another):
    """It is stopped when it has the lock, with what it needs to decide on its way to it."""
    proxy = HoldingProxy(pool.directory / "proxy.sock", pool.socket)
    late = pool.popen("run", "--gpus", "8", "--", "echo", "started",
                      env={"CANHAZGPU_STORE": f"redis+unix://{proxy.path}"})
    assert proxy.holds.wait(PATIENCE)
    token = pool.redis("GET", LOCK)[0]
    assert re.fullmatch(rf"canhazgpu process {late.pid} on \S+ \([0-9a-z]{{8}}\)", token), token
    assert 0 < int(pool.redis("PTTL", LOCK)[0]) <= 10000
    late.send_signal(signal.SIGSTOP)
    # Its lock expires, and another takes the GPUs that it has seen free.
    pool.redis("DEL", LOCK)
    pool.ok("reserve", "--gpus", "8", "--duration", "1h")
    records = pool.records()
    if held_by_another:
        pool.redis("SET", LOCK, "locked")
    proxy.let_go()
    late.send_signal(signal.SIGCONT)
    if held_by_another:
        # It has been told that its commit was not made, and waits for the lock.
        wait_for(lambda: "blocked_clients:1" in pool.redis("INFO", "clients"),
                 "it to wait for the lock", step=0.01)
        assert pool.redis("GET", LOCK) == ["locked"]
        assert pool.waiting() == []
        pool.redis("DEL", LOCK)
    assert "waiting for 8 GPUs" in late.stderr.readline().decode()
    assert pool.records() == records
    assert len(pool.waiting()) == 1
    pool.ok("release")
    result = pool.finish(late)
    assert result.status == 0 and result.out == "started\n", result
    pool.await_free()
    assert [record["kind"] for record in pool.usage()] == ["manual"] * 8 + ["run"] * 8
    proxy.close()


def test_gives_no_gpu_out_twice(pool):
    # Under a sanitizer two hundred take longer than the lock is waited for.
    jobs = 60 if IS_SANITIZED else 200
    locks = pool.directory / "locks"
    locks.mkdir()
    lockcheck = pathlib.Path(__file__).with_name("lockcheck.sh")
    runs = [pool.popen("run", "--", lockcheck, 0.05, env={"LOCKS": str(locks)})
            for _ in range(jobs)]
    results = [pool.finish(run, timeout=5 * PATIENCE) for run in runs]
    # On a busy machine, who comes may find that the server does not answer in time (rule 21).
    refused = [result for result in results if result.status != 0]
    assert all(result.status == 1 and "did not answer within" in result.err
               for result in refused), refused
    pool.await_free()
    assert pool.waiting() == []
    records = pool.usage()
    assert len(records) >= jobs - len(refused)
    # By the records too, no GPU was two people's.
    for gpu in range(8):
        spans = sorted((record["started"], record["ended"]) for record in records
                       if record["gpu"] == gpu)
        assert all(one[1] <= next[0] for one, next in zip(spans, spans[1:])), gpu


def test_refuses_tls_instead_of_speaking_in_clear(pool):
    assert_error(pool.run("status", env={"CANHAZGPU_REDIS_TLS": "true"}), 2,
                 "TLS is not available in this version", "stunnel")
    assert_error(pool.run("--store", "rediss://localhost", "status"), 2,
                 "TLS is not available in this version")
    assert len(pool.status(env={"CANHAZGPU_REDIS_TLS": "false"})) == 8
