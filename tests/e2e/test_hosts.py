"""Several hosts: whose pool it is, all hosts of a Redis, and others by ssh.

Another host is this one under another name and boot id, in namespaces of its own; that needs root.
ssh is a stand-in on PATH that does what its host's name says, and once the real one."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import SYSTEM_PATH, assert_error, is_alive, timeless, validate, wait_for
from redis_pool import RedisPool

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None,
                                 reason="redis-server is not installed")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another host needs root")

HERE = socket.gethostname()


class OtherHost:
    """Runs the program as another host would."""

    def __init__(self, pool, name, boot_id=None, **env):
        self.pool, self.name = pool, name
        self.boot = pool.directory / f"boot-{name}"
        self.set_boot(boot_id or f"boot-of-{name}")
        self.env = env

    def set_boot(self, boot_id):
        self.boot.write_text(boot_id + "\n")

    def words(self, *arguments):
        enter = ("mount --bind \"$1\" /proc/sys/kernel/random/boot_id && "
                 "echo \"$2\" > /proc/sys/kernel/hostname && shift 2 && exec \"$@\"")
        return ["unshare", "--mount", "--uts", "sh", "-c", enter, "sh", str(self.boot), self.name,
                self.pool.program, *arguments]

    def run(self, *arguments, env=None):
        return self.pool.run_command(self.words(*arguments), env={**self.env, **(env or {})})

    def ok(self, *arguments, **options):
        result = self.run(*arguments, **options)
        assert result.status == 0, result
        return result.out


@pytest.fixture
def redis(binaries, tmp_path):
    tmp_path.chmod(0o755)
    pool = RedisPool(tmp_path, binaries)
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def fleet(redis):
    """This host, alpha and beta in one Redis, each with a prefix of its own."""
    redis.admin(2)
    hosts = []
    for name, gpus in (("beta", 8), ("alpha", 4)):
        host = OtherHost(redis, name, CANHAZGPU_REDIS_PREFIX=name,
                         CANHAZGPU_FAKE_FILE=str(redis.directory / f"{name}.json"))
        host.ok("admin", "--provider", "fake", "--gpus", str(gpus))
        hosts.append(host)
    return hosts[1], hosts[0]


# --- Whose pool it is ------------------------------------------------------------------------------


@as_root
def test_nobody_reserves_in_the_pool_of_another_host(pool):
    other = OtherHost(pool, "alpha")
    for words in (["run", "--", "true"], ["reserve"], ["admin"],
                  ["admin", "--drain", "1"]):
        result = other.run(*words)
        assert_error(result, 1, f"is of host '{HERE}', and this is host 'alpha'", "of its own")
    assert pool.reserved() == [] and pool.waiting() == []
    assert pool.ok("run", "--", "echo", "here") == "here\n"


@as_root
def test_doctor_says_whose_pool_it_is(pool):
    assert "is of host" not in pool.ok("doctor")
    result = OtherHost(pool, "alpha").run("doctor")
    assert result.status == 1
    assert re.search(rf"BAD +pool +the pool in '{pool.path}' is of host '{HERE}', and this is host "
                     "'alpha'", result.out)
    assert "-> give each host a file of its own (--store)" in result.out
    assert "not found any more" not in result.out


@as_root
@needs_redis
def test_nobody_reserves_under_the_prefix_of_another_host(redis):
    redis.admin()
    other = OtherHost(redis, "alpha")
    assert_error(other.run("run", "--", "true"), 1, f"is of host '{HERE}'", "redis.prefix")
    assert redis.reserved() == []


@as_root
def test_pool_of_another_host_is_shown(pool):
    pool.ok("reserve", "-G", "3", "--duration", "2h")
    job = pool.job("-G", "4", command=("sh", "-c", "echo started; read line"),
                   stdin=subprocess.PIPE)
    pool.put_processes(5, {"pid": 1, "user": "bob", "uid": 1001, "memory_mb": 5000})
    other = OtherHost(pool, "alpha")
    result = other.run("status")
    assert result.err == (f"canhazgpu: this is the pool of host '{HERE}', as the store has it: its "
                          "GPUs are not looked at from here\n")
    lines = result.out.splitlines()
    assert "GPU 3: IN USE" in lines[3] and lines[4].endswith("[not validated]")
    assert lines[5] == "GPU 5: NOT RESERVED (never used) [not validated]"
    assert "[not validated]" in other.ok("status", "--summary")
    validate(json.loads(other.ok("status", "--json")), "status")
    for words in (["queue"], ["report"], ["events"]):
        result = other.run(*words)
        assert result.status == 0 and "not looked at from here" in result.err, result
    # Whoever only looks ends nothing there: its processes can't be seen from here.
    assert pool.reserved() == [3, 4]
    pool.finish(job, b"\n")


@as_root
def test_another_host_ends_no_run(pool):
    pool.job("-G", "4")
    other = OtherHost(pool, "alpha")
    assert_error(other.run("release", "--kill", "-G", "4"), 1, f"is of host '{HERE}'")
    assert pool.reserved() == [4]
    # What needs no look at the GPUs, and no process, can be done from anywhere.
    pool.ok("reserve", "-G", "3")
    assert other.ok("release", "-G", "3") == "released GPU 3\n"


@as_root
def test_container_of_the_host_is_the_host(pool):
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    container = OtherHost(pool, "4f1c9e0d7a21", boot_id)
    assert container.ok("run", "--", "echo", "mine") == "mine\n"
    assert pool.rows("SELECT name, boot_id FROM host") == [(HERE, boot_id)]


@as_root
def test_host_is_the_same_after_a_reboot(pool):
    rebooted = OtherHost(pool, HERE, "next-boot")
    rebooted.ok("reserve", "-G", "2", "--short")
    assert pool.rows("SELECT name, boot_id FROM host") == [(HERE, "next-boot")]


@as_root
def test_pool_without_a_host_is_of_who_reserves_first(pool):
    pool.edit("DELETE FROM pool WHERE field = 'identity'")
    other = OtherHost(pool, "alpha")
    other.ok("status")
    assert pool.rows("SELECT name FROM host") == [("",)]
    other.ok("run", "--", "true")
    assert pool.rows("SELECT name FROM host") == [("alpha",)]
    assert_error(pool.run("reserve"), 1, "is of host 'alpha'")


@as_root
def test_admin_takes_a_pool_over_by_force(pool):
    pool.ok("reserve")
    other = OtherHost(pool, "alpha")
    other.ok("admin", "--provider", "fake", "--gpus", "8", "--force", "--yes")
    assert pool.rows("SELECT name FROM host") == [("alpha",)]
    other.ok("run", "--", "true")


@as_root
@needs_redis
def test_hosts_are_registered_when_they_reserve(redis, fleet):
    def registered():
        words = redis.redis("HGETALL", "canhazgpu:hosts")
        return {name: json.loads(text) for name, text in zip(words[::2], words[1::2])}

    found = registered()
    assert {name: (entry["prefix"], entry["gpus"]) for name, entry in found.items()} == {
        HERE: ("canhazgpu", 2), "alpha": ("alpha", 4), "beta": ("beta", 8)}
    assert all(entry["version"] and entry["registered"].endswith("Z") for entry in found.values())
    redis.redis("DEL", "canhazgpu:hosts")
    fleet[0].ok("reserve", "-G", "1")
    assert list(registered()) == ["alpha"]


@needs_redis
def test_who_may_not_register_can_still_reserve(redis):
    redis.admin()
    redis.redis("DEL", "canhazgpu:hosts")
    redis.redis("ACL", "SETUSER", "team", "on", ">secret", "+@all", "~other:*", "&*")
    env = {"CANHAZGPU_REDIS_USERNAME": "team", "CANHAZGPU_REDIS_PASSWORD": "secret",
           "CANHAZGPU_REDIS_PREFIX": "other"}
    redis.ok("admin", "--provider", "fake", "--gpus", "8", env=env)
    assert redis.ok("run", "--", "echo", "mine", env=env) == "mine\n"
    assert redis.redis("EXISTS", "canhazgpu:hosts") == ["0"]


# --- All hosts of a Redis --------------------------------------------------------------------------


@as_root
@needs_redis
def test_all_hosts_of_a_redis(redis, fleet):
    alpha, beta = fleet
    beta.ok("reserve", "-G", "3", "--duration", "2h", "--note", "for the demo")
    alpha.ok("admin", "--drain", "2", "--note", "fan")
    sections = redis.ok("status", "--all").split("\n\n")
    assert [section.splitlines()[0] for section in sections] == [
        f"{HERE}:", "alpha (from its pool, not looked at):", "beta (from its pool, not looked at):"]
    assert [len(section.splitlines()) - 1 for section in sections] == [2, 4, 8]
    assert sections[0].splitlines()[1] == "GPU 0: AVAILABLE (never used) [validated: 45MB used]"
    assert sections[1].splitlines()[3] == "GPU 2: OUT OF SERVICE (fan)"
    assert '[not validated] "for the demo"' in sections[2].splitlines()[4]
    assert redis.ok("status", "--all", "--table").count("GPU  STATUS") == 3
    # From there, it is the other way round.
    assert alpha.ok("status", "--all").startswith("alpha:\nGPU 0: AVAILABLE (never used) "
                                                  "[validated: 45MB used]\n")


@as_root
@needs_redis
def test_summary_is_one_line_a_host(redis, fleet):
    fleet[1].ok("reserve", "-g", "3")
    model = "Simulated H100 80GB"
    assert redis.ok("status", "--all", "--summary").splitlines() == [
        f"{HERE}: 2 GPUs (2x {model}): 2 available, 0 in use, 0 in use without reservation, 0 in "
        "error; 0 waiting",
        f"alpha: 4 GPUs (4x {model}): 0 available, 0 in use, 0 in use without reservation, 0 in "
        "error, 4 not reserved; 0 waiting [not validated]",
        f"beta: 8 GPUs (8x {model}): 0 available, 3 in use, 0 in use without reservation, 0 in "
        "error, 5 not reserved; 0 waiting [not validated]"]


@as_root
@needs_redis
def test_json_of_all_hosts(redis, fleet):
    fleet[0].ok("reserve", "-G", "1")
    hosts = validate(json.loads(redis.ok("status", "--all", "--json")), "hosts")
    assert [(host["host"], host["source"], len(host["gpus"])) for host in hosts] == [
        (HERE, "here", 2), ("alpha", "store", 4), ("beta", "store", 8)]
    for host in hosts:
        validate(host["gpus"], "status")
    assert hosts[1]["gpus"][1]["status"] == "IN_USE"
    hosts = validate(json.loads(redis.ok("status", "--all", "--json", "--summary")), "hosts")
    for host in hosts:
        validate(host["summary"], "summary")
    assert validate(json.loads(redis.ok("status", "--json", "--summary")), "summary") == \
        hosts[0]["summary"]
    hosts = validate(json.loads(redis.ok("queue", "--all", "--json")), "hosts")
    for host in hosts:
        validate(host["queue"], "queue")
    hosts = validate(json.loads(redis.ok("report", "--all", "--json")), "hosts")
    for host in hosts:
        validate(host["report"], "report")


@as_root
@needs_redis
def test_queue_and_report_of_all_hosts(redis, fleet):
    alpha, beta = fleet
    alpha.ok("run", "--note", "n", "--", "true")
    wait_for(lambda: "1 reservation" in alpha.ok("report"), "the run to be over")
    beta.ok("reserve", "-g", "8")
    waiter = redis.start(beta.words("run", "-g", "2", "--note", "later", "--", "true"),
                         env=beta.env)
    assert waiter.stderr.readline(), "it says what it waits for"
    text = redis.ok("queue", "--all")
    assert f"{HERE}:\nnobody waits\n\nalpha (from its pool, not looked at):\nnobody waits\n" in text
    assert "any 2" in text.partition("beta")[2] and "later" in text
    text = redis.ok("report", "--all")
    assert text.count("GPU hours from") == 3
    assert "1 reservation," in text.partition("alpha")[2].partition("beta")[0]
    # It belongs to another host: nobody here ends it for being unseen.
    assert "any 2" in redis.ok("queue", "--all")


@as_root
@needs_redis
def test_one_command_for_each_host(redis, fleet):
    monitor = redis.start(["redis-cli", "-s", redis.socket, "MONITOR"])
    assert redis.read_line(monitor) == "OK"
    redis.ok("status", "--all")
    redis.redis("ECHO", "the end")
    commands = []
    while (line := redis.read_line(monitor)) and "the end" not in line:
        if " lua]" not in line:
            commands.append(line.split("] ", 1)[1])
    for name in ("alpha", "beta"):
        assert len([line for line in commands if f'"{name}:pool"' in line]) == 1, commands
    assert len([line for line in commands if "canhazgpu:hosts" in line]) == 1, commands
    # And what this host needs for itself: its pool, before and after its GPUs are looked at.
    assert len(commands) <= 6, commands


@as_root
@needs_redis
def test_spectator_without_a_pool_sees_the_others(redis, fleet):
    env = {"CANHAZGPU_REDIS_PREFIX": "nobody"}
    names = [host["host"] for host in
             json.loads(redis.ok("status", "--all", "--json", env=env))]
    assert names == sorted([HERE, "alpha", "beta"])


@as_root
@needs_redis
def test_pool_that_is_gone_or_damaged_is_named_beside_the_others(redis, fleet):
    redis.redis("DEL", "alpha:pool")
    redis.redis("HSET", "beta:pool", "version", "many")
    redis.redis("HSET", "canhazgpu:hosts", "\x1b[31mevil\n", '{"prefix":"evil"}', "junk", "junk")
    result = redis.run("status", "--all")
    assert result.status == 0, result
    assert "alpha: error: its pool is gone from the Redis\nhint: " in result.out
    assert "beta: error: " in result.out and "its version is 'many'" in result.out
    assert r"\x1b[31mevil\n: error: " in result.out and "junk" not in result.out
    hosts = validate(json.loads(redis.ok("status", "--all", "--json")), "hosts")
    assert [("error" in host, "gpus" in host) for host in hosts].count((True, False)) == 3
    assert [host["source"] for host in hosts] == ["here"] + ["store"] * 3


def test_this_host_alone(pool):
    result = pool.run("status", "--all")
    assert result.status == 0 and result.out.startswith(f"{HERE}:\nGPU 0: AVAILABLE"), result
    assert "this host alone" in result.err and "remote_hosts" in result.err
    assert pool.run("queue", "--all").out == f"{HERE}:\nnobody waits\n"


# --- By ssh ----------------------------------------------------------------------------------------

STAND_IN = """#!/bin/sh
# What ssh does with these hosts. Options end with --.
echo "$@" >> "$SSH_LOG"
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
[ -t 0 ] && exit 9
case $host in
  local*) exec sh -c "$*" ;;
  old) exec canhazgpu status --json ;;
  refused) echo "Permission denied (publickey)." >&2; exit 255 ;;
  silent) exit 255 ;;
  none) echo "sh: 1: canhazgpu: not found" >&2; exit 127 ;;
  nopool) CANHAZGPU_STORE=sqlite:/nowhere/pool.db; export CANHAZGPU_STORE; exec sh -c "$*" ;;
  hangs*) sleep 600 & echo $! >> "$SSH_LOG.pids"; echo $$ >> "$SSH_LOG.pids"; wait ;;
  garbage) echo "Welcome to \\033[31mhost" ; exec canhazgpu status --json ;;
  evil) cat "$SSH_LOG.evil" ;;
  endless) exec yes '{"gpu_id": 0}' ;;
