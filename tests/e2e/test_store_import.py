"""`store import`: from the keys of the Go program, and of canhazgpu 0.1.0, into a pool of ours."""

import json
import re
import time

import pytest

from conftest import assert_error, wait_for
from go_keys import HISTORY, GoKeys, keys_of_0_1_0, supervisor, usage
from redis_pool import RedisServer, free_port, pytestmark  # noqa: F401

MOVED = "moved to another canhazgpu"


@pytest.fixture
def server(bare_pool):
    server = RedisServer(bare_pool.directory / "redis", port=free_port())
    server.url = f"redis://127.0.0.1:{server.port}/0"
    yield server
    server.kill()


@pytest.fixture
def keys(server):
    return GoKeys(server.command)


def command(pool):
    """What somebody runs with the Go program."""
    return pool.start(["sleep", "600"])


def import_from(pool, server):
    return pool.ok("store", "import", server.url)


def values(server):
    """All keys but those that an import writes."""
    names = [name for name in server.command("KEYS", "*")
             if name not in ("canhazgpu:gpu_count", "canhazgpu:imported")]
    return {name: server.command("--no-raw", "DUMP", name) for name in names}


def test_everything_is_taken_over(bare_pool, server, keys):
    pool = bare_pool
    keys.history("alice", 3000)
    keys.old_history("bob", 300)
    server.command("SET", "canhazgpu:gpu:7", json.dumps({"last_released": "2026-11-24T13:24:28.2Z"}))
    keys.hold([3], "manual", "dora", account="root", expiry_time=int(time.time()) + 7200,
              note="debugging")
    live = command(pool)
    supervisor(pool, [0, 1], "root", live.pid)
    keys.run([0, 1], "root", note="train")
    before = values(server)

    out = import_from(pool, server)
    assert out.startswith(f"took over 2 reservations and 3300 usage records from {server.url} into "
                          f"{pool.path}, a pool of 8 GPUs\n"), out
    assert f"  run of root on GPUs 0 and 1, until its command, process {live.pid}, has ended\n" in out
    assert "  manual reservation of dora (root) on GPU 3, until " in out
    assert "everything was taken over\n" in out and "leave that Redis running" in out

    lines = pool.status()
    assert len(lines) == 8
    # It began 90 s ago, when the keys were written, which took as long as it took.
    assert re.search(r"IN USE by root for 0h [1-9]\d?m", lines[0]) and lines[0].endswith('"train"')
    assert re.search(r"IN USE by dora \(root\).* expires in 1h \d\d?m", lines[3])
    assert "AVAILABLE (last released" in lines[7]
    assert [entry["gpu_model"] for entry in pool.status_json()] == ["Simulated H100 80GB"] * 8
    report = json.loads(pool.ok("report", "--json"))
    hours = {row["name"]: row["gpu_hours"] for row in report["users"]}
    assert hours["alice"] == pytest.approx(3000) and hours["bob"] == pytest.approx(300)

    # Nobody goes on there unknowingly; but its supervisors miss nothing.
    assert server.command("GET", "canhazgpu:gpu_count")[0].startswith(MOVED)
    assert values(server) == before
    assert server.command("EXISTS", "canhazgpu:allocation_lock") == ["0"]

    # The GPUs come back when the command ends, whatever becomes of its supervisor.
    assert pool.reserved() == [0, 1, 3]
    live.kill()
    live.wait()
    assert "AVAILABLE" in pool.status()[0]
    assert pool.reserved() == [3]


def test_twice_in_a_row(bare_pool, server, keys):
    pool = bare_pool
    keys.history("alice", 2500)
    keys.hold([2, 3], "manual", "root", expiry_time=int(time.time()) + 7200)
    keys.hold([4], "manual", "root", since=60)
    live = command(pool)
    helper = supervisor(pool, [0], "root", live.pid)
    start = keys.run([0], "root")
    import_from(pool, server)
    before, events = pool.status(), pool.ok("events", "--since", "3650d")
    out = import_from(pool, server)
    assert pool.ok("events", "--since", "3650d") == events
    assert out.startswith("took over 0 reservations and 0 usage records"), out
    assert "taken over before: 3 reservations and 2500 usage records\n" in out
    assert len(pool.status()) == len(before) and pool.reserved() == [0, 2, 3, 4]
    assert len(pool.usage()) == 2500

    # What ended here stays ended, and is told once, though the old pool is told of it as well.
    pool.ok("release", "-G", "4")
    helper.kill()
    live.kill()
    live.wait()
    wait_for(lambda: "AVAILABLE" in pool.status()[0], "the run to be over", step=0.05)
    keys.release([0], "root", start)
    ended = len(pool.usage())
    assert ended == 2502
    out = import_from(pool, server)
    assert "took over 0 reservations and 0 usage records" in out
    assert pool.reserved() == [2, 3] and len(pool.usage()) == ended


