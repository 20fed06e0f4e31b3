"""The policy of the pool decides for everybody; what a user sets himself does not."""

import json
import os
import shutil

import pytest
from conftest import assert_error, wait_for
from test_probe import nvidia, smi  # noqa: F401 (fixtures)

IDLE = "idle.json"


def policy(pool, **options):
    return json.loads(pool.ok("policy", "--json", **options))


def test_is_shown_to_everybody(pool, users):
    text = pool.ok("policy", user=users.a)
    assert "heartbeat.timeout         5m  (default)\n" in text
    assert policy(pool, user=users.a)["memory.threshold"] == "1024"
    pool.policy("heartbeat.timeout=10m", "limits.gpus=4")
    text = pool.ok("policy", user=users.a)
    assert "heartbeat.timeout         10m\n" in text and "limits.gpus               4\n" in text


def test_says_what_changes(pool):
    assert pool.ok("policy", "set", "contact=ask carol", "heartbeat.timeout=10m") == (
        "heartbeat.timeout: 5m -> 10m\ncontact: - -> ask carol\n")
    assert pool.ok("policy", "set", "contact=ask carol") == "nothing changes\n"
    assert pool.ok("policy", "unset", "contact", "heartbeat.timeout") == (
        "heartbeat.timeout: 10m -> 5m\ncontact: ask carol -> -\n")


def test_applies_a_file(pool):
    pool.policy("contact=carol", "limits.gpus=2")
    file = pool.directory / "policy.yaml"
    file.write_text("limits:\n  gpus: 3\n  group.students.gpus: 1\n")
    would = pool.ok("policy", "apply", str(file), "--dry-run")
    assert would == ("contact: carol -> -\nlimits.gpus: 2 -> 3\n"
                     "limits.group.students.gpus: - -> 1\n")
    assert policy(pool)["limits.gpus"] == "2"
    assert pool.ok("policy", "apply", str(file)) == would
    assert policy(pool)["limits.gpus"] == "3" and policy(pool)["contact"] is None
    assert pool.ok("policy", "apply", str(file)) == "nothing changes\n"
    file.write_text("limits: {gpus: many}\n")
    assert_error(pool.run("policy", "apply", str(file)), 2, f"{file}:1", None)


@pytest.mark.parametrize("words, names", [
    (["set"], "KEY=VALUE is missing"), (["set", "x"], "'x' is no KEY=VALUE"),
    (["set", "x=1"], "unknown key 'x'"), (["set", "limits.gpus=-1"], "'-1'"),
    (["unset"], "KEY is missing"), (["unset", "y"], "unknown key 'y'"),
    (["set", "heartbeat.timeout=1s"], "heartbeat.timeout 1s is not longer"),
    (["apply"], "FILE is missing"), (["apply", "/none.yaml"], "/none.yaml"),
    (["apply", "a", "b"], "unexpected word 'b'"), (["show"], "unknown action 'show'"),
    (["set", "contact=x", "--dry-run"], "--dry-run"),
])
def test_refuses(pool, words, names):
    before = policy(pool)
    result = pool.run("policy", *words)
    assert result.status in (1, 2) and names in result.err, result
    assert policy(pool) == before


def test_is_changed_by_those_alone_whose_pool_it_is(pool, users):
    assert_error(pool.run("policy", "set", "contact=me", user=users.a), 77,
                 "only root, the admin group", "sudo")
    assert policy(pool)["contact"] is None


def test_without_a_pool(bare_pool):
    assert_error(bare_pool.run("policy"), 1, "there is no pool", "canhazgpu admin")


# --- What one user sets decides nothing for others -----------------------------------------------------


def test_another_probe_is_not_believed(nvidia, smi):
    smi.gpus(0, 40000, 0, 0)
    file = nvidia.directory / IDLE
    file.write_text(json.dumps({"gpus": [{"index": 0, "memory_used_mb": 0,
                                          "memory_total_mb": 40000}]}))
    env = {"CANHAZGPU_PROBE": "fake", "CANHAZGPU_FAKE_FILE": str(file)}
    assert nvidia.run("run", "--gpu-ids", "1", "--nonblock", "--", "true", env=env).status == 75
    assert nvidia.run("status", env=env).status == 0
    assert "IN USE WITHOUT RESERVATION" in nvidia.status()[1]


