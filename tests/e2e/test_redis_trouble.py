"""A Redis that is set up badly, that holds something else, or that forgets its pool: nobody gets a
GPU that is in use, and one line says what is wrong."""

import os
import signal

import pytest
from conftest import NO_TIMER, assert_error, temporary, wait_for
from redis_client import LOCK, Redis
from redis_pool import RedisPool, empty, pool, pytestmark  # noqa: F401 (fixtures)


def test_runs_come_back_before_a_new_pool_grants_anything(pool):
    """FLUSHALL cuts no connection; only heartbeats would tell, and here there is none."""
    pool.policy(*NO_TIMER)
    jobs = [pool.job("-G", str(gpu)) for gpu in range(4)]
    for _ in range(3):
        pool.redis("FLUSHALL")
        pool.admin()
        assert sorted(pool.reserved()) == [0, 1, 2, 3]
        assert pool.run("reserve", "-G", "2", "--nonblock").status == 75
        assert not [line for line in pool.status() if "OUT OF SERVICE" in line]
        assert pool.ok("run", "-G", "6", "--", "echo", "ran") == "ran\n"
    for job in jobs:
        job.kill()
    pool.await_free()


def test_waiters_are_not_served_before_runs_come_back(pool):
    pool.policy(*NO_TIMER)
    pool.job("--gpus", "8")
    waiter = pool.waiter("--gpus", "1")
    pool.redis("FLUSHALL")
    pool.admin()
    assert sorted(pool.reserved()) == list(range(8))
    wait_for(lambda: pool.queue_json()["total_waiting"] == 1, "the waiter to be back")
    assert waiter.poll() is None


def test_an_admin_that_is_killed_keeps_no_gpu_out_of_service(pool):
    pool.policy(*NO_TIMER)
    pool.job("-G", "0")
    # It listens, and brings nothing back.
    (supervisor,) = pool.supervisors()
    os.kill(supervisor, signal.SIGSTOP)
    pool.redis("FLUSHALL")
    admin = pool.popen("admin", "--provider", "fake", "--gpus", "8")
    wait_for(lambda: "OUT OF SERVICE" in pool.run("status").out, "admin to look for runs", step=0)
    admin.kill()
    admin.wait()
    wait_for(lambda: pool.run("reserve", "-G", "2", "--nonblock").status == 0, "a GPU to be granted")
    assert "OUT OF SERVICE" not in pool.ok("status")
    os.kill(supervisor, signal.SIGCONT)
    wait_for(lambda: sorted(pool.reserved()) == [0, 2], "the run to be back")


# --- An older state of the pool ------------------------------------------------------------------------


def keep_state(pool):
    pool.server.kill()
    pool.server.save(pool.directory / "older")
    pool.server.start()


def bring_back_state(pool):
    pool.server.kill()
    pool.server.restore(pool.directory / "older")
    pool.server.start()


def stopped_run(pool, *arguments):
    """A run whose supervisor can't notice that the server has begun anew."""
    before = set(pool.supervisors())
    job = pool.job(*arguments)
    (supervisor,) = set(pool.supervisors()) - before
    os.kill(supervisor, signal.SIGSTOP)
    return job, supervisor


def test_runs_come_back_before_an_older_state_grants_anything(pool):
    pool.policy(*NO_TIMER)
    keep_state(pool)
    _, supervisor = stopped_run(pool, "-G", "2")
    bring_back_state(pool)
    for gpu in ("2", "5"):
        result = pool.run("run", "-G", gpu, "--nonblock", "--", "true")
        assert_error(result, 75, f"GPU {gpu}, out of service (looking for runs that the store has lost)",
                     "--nonblock")
    waiter = pool.waiter("-G", "5", kind="reserve")
    assert pool.reserved() == []
    os.kill(supervisor, signal.SIGCONT)
    assert pool.finish(waiter).status == 0
    assert pool.reserved() == [2, 5]
    assert pool.run("run", "-G", "2", "--nonblock", "--", "true").status == 75
    assert "OUT OF SERVICE" not in pool.ok("status")