def test_what_cannot_be_taken_over_is_named(bare_pool, server, keys):
    pool = bare_pool
    start = keys.run([0], "root")                          # no supervisor
    dead = command(pool)
    supervisor(pool, [1], "root", dead.pid)                # its command is gone
    dead.kill()
    dead.wait()
    keys.run([1], "root", start_time=start)
    server.command("SET", "canhazgpu:gpu:2", '{"user": "bo')
    server.command("LPUSH", "canhazgpu:gpu:3", "a list")
    keys.hold([4], "manual", "root", since=7200, expiry_time=int(time.time()) - 60)
    keys.hold([5], "run", "erin", partial_queue_id="dc2d07d4")
    keys.wait("erin", 6)
    server.command("ZADD", HISTORY, "1", "nonsense", "2",
                   usage("alice", 0, "2026-11-24T13:24:28Z", "2026-11-24T13:24:29Z"))
    out = import_from(pool, server)
    assert out.startswith("took over 0 reservations and 1 usage record from")
    for line in ("  run of root on GPUs 0 and 1: no process of it lives on this host\n",
                 "  manual reservation of root on GPU 4: its time is over\n",
                 "  erin waited for 6 GPUs and has to ask again\n",
                 "  canhazgpu:gpu:2 could not be read\n", "  canhazgpu:gpu:3 could not be read\n",
                 "  canhazgpu:usage_history_sorted (1 of 2 records) could not be read\n"):
        assert line in out, out
    assert pool.reserved() == [] and pool.waiting() == []
    assert len(pool.status()) == 8
    assert pool.ok("run", "--gpus", "8", "--", "echo", "all") == "all\n"


def test_two_runs_of_one_second(bare_pool, server, keys):
    """Its keys tell them apart by nothing; their supervisors do."""
    pool = bare_pool
    first, second = command(pool), command(pool)
    supervisor(pool, [0], "root", first.pid)
    supervisor(pool, [1, 2], "root", second.pid)
    keys.hold([0, 1, 2, 3], "run", "root", since=5)
    out = import_from(pool, server)
    assert f"run of root on GPU 0, until its command, process {first.pid}," in out
    assert f"run of root on GPUs 1 and 2, until its command, process {second.pid}," in out
    assert "run of root on GPU 3: no process of it lives" in out
    second.kill()
    second.wait()
    wait_for(lambda: "AVAILABLE" in pool.status()[1], "the run to be over", step=0.05)
    assert pool.reserved() == [0]


def test_whose_supervisor_it_is(bare_pool, server, keys, users):
    """Anybody may give a process of his the command line of a supervisor."""
    pool = bare_pool
    own, forged = command(pool), command(pool)
    supervisor(pool, [0], users.a.name, own.pid, as_user=users.a)
    supervisor(pool, [1], users.b.name, forged.pid, as_user=users.a)
    keys.run([0], users.a.name)
    keys.run([1], users.b.name)
    out = import_from(pool, server)
    assert f"run of {users.a.name} on GPU 0, until" in out
    assert f"run of {users.b.name} on GPU 1: no process of it" in out
    assert pool.reserved() == [0]


def test_the_pool_of_our_first_version(bare_pool, server):
    pool = bare_pool
    live = command(pool)
    keys_of_0_1_0(server.command, live.pid)
    out = import_from(pool, server)
    assert f"run of root on GPU 0, until its command, process {live.pid}, has ended" in out
    lines = pool.status()
    assert "IN USE by root" in lines[0] and lines[0].endswith('"mine"')
    assert "OUT OF SERVICE" in lines[1] and "fan" in lines[1]
    assert pool.identity("holder").pid == live.pid
    assert "taken over before: 1 reservation" in import_from(pool, server)
    live.kill()
    live.wait()
    wait_for(lambda: "AVAILABLE" in pool.status()[0], "the run to be over", step=0.05)


def test_into_a_pool_that_is_there(pool, server, keys):
    """An empty one takes all; one that somebody uses takes nothing."""
    keys.hold([1], "manual", "root", expiry_time=int(time.time()) + 7200)
    pool.ok("reserve", "-G", "5")
    before = values(server)
    assert_error(pool.run("store", "import", server.url), 1,
                 f"somebody has reserved GPUs in '{pool.path}' already", "--store")
    assert server.command("GET", "canhazgpu:gpu_count") == ["8"] and values(server) == before
    pool.ok("release")
    import_from(pool, server)
    assert pool.reserved() == [1]