def test_thresholds_and_ignored_names_of_a_user_get_him_nothing(pool):
    pool.put_processes(0, {"pid": 4000001, "memory_mb": 900, "user": "root", "uid": 0,
                           "program": "python3", "type": "compute"})
    for words, env in ((["--memory-threshold", "1000000"], {}),
                       ([], {"CANHAZGPU_IGNORE_PROCESSES": "python3"})):
        assert pool.run(*words, "run", "--gpu-ids", "0", "--nonblock", "--", "true",
                        env=env).status == 75
        assert pool.ok(*words, "status", env=env).startswith("GPU 0: AVAILABLE")
        assert pool.status()[0].startswith("GPU 0: IN USE WITHOUT RESERVATION")


def use(pool, gpu, memory_mb):
    pool.put_processes(gpu, {"pid": 4000001 + gpu, "memory_mb": memory_mb, "user": "root",
                             "uid": 0, "program": "python3", "type": "compute"})


def test_who_is_stricter_gets_what_is_free_in_his_own_eyes(pool):
    """And others get the GPUs that he would not have."""
    for gpu in range(8):
        use(pool, gpu, 50)
    refused = pool.run("--memory-threshold", "10", "run", "--gpus", "2", "--nonblock", "--", "true")
    assert refused.status == 75, refused
    assert "GPUs 0-7 in use by the waiter's own memory thresholds" in refused.err
    waiter = pool.waiter("--gpus", "1", command=("printenv", "CUDA_VISIBLE_DEVICES"),
                         env={"CANHAZGPU_MEMORY_PROCESS_THRESHOLD": "10"})
    assert pool.ok("run", "--gpus", "8", "--nonblock", "--", "echo", "ran") == "ran\n"
    pool.put_processes(5)
    assert pool.read_line(waiter) == "5"


def test_a_threshold_in_a_file_is_the_users_own(pool, users):
    use(pool, 0, 50)
    home = pool.directory / "home-of-a"
    home.mkdir()
    (home / ".canhazgpu.yaml").write_text("memory: {process_threshold: 10}\n")
    words = ["run", "--gpu-ids", "0", "--nonblock", "--", "echo", "ran"]
    assert pool.run(*words, user=users.a, env={"HOME": str(home)}).status == 75
    assert pool.ok(*words, user=users.a) == "ran\n"


def test_heartbeats_of_a_user_end_no_run(pool):
    """The run of another pid namespace is out of sight: its heartbeats alone tell that it lives."""
    isolated = ["unshare", "--pid", "--fork", "--mount-proc"]
    job = pool.start([*isolated, pool.program, "run", "--gpus", "8", "--", "sh", "-c",
                      "echo started; exec sleep 600"])
    assert pool.read_line(job) == "started"
    env = {"CANHAZGPU_HEARTBEAT_INTERVAL": "0.001s", "CANHAZGPU_HEARTBEAT_TIMEOUT": "0.002s"}
    result = pool.run("run", "--nonblock", "--", "true", env=env)
    assert result.status == 75 and "has no effect" in result.err, result
    assert pool.run("status", env=env).out.count("IN USE by") == 8
    pool.policy("heartbeat.interval=0.001s", "heartbeat.timeout=0.002s")
    wait_for(lambda: "AVAILABLE" in pool.run("status").out, "the run to be given up")


