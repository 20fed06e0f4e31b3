"""A Sentinel makes another server the master, while a run goes on and somebody waits."""

import os
import signal
import subprocess

import pytest
from conftest import wait_for
from redis_client import POOL
from redis_pool import pytestmark, watched  # noqa: F401 (fixtures)

BEATS = ("heartbeat.interval=0.3s",)
REPLICAS = {"CANHAZGPU_REDIS_REPLICAS": "1"}
READ_LINE = ("sh", "-c", "echo started; read line; echo ended")


def channels(server):
    return server.command("PUBSUB", "CHANNELS")


def listens(server, waiter):
    return {f"canhazgpu:request:{waiter.request}", "canhazgpu:changes"} <= set(channels(server))


def beat_of(server, id):
    text = "".join(server.command("HGET", POOL, f"reservation:{id}"))
    return text.partition('"last_heartbeat":"')[2].partition(" ")[0]


def run_and_waiter(pool):
    pool.policy(*BEATS)
    job = pool.job("--gpus", "8", command=READ_LINE, stdin=subprocess.PIPE, env=REPLICAS)
    (job.id,) = pool.records()
    waiter = pool.waiter("--gpus", "8", env=REPLICAS)
    wait_for(lambda: listens(pool.server, waiter), "the waiter to listen", step=0.02)
    return job, waiter


def await_all_on(pool, server, job, waiter):
    before = beat_of(server, job.id)
    wait_for(lambda: beat_of(server, job.id) > before, "a heartbeat", step=0.05)
    wait_for(lambda: listens(server, waiter), "the waiter to listen", step=0.05)


def finish_both(pool, job, waiter):
    assert job.poll() is None and waiter.poll() is None
    assert pool.waiting() == [waiter.request] and list(pool.records()) == [job.id]
    result = pool.finish(job, b"\n")
    assert result.out == "ended\n", result
    assert pool.finish(waiter).out == "started\n"
    pool.await_free()
    assert [record["how"] for record in pool.usage()] == ["finished"] * 16


def test_all_follow_a_failover(watched):
    pool = watched
    job, waiter = run_and_waiter(pool)
    first, second = pool.servers
    assert pool.server is first and pool.sentinel.fail_over()
    wait_for(lambda: pool.server is second, "the failover", step=0.05)
    pool.sentinel.await_settled()
    await_all_on(pool, second, job, waiter)
    wait_for(lambda: not any("canhazgpu:" in one for one in channels(first)),
             "nobody to listen to the old one", step=0.05)
    assert len(pool.status()) == 8
    assert pool.run("run", "--nonblock", "--", "true").status == 75
    finish_both(pool, job, waiter)


def test_all_follow_when_the_master_dies(watched):
    pool = watched
    job, waiter = run_and_waiter(pool)
    first, second = pool.servers
    first.kill()
    failed = pool.run("status")
    assert failed.status == 1 and "hint: " in failed.err, failed
    wait_for(lambda: pool.server is second and second.is_master(), "the failover", step=0.1)
    await_all_on(pool, second, job, waiter)
    first.start()  # it learns that it is no master any more
    finish_both(pool, job, waiter)


@pytest.mark.parametrize("loses", [False, True])
def test_no_gpu_is_given_twice_by_a_failover_that_loses_changes(watched, loses):
    """The replica has stopped following; so what began since is not on it, and must not have begun
    where that is asked for."""
    pool = watched
    first, second = pool.servers
    wait_for(lambda: second.command("HEXISTS", POOL, "gpu:7") == ["1"], "the replica's copy")
    second.stop()
    env = {"CANHAZGPU_REDIS_REPLICAS": "0" if loses else "1"}
    run = pool.popen("run", "--gpus", "8", "--", *READ_LINE, stdin=subprocess.PIPE, env=env)
    wait_for(lambda: any("supervisor" in one for one in pool.records().values()), step=0.02)
    (id,) = pool.records()
    if loses:
        assert pool.read_line(run) == "started"
    first.kill()
    os.kill(second.process.pid, signal.SIGCONT)
    wait_for(lambda: pool.server is second and second.is_master(), "the failover", step=0.1)
    # It comes back by itself: with the job, or because it has not begun yet.
    first.start()
    if not loses:
        assert pool.read_line(run) == "started"
    wait_for(lambda: list(pool.records()) == [id], "the run to be back", step=0.05)
    assert pool.run("run", "--nonblock", "--", "true").status == 75
    assert pool.finish(run, b"\n").out == "ended\n"
    pool.await_free()
    assert [record["how"] for record in pool.usage()] == ["finished"] * 8