@pytest.mark.parametrize("prefix", ["", "?prefix=ours"])
def test_into_a_redis(bare_pool, server, keys, prefix):
    """Even into the same one under the same prefix: both formats have keys of their own."""
    pool = bare_pool
    keys.hold([1], "manual", "root", expiry_time=int(time.time()) + 7200)
    keys.history("alice", 1500)
    target = {"CANHAZGPU_STORE": server.url + prefix,
              "CANHAZGPU_FAKE_FILE": str(pool.gpus_file)}
    out = pool.ok("store", "import", server.url, env=target)
    assert "took over 1 reservation and 1500 usage records" in out
    assert "IN USE by root" in pool.status(env=target)[1]
    assert pool.ok("run", "--", "echo", "on", env=target) == "on\n"
    out = pool.ok("store", "import", server.url, env=target)
    assert "taken over before: 1 reservation and 1500 usage records" in out


def test_who_may_and_what_there_is_to_import(bare_pool, server, users):
    pool = bare_pool
    assert_error(pool.run("store", "import", server.url), 1,
                 f"there is no pool of the Go program in '{server.url}'", "another prefix")
    server.command("SET", "canhazgpu:gpu_count", "many")
    assert_error(pool.run("store", "import", server.url), 1, "is no number of GPUs, but 'many'")
    GoKeys(server.command)
    assert_error(pool.run("store", "import", server.url, user=users.a), 77,
                 "would be your own, and others would be left without a pool", "sudo")
    assert server.command("GET", "canhazgpu:gpu_count") == ["8"]
    assert_error(pool.run("store", "import", f"redis://127.0.0.1:{free_port()}/0"), 1, "127.0.0.1")
    for words in (["import"], ["import", server.url, "x"], ["copy", server.url], ["move", "x"]):
        assert pool.run("store", *words).status == 2


COMMANDS = [["status"], ["run", "--", "true"], ["reserve"], ["queue"],
            ["admin", "--provider", "fake"]]


@pytest.fixture
def unaware(bare_pool, server):
    """A host without a pool; its file says where the Redis of the Go program is."""
    (bare_pool.home / ".canhazgpu.yaml").write_text(
        f"redis:\n  host: 127.0.0.1\n  port: {server.port}\n")
    return bare_pool


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_it_is_found_without_being_told(unaware, server, keys, words):
    assert_error(unaware.run(*words), 1,
                 f"the pool of this host is in {server.url}, in the format of the Go program",
                 f"take it over with: sudo canhazgpu store import {server.url}")
    assert not unaware.path.exists()
    import_from(unaware, server)
    assert unaware.run(*words).status == 0


def test_a_redis_that_the_configuration_names_is_the_store_as_well(unaware, server, keys):
    """As on a host whose files are those of the Go program."""
    files = {"CANHAZGPU_STORE": None, "CANHAZGPU_FAKE_FILE": str(unaware.gpus_file)}
    assert_error(unaware.run("status", env=files), 1, f"the pool of this host is in {server.url}")
    unaware.ok("store", "import", server.url, env=files)
    assert len(unaware.status(env=files)) == 8


def test_doctor_finds_it(unaware, server, keys):
    result = unaware.run("doctor")
    assert result.status == 1
    assert f"the pool of this host is in {server.url}" in result.out
    import_from(unaware, server)
    assert "Go program" not in unaware.run("doctor").out


def test_where_the_pool_has_gone(unaware, server, keys):
    import_from(unaware, server)
    elsewhere = {"CANHAZGPU_STORE": f"sqlite:{unaware.directory}/other.db"}
    assert_error(unaware.run("status", env=elsewhere), 1,
                 f"the pool of this host has moved from {server.url} to '{unaware.path}'", "store")


@pytest.mark.parametrize("words", COMMANDS[:-1], ids=lambda words: words[0])
def test_nobody_is_asked_in_vain(unaware, server, words):
    """Neither a Redis without such a pool nor a port where nobody listens changes what is said."""
    assert_error(unaware.run(*words), 1, "there is no pool on this host yet", "canhazgpu admin")
    server.kill()
    assert_error(unaware.run(*words), 1, "there is no pool on this host yet", "canhazgpu admin")


def test_beside_it_by_force(unaware, keys):
    unaware.ok("admin", "--provider", "fake", "--force")
    assert len(unaware.status()) == 8