def test_an_ignored_name_hides_only_what_is_the_systems(pool, users):
    """Whoever copies `sleep` may call it Xorg; only root can put a file of root's there."""
    def use(gpu, owner, memory_mb):
        folder = pool.directory / f"bin{gpu}"
        folder.mkdir()
        shutil.copy("/bin/sleep", folder / "Xorg")
        os.chown(folder / "Xorg", owner, owner)
        process = pool.start([folder / "Xorg", "600"], user=users.a)
        pool.put_processes(gpu, {"pid": process.pid, "memory_mb": memory_mb})

    use(0, users.a.uid, 40000)
    use(1, users.a.uid, 500)
    use(2, 0, 500)
    use(3, 0, 40000)
    words = [line.split(": ")[1].split(" (")[0].split(" by")[0] for line in pool.status()[:4]]
    used = "IN USE WITHOUT RESERVATION"
    assert words == [used, used, "AVAILABLE", used]
    assert pool.run("run", "--gpu-ids", "0", "--nonblock", "--", "true").status == 75
    assert pool.ok("run", "--gpu-ids", "2", "--nonblock", "--", "echo", "ran") == "ran\n"


# --- Limits --------------------------------------------------------------------------------------------


def test_a_run_beyond_the_limit_waits_for_its_own_account(pool, users):
    pool.policy("limits.gpus=2")
    job = pool.job("--gpus", "2", user=users.a)
    waiter = pool.waiter(user=users.a)
    assert waiter.told == ("canhazgpu: 1st in queue, waiting for 1 GPU: you may have 2 at once here, "
                           "and have or wait for 2; start unknown\n")
    (entry,) = pool.queue_json()["entries"]
    assert entry["limit"] == {"allowed": 2, "taken": 2} and entry["allocated_gpus"] == []
    assert "you may have 2 at once" in pool.ok("queue")
    assert pool.ok("run", "--gpus", "2", "--", "echo", "ran", user=users.b) == "ran\n"
    result = pool.run("run", "--nonblock", "--", "true", user=users.a)
    assert result.status == 75 and "you may have 2 at once here" in result.err
    pool.policy("limits.gpus=3")
    assert pool.finish(waiter).out == "started\n"
    job.kill()


def test_limits_of_a_group_and_of_an_account(pool, users):
    pool.policy(f"limits.group.{users.gpu_group}.gpus=1", f"limits.user.{users.b.name}.gpus=2")
    for user, most in ((users.d, 1), (users.b, 2), (users.a, 8)):
        assert pool.ok("run", "--gpus", str(most), "--", "echo", "ran", user=user) == "ran\n"
        if most < 8:
            assert_error(pool.run("run", "--gpus", str(most + 1), "--", "true", user=user), 77,
                         "(limits.gpus)", "ask for fewer GPUs")


def test_limits_of_times(pool, users):
    pool.policy("limits.duration=2h", "limits.timeout=3h", "contact=carol")
    assert_error(pool.run("reserve", "--duration", "3h", user=users.a), 77, "(limits.duration)",
                 "reserve for at most 2h; or ask carol")
    pool.ok("reserve", "--duration", "90m", user=users.a)
    assert_error(pool.run("extend", "1h", user=users.a), 77, "(limits.duration)", "at most 2h")
    pool.ok("extend", "30m", user=users.a)
    pool.ok("extend", "30m", "--gpu-ids", "0")
    assert_error(pool.run("run", "--timeout", "4h", "--", "true", user=users.a), 77,
                 "(limits.timeout)", "--timeout 3h")
    result = pool.run("run", "--", "echo", "ran", user=users.a)
    assert (result.out, result.err) == (
        "ran\n", "canhazgpu: the pool's policy ends this run after 3h; give your own: --timeout\n")
    pool.policy("default.timeout=0.3s")
    assert pool.run("run", "--", "sleep", "600", user=users.a).status != 0


def test_limit_of_waiting_requests(pool, users):
    pool.policy("limits.requests=1")
    job = pool.job("--gpus", "8")
    waiter = pool.waiter(user=users.a)
    assert_error(pool.run("run", "--", "true", user=users.a), 77, "(limits.requests)",
                 "canhazgpu queue")
    assert len(pool.waiting()) == 1
    assert pool.run("run", "--nonblock", "--", "true", user=users.a).status == 75
    job.kill()
    assert pool.finish(waiter).out == "started\n"