def test_a_waiter_in_an_older_state_is_not_served_before_runs_come_back(pool):
    pool.policy(*NO_TIMER)
    pool.ok("reserve", "--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    keep_state(pool)
    os.kill(waiter.pid, signal.SIGSTOP)
    pool.ok("cancel", waiter.request)
    pool.ok("release")
    _, supervisor = stopped_run(pool, "--gpus", "8")
    bring_back_state(pool)
    os.kill(waiter.pid, signal.SIGCONT)
    assert pool.ok("release") != ""
    assert pool.reserved() == [] and pool.waiting() == [waiter.request]
    os.kill(supervisor, signal.SIGCONT)
    wait_for(lambda: pool.reserved() == list(range(8)), "the run to be back")
    assert waiter.poll() is None


def test_a_run_that_does_not_come_back_holds_nobody_up_for_long(pool):
    pool.policy(*NO_TIMER)
    keep_state(pool)
    stopped_run(pool, "-G", "2")
    bring_back_state(pool)
    waiter = pool.waiter("-G", "5")
    assert pool.finish(waiter).out == "started\n"


def test_drained_gpus_stay_drained_when_runs_are_looked_for(pool):
    pool.policy(*NO_TIMER)
    pool.ok("admin", "--drain", "7", "--note", "fan")
    keep_state(pool)
    _, supervisor = stopped_run(pool, "-G", "2")
    bring_back_state(pool)
    assert pool.run("run", "-G", "5", "--nonblock", "--", "true").status == 75
    assert pool.status()[7] == "GPU 7: OUT OF SERVICE (fan)"
    os.kill(supervisor, signal.SIGCONT)
    wait_for(lambda: pool.status()[5].startswith("GPU 5: AVAILABLE"), "the run to be back")
    assert pool.status()[7] == "GPU 7: OUT OF SERVICE (fan)"


def test_an_older_state_grants_at_once_where_no_run_is_missing(pool, binaries):
    """Runs of another pool are none of this one's."""
    pool.policy(*NO_TIMER)
    kept = pool.job("-G", "3")
    keep_state(pool)
    with temporary(RedisPool, binaries) as other:
        other.admin()
        other.job("--gpus", "8")
        bring_back_state(pool)
        assert pool.ok("run", "-G", "5", "--nonblock", "--", "echo", "ran") == "ran\n"
        wait_for(lambda: pool.reserved() == [3], "the GPU to be given back")
        assert kept.poll() is None


@pytest.mark.parametrize("policy, is_bad", [("noeviction", False), ("allkeys-lru", True),
                                            ("volatile-ttl", True)])
def test_doctor_refuses_a_redis_that_evicts(pool, policy, is_bad):
    pool.redis("CONFIG", "SET", "maxmemory-policy", policy)
    result = pool.run("doctor")
    assert (f"(maxmemory-policy {policy})" in result.out) == is_bad, result
    assert ("maxmemory-policy noeviction" in result.out) == is_bad, result
    assert result.status == (1 if is_bad else 0), result


@pytest.mark.parametrize("rule", ["-eval -evalsha", "-evalsha", "-@scripting"])
def test_forbidden_scripts_are_told_in_one_line(pool, rule):
    pool.redis("ACL", "SETUSER", "default", *rule.split())
    assert_error(pool.run("reserve", "--nonblock"), 77, "does not permit it", "ACL SETUSER")
    pool.redis("ACL", "SETUSER", "default", "+@all")


@pytest.mark.parametrize("renamed", [["EVAL"], ["EVALSHA"], ["EVAL", "EVALSHA"]])
def test_renamed_scripts_are_told_in_one_line(empty, renamed):
    empty.server.kill()
    for name in renamed:
        empty.server.options += ["--rename-command", name, ""]
    empty.server.start()
    result = empty.run("admin", "--provider", "fake")
    assert_error(result, 1, "lacks a command that canhazgpu needs", "rename-command")
    assert len(result.err) < 400


def test_a_cluster_says_how_a_pool_is_kept_together(empty):
    empty.server.kill()
    empty.server.options += ["--cluster-enabled", "yes"]
    empty.server.start()
    empty.redis("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    wait_for(lambda: "cluster_state:ok" in str(empty.redis("CLUSTER", "INFO")), "the cluster")
    hint = "?prefix={canhazgpu}"
    assert_error(empty.run("admin", "--provider", "fake"), 1, "of a cluster", hint)
    url = empty.environment["CANHAZGPU_STORE"]
    env = {"CANHAZGPU_STORE": url + ("&" if "?" in url else "?") + "prefix={name}"}
    empty.ok("admin", "--provider", "fake", "--gpus", "8", env=env)
    assert empty.ok("run", "--", "echo", "ran", env=env) == "ran\n"


@pytest.mark.parametrize("key", ["pool", "log", "events", "unlocked"])
def test_a_key_of_another_type_leaves_no_lock(pool, key):
    ask = Redis(pool.socket)
    name = LOCK.replace("lock", key)
    pool.ok("reserve", "-G", "3")
    ask("DEL", name)
    ask("SET", name, "something else")
    result = pool.run("release")  # writes an event, too
    if key != "unlocked":
        assert_error(result, 1, "holds something else under a key of the pool", "redis.prefix")
    assert ask("EXISTS", LOCK) == 0
    ask.close()
