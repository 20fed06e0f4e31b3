"""Writes the keys of a pool as the Go program of the same name does, and as canhazgpu 0.1.0 did, and
starts stand-ins for their processes."""

import json
import os
import pathlib
import sys
import time

HISTORY = "canhazgpu:usage_history_sorted"


def rfc3339(seconds):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e9):09}Z"


class GoKeys:
    """`redis`: sends a command."""

    def __init__(self, redis, gpus=8):
        self.redis = redis
        redis("SET", "canhazgpu:gpu_count", str(gpus))
        redis("SET", "canhazgpu:provider", "fake")

    def hold(self, gpus, kind, user, account=None, since=0, **more):
        value = {"type": kind, "user": user, "actual_user": account or user,
                 "start_time": int(time.time() - since), **more}
        for gpu in gpus:
            self.redis("SET", f"canhazgpu:gpu:{gpu}", json.dumps(value))

    def run(self, gpus, user, **more):
        """As it looks after a heartbeat."""
        now = time.time()
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 90))
        value = {"user": user, "actual_user": user, "start_time": start,
                 "last_heartbeat": rfc3339(now), "type": "run", "expiry_time": None,
                 "last_released": None, **more}
        for gpu in gpus:
            self.redis("SET", f"canhazgpu:gpu:{gpu}", json.dumps(value))
        return start

    def release(self, gpus, user, start):
        """What its supervisor does at the end of a run."""
        now = time.time()
        for gpu in gpus:
            self.redis("SET", f"canhazgpu:gpu:{gpu}", json.dumps({"last_released": rfc3339(now)}))
            self.redis("ZADD", HISTORY, str(int(now)), usage(user, gpu, start, rfc3339(now)))

    def wait(self, user, count):
        now = time.time()
        entry = {"id": "dc2d07d4", "user": user, "actual_user": user, "requested_count": count,
                 "allocated_gpus": [], "reservation_type": "run", "enqueue_time": rfc3339(now),
                 "last_heartbeat": rfc3339(now)}
        self.redis("SET", "canhazgpu:queue:entry:dc2d07d4", json.dumps(entry))
        self.redis("ZADD", "canhazgpu:queue", str(int(now * 1e9)), "dc2d07d4")

    def history(self, user, count, hours=1):
        """In the sorted set; each of `hours` on a GPU, one second after the other."""
        begin = int(time.time()) - 10 * 86400
        words = []
        for number in range(count):
            end = begin + number
            words += [str(end), usage(user, number % 8, rfc3339(end - 3600 * hours), rfc3339(end))]
        for place in range(0, len(words), 1000):
            self.redis("ZADD", HISTORY, *words[place:place + 1000])

    def old_history(self, user, count):
        """A key for each record, as its first versions had them."""
        begin = int(time.time()) - 20 * 86400
        words = []
        for number in range(count):
            end = begin + number
            words += [f"canhazgpu:usage_history:{end}:{user}:{number % 8}",
                      usage(user, number % 8, rfc3339(end - 3600), rfc3339(end))]
        self.redis("MSET", *words)


def usage(user, gpu, start, end):
    return json.dumps({"user": user, "gpu_id": gpu, "start_time": start, "end_time": end,
                       "duration_seconds": 1, "reservation_type": "run"})


def supervisor(pool, gpus, user, pid, as_user=None):
    """A process whose command line is that of a supervisor of the Go program."""
    ids = ",".join(map(str, gpus))
    process = pool.start([sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()",
                          "supervisor", "--gpus", ids, "--user", user, "--pid", str(pid)],
                         user=as_user)
    assert pool.read_line(process) == "up"
    return process


def identity(pid):
    """Of a process, as a store has it."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    namespace = os.stat(f"/proc/{pid}/ns/pid").st_ino
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{pid} {fields[19]} {namespace} {boot} {os.uname().nodename}"


def keys_of_0_1_0(redis, run):
    """A pool of two simulated GPUs, the first with a run of root's that lives by the process `run`."""
    redis("SET", "canhazgpu:gpu_count", "2")
    redis("SET", "canhazgpu:provider", "fake")
    now = f"{time.time_ns()} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {identity(run).split()[3]}"
    records = {
        "settings": {"version": 1, "admin_group": "", "creator_uid": 0, "next_arrival": 3,
                     "gpus": [0, 1]},
        "gpu:0": {"uuid": "", "model": "H100", "last_used_by": ""},
        "gpu:1": {"uuid": "", "model": "H100", "last_used_by": "", "out_of_service": "fan"},
        "reservation:abc": {"kind": "run", "gpus": [0], "uid": 0, "account": "root", "note": "mine",
                            "started": now, "last_heartbeat": now, "holder": identity(run)},
    }
    for field, record in records.items():
        redis("HSET", "canhazgpu:host", field, json.dumps(record))
    redis("SET", "canhazgpu:gpu:0", json.dumps(
        {"type": "run", "user": "root", "actual_user": "root", "start_time": int(time.time()),
         "last_heartbeat": int(time.time()), "reservation_ids": ["abc"]}))