esac
"""


@pytest.fixture
def ssh(pool):
    folder = pool.directory / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    pool.log = pool.directory / "ssh.log"
    pool.environment["PATH"] = f"{folder}:{pool.environment['PATH']}"
    pool.environment["SSH_LOG"] = str(pool.log)
    return pool


def test_host_by_ssh(ssh):
    ssh.ok("reserve", "-G", "1", "--note", "mine")
    heading, _, lines = ssh.ok("status", "--remote", "local1").partition("\n")
    assert heading == "local1 (by ssh):" and timeless(lines) == timeless(ssh.ok("status"))
    words = ssh.log.read_text().split()
    assert words == ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "--", "local1", "canhazgpu",
                     "status", "--json"]
    # The columns are as wide as the times in them.
    table = timeless(ssh.ok("status", "--table")).split()
    assert timeless(ssh.ok("status", "-r", "local1", "--table")).split()[3:] == table


def test_lines_of_every_kind_are_the_same_by_ssh(ssh):
    def gpus(list):
        list[0].update(error="GPU is lost")
        list[2].update(processes=[{"pid": 5, "memory_mb": 5000, "user": "bob", "uid": 1001,
                                   "program": "python3"}])
        list[3].update(processes=[{"pid": 6, "memory_mb": 700, "user": "bob", "uid": 1001,
                                   "program": "a"},
                                  {"pid": 7, "memory_mb": 300, "user": "carol", "uid": 1002,
                                   "program": "vllm", "command_line": "vllm serve org/model"}])
        list[4].update(processes=[{"pid": 8, "memory_mb": 5000, "user": "bob", "uid": 1001,
                                   "program": "python3"}])
        list[6].update(memory_used_mb=9000)
    ssh.ok("reserve", "-G", "1,4", "--user", "alice", "--note", "d'oh")
    ssh.edit_gpus(gpus)
    ssh.ok("admin", "--drain", "5,1", "--note", "fan")
    ssh.waiter("-g", "6", "--user", "carol")
    assert timeless(ssh.ok("status", "-r", "local")).splitlines()[1:] == \
        timeless(ssh.ok("status")).splitlines()
    table = [line.split() for line in ssh.ok("status", "--table").splitlines()]
    shown = [line.split() for line in ssh.ok("status", "-r", "local", "--table").splitlines()[1:]]
    assert [line[:3] for line in shown] == [line[:3] for line in table]
    queue = ssh.ok("queue", "-r", "local").splitlines()[2].split()
    assert queue[:4] == ssh.ok("queue").splitlines()[1].split()[:4]
    report = ssh.ok("report", "-r", "local").splitlines()
    assert report[1] == "GPU hours of 30 days" and report[2] == ssh.ok("report").splitlines()[1]
    assert report[3].split()[0] == "alice" and report[4].startswith("total: 0.")
    line = ssh.ok("status", "-r", "local", "--summary")
    assert line == "local: " + ssh.ok("status", "--summary")
    assert "; unknown number waiting" in ssh.ok("status", "-r", "old", "--summary")


def test_failures_beside_successes(ssh):
    names = "local,refused,none,nopool,garbage,silent"
    result = ssh.run("status", "--remote", names)
    assert result.status == 1 and result.err == "", result
    sections = result.out.split("\n\n")
    assert sections[0].startswith("local (by ssh):\nGPU 0: AVAILABLE")
    assert sections[1:5] == [
        "refused: error: Permission denied (publickey).\n"
        "hint: see why with: ssh refused canhazgpu status",
        "none: error: sh: 1: canhazgpu: not found\n"
        "hint: install canhazgpu on it, where its shell finds it (PATH)",
        "nopool: error: there is no pool on this host yet (no '/nowhere/pool.db')\n"
        "hint: set it up with: canhazgpu admin",
        "garbage: error: it answered with something else than the JSON of 'status'\n"
        "hint: is its canhazgpu the one that you know? its shell's start-up files must print "
        "nothing"]
    assert sections[5].startswith("silent: error: ssh ended with exit status 255\n")
    hosts = validate(json.loads(ssh.run("status", "--remote", names, "--json").out), "hosts")
    assert [host["host"] for host in hosts] == names.split(",")
    assert ["error" in host for host in hosts] == [False] + [True] * 5
    assert len(ssh.run("status", "--remote", names, "--summary").out.splitlines()) == 6


def test_exit_status_is_that_of_who_was_named(ssh):
    configured = {"CANHAZGPU_REMOTE_HOSTS": "refused,local"}
    result = ssh.run("status", "--all", env=configured)
    assert result.status == 0 and "refused: error: " in result.out, result
    assert "local (by ssh):" in result.out and result.out.startswith(f"{HERE}:\n")
    assert ssh.run("status", "--all", "-r", "refused", env=configured).status == 1
    assert ssh.run("status", "--all", "-r", "local", env=configured).status == 0
    assert ssh.run("status", "-r", "local", "-r", "refused,local").status == 1
    nothing = {"CANHAZGPU_STORE": "sqlite:/nowhere/pool.db", "CANHAZGPU_REMOTE_HOSTS": "refused"}
    result = ssh.run("status", "--all", env=nothing)
    assert result.status == 1 and result.out.startswith("refused: error: "), result


def test_each_host_is_asked_once(ssh):
    ssh.ok("status", "--all", "-r", "local,local", "-r", "local2",
           env={"CANHAZGPU_REMOTE_HOSTS": "local2,local"})
    asked = [line.split()[5] for line in ssh.log.read_text().splitlines()]
    assert sorted(asked) == ["local", "local2"]


@pytest.mark.parametrize("name", ["-oProxyCommand=touch x", "-v", "a@-v", "h;id", "h h", "$h",
                                  "h\nx", "ok,-v", "@h"])
def test_what_is_no_name_of_a_host(ssh, name):
    result = ssh.run("status", f"--remote={name}")
    assert_error(result, 2, "is no name of a host", "as ssh takes it")
    result = ssh.run("status", "--all", env={"CANHAZGPU_REMOTE_HOSTS": name})
    assert_error(result, 2, "is no name of a host")
    assert not ssh.log.exists()


def hanging(ssh):
    """The pids of the hanging ssh and what they have started, so far."""
    log = ssh.directory / "ssh.log.pids"
    return [int(pid) for pid in log.read_text().split()] if log.exists() else []


def test_hosts_are_asked_at_the_same_time(ssh):
    asking = ssh.popen("status", "-r", ",".join(f"hangs{i}" for i in range(5)),
                       env={"CANHAZGPU_REMOTE_TIMEOUT": "1h"})
    wait_for(lambda: len(hanging(ssh)) == 10, "all to be asked")
    for pid in hanging(ssh):
        with contextlib.suppress(ProcessLookupError):  # ended with the ssh that started it
            os.kill(pid, signal.SIGTERM)
    result = ssh.finish(asking)
    assert result.status == 1 and result.out.count(": error: ") == 5, result


def test_hosts_that_hang_are_given_up(ssh):
    result = ssh.run("status", "-r", "hangs1,hangs2", env={"CANHAZGPU_REMOTE_TIMEOUT": "1s"})
    assert result.status == 1, result
    for name in ("hangs1", "hangs2"):
        assert f"{name}: error: ssh did not answer within 1s\nhint: see why with: ssh {name} " in \
            result.out
    # What ssh has started is gone as well.
    wait_for(lambda: not any(map(is_alive, hanging(ssh))),
             "ssh and what it has started to be killed")


def test_host_that_never_stops_talking(ssh):
    result = ssh.run("status", "-r", "endless,local")
    assert result.status == 1 and "local (by ssh):" in result.out, result
    assert "endless: error: ssh printed more than 16 MiB" in result.out


@pytest.mark.parametrize("text", [
    "", "null", "{}", "[1]", '[{"gpu_id": 1}]', '[{"gpu_id": -1, "status": "AVAILABLE"}]',
    '[{"gpu_id": 1, "status": "FREE"}]', '[{"gpu_id": 1e9, "status": "ERROR"}]', "[" * 100_000,
    '[{"gpu_id": 1, "status": "ERROR", "a": ' + "[" * 50 + "]" * 50 + "}]",
    '[{"gpu_id": 1, "status": "ERROR", ' + ",".join(f'"{i}": 1' for i in range(5000)) + "}]",
    "\ufeff[]x", "\x00"])
def test_answer_that_is_none(ssh, text):
    (ssh.directory / "ssh.log.evil").write_text(text)
    for form in ([], ["--json"], ["--table"]):
        result = ssh.run("status", "-r", "evil", *form)
        assert result.status == 1 and "something else than the JSON of 'status'" in result.out, \
            result


def test_hostile_answer_is_made_harmless(ssh):
    evil = "\x1b]0;owned\x07\n\u202e" + "x" * 3000
    gpu = {"gpu_id": 0, "status": "IN_USE", "user": evil, "duration": evil, "details": evil,
           "validation": evil, "note": evil, "held_for": evil, "held_position": -5,
           "type": evil, "gpu_model": evil, "out_of_service": evil, "processes": evil,
           "foreign": [{"pid": 10**30, "user": evil, "program": evil, "memory_mb": -1}, 3],
           "leftovers": {"a": 1}, "model": {"provider": evil, "model": evil},
           "unreserved_users": [evil, 3], "process_info": evil, "memory_used_mb": 1e300}
    answer = [gpu, {**gpu, "status": "UNRESERVED"}, {"gpu_id": 2, "status": "AVAILABLE",
                                                     "details": 3, "validation": None}]
    (ssh.directory / "ssh.log.evil").write_text(json.dumps(answer, ensure_ascii=False))
    for form in ([], ["--table"], ["--json"], ["--summary"]):
        result = ssh.run("status", "-r", "evil", *form)
        assert result.status == 0, result
        assert all(c == "\n" or c.isprintable() for c in result.out), result
        assert len(max(result.out.splitlines(), key=len)) < 4000
    assert ssh.run("status", "-r", "evil").out.count("\n") == 4
    for command in ("queue", "report"):
        key = "entries" if command == "queue" else "users"
        rows = [{"id": evil, "position": 1e99, "requested_ids": [evil, -1], "name": evil,
                 "gpu_hours": 1e300, "user": evil, "reason": evil}]
        (ssh.directory / "ssh.log.evil").write_text(json.dumps({key: rows, "days": evil}))
        result = ssh.run(command, "-r", "evil")
        assert result.status == 0, result
        assert all(c == "\n" or c.isprintable() for c in result.out), result


def test_ssh_that_is_not_installed(pool):
    pool.environment["PATH"] = str(pathlib.Path(pool.program).parent)
    result = pool.run("status", "-r", "h")
    assert result.status == 1 and "h: error: 'ssh' is not in PATH" in result.out, result


def test_ignored_children_are_no_obstacle(ssh):
    words = ["sh", "-c", 'trap "" CHLD; exec "$@"', "sh", ssh.program, "status", "-r",
             "local1,local2,local3,local4"]
    result = ssh.run_command(words)
    assert result.status == 0 and result.out.count("(by ssh):") == 4, result


@needs_redis
@as_root
def test_all_of_the_redis_and_by_ssh(redis, fleet, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(STAND_IN)
    (folder / "ssh").chmod(0o755)
    redis.environment.update(PATH=f"{folder}:{redis.environment['PATH']}",
                             SSH_LOG=str(tmp_path / "ssh.log"), CANHAZGPU_REMOTE_HOSTS="refused")
    hosts = json.loads(redis.ok("status", "--all", "--json", "-r", "local"))
    assert [(host["host"], host["source"]) for host in hosts] == [
        (HERE, "here"), ("alpha", "store"), ("beta", "store"), ("local", "ssh"), ("refused", "ssh")]


# --- The real ssh ----------------------------------------------------------------------------------

SSHD = shutil.which("sshd", path=SYSTEM_PATH)


@pytest.fixture
def sshd(pool):
    """A server on a port of its own that lets a key of its own in."""
    if SSHD is None or shutil.which("ssh") is None or os.geteuid() != 0:
        pytest.skip("needs root, ssh and sshd")
    folder = pool.directory / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                       check=True)
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Where it shuts itself in, as a running one of the host or of another test does: it stays.
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    environment = " ".join(f'{name}="{value}"' for name, value in pool.env().items())
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin yes\nSetEnv {environment}\n")
    (folder / "client").write_text(
        f"Host gpu1\n  HostName 127.0.0.1\n  Port {port}\n  User root\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking accept-new\n"
        f"  IdentitiesOnly yes\n  IdentityFile {folder}/key\n"
        "Host gpu2\n  HostName 127.0.0.1\n  Port 1\n")
    # The client reads the file of the account, not of HOME: it is told by a word before the others.
    wrapper = folder / "bin"
    wrapper.mkdir()
    (wrapper / "ssh").write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
    (wrapper / "ssh").chmod(0o755)
    server = pool.start([SSHD, "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE)
    line = b""
    while b"Server listening" not in line:
        line = server.stderr.readline()
        assert line, "sshd did not start"
    pool.environment["PATH"] = f"{wrapper}:{pool.environment['PATH']}"
    return pool


def test_real_ssh(sshd):
    sshd.ok("reserve", "-G", "1", "--note", "over ssh")
    result = sshd.run("status", "--remote", "gpu1")
    assert result.status == 0, result
    assert result.out.startswith("gpu1 (by ssh):\nGPU 0: AVAILABLE") and '"over ssh"' in result.out
    result = sshd.run("status", "--remote", "gpu2")
    assert result.status == 1, result
    assert "gpu2: error: ssh: connect to host 127.0.0.1 port 1: Connection refused" in result.out
