"""Does with the keys of a Redis what the Go program of the same name does, as far as others can see:
it polls, holds its lock while it allocates, and collects GPUs one by one when it is first in the
queue."""

import fcntl
import json
import os
import socket
import threading
import time
import uuid

LOCK = "canhazgpu:allocation_lock"
QUEUE = "canhazgpu:queue"
HISTORY = "canhazgpu:usage_history_sorted"


class Redis:
    """One connection; replies are None, numbers, texts and lists."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.replies = self.socket.makefile("rb")

    def __call__(self, *words):
        encoded = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(encoded) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        return self.reply()

    def reply(self):
        line = self.replies.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind in b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return self.replies.read(int(rest) + 2)[:-2].decode()

    def close(self):
        self.replies.close()
        self.socket.close()


def rfc3339(seconds):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e9):09}Z"


def entry_key(id):
    return f"canhazgpu:queue:entry:{id}"


class GoProgram:
    """One of its runs: `poll` is 2 s in the real one. `locks`: a directory with a file for each GPU
    that is locked while it is used."""

    def __init__(self, socket, user, count, locks=None, poll=0.02):
        self.redis = Redis(socket)
        self.user, self.count, self.locks, self.poll = user, count, locks, poll
        self.id = str(uuid.uuid4())
        self.collected = []

    def gpu(self, index):
        value = json.loads(self.redis("GET", f"canhazgpu:gpu:{index}") or "{}")
        # Its scripts stumble over anything else.
        assert "user" not in value or isinstance(value["start_time"], int | float) or \
            value["user"] == self.user, value
        assert value.get("last_released", "") is not None, value
        return value

    def free(self):
        count = int(self.redis("GET", "canhazgpu:gpu_count"))
        return [index for index in range(count) if "user" not in self.gpu(index)]

    def value(self, **more):
        now = int(time.time())
        return json.dumps({"type": "run", "user": self.user, "actual_user": self.user,
                           "start_time": now, "last_heartbeat": now, **more})

    def locked(self, action):
        """None when another has the lock. It gives the lock back whoever has it by then."""
        if self.redis("SET", LOCK, "locked", "NX", "EX", 10) is None:
            return None
        try:
            return action()
        finally:
            self.redis("DEL", LOCK)

    def try_once(self):
        """Without a look at the queue. Whether it has its GPUs."""
        def take():
            free = self.free()
            if len(free) < self.count:
                return False
            self.collected = free[:self.count]
            self.write(self.value())
            return True
        return bool(self.locked(take))

    def write(self, value):
        for index in self.collected:
            self.redis("SET", f"canhazgpu:gpu:{index}", value)

    def enqueue(self):
        now = time.time()
        self.entry = {"id": self.id, "user": self.user, "actual_user": self.user,
                      "requested_count": self.count, "allocated_gpus": [],
                      "reservation_type": "run", "enqueue_time": rfc3339(now),
                      "last_heartbeat": rfc3339(now)}
        self.beat()
        self.redis("ZADD", QUEUE, int(now * 1e9), self.id)

    def beat(self):
        self.entry["last_heartbeat"] = rfc3339(time.time())
        self.redis("SET", entry_key(self.id), json.dumps(self.entry))

    def take_turn(self):
        """Whether it has all its GPUs now."""
        self.beat()
        if self.redis("ZRANGE", QUEUE, 0, 0) != [self.id]:
            return False
        return bool(self.locked(self.collect))

    def collect(self):
        for index in self.free()[:self.count - len(self.collected)]:
            self.redis("SET", f"canhazgpu:gpu:{index}", self.value(partial_queue_id=self.id))
            self.collected.append(index)
        self.entry["allocated_gpus"] = self.collected
        self.beat()
        if len(self.collected) < self.count:
            return False
        self.write(self.value())
        self.leave_queue()
        return True

    def leave_queue(self):
        self.redis("ZREM", QUEUE, self.id)
        self.redis("DEL", entry_key(self.id))

    def wait(self):
        while not self.take_turn():
            time.sleep(self.poll)

    def use(self, seconds):
        """The GPUs that were two people's."""
        twice, files = [], []
        for index in self.collected:
            file = os.open(self.locks / str(index), os.O_CREAT | os.O_RDWR, 0o666)
            files.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                twice.append(index)
        time.sleep(seconds)
        for file in files:
            os.close(file)
        return twice

    def release(self):
        now = time.time()
        for index in self.collected:
            self.redis("SET", f"canhazgpu:gpu:{index}",
                       json.dumps({"last_released": rfc3339(now)}))
            self.redis("ZADD", HISTORY, int(now), json.dumps(
                {"user": self.user, "gpu_id": index, "start_time": rfc3339(now - 1),
                 "end_time": rfc3339(now), "duration_seconds": 1, "reservation_type": "run"}))
        self.redis("EXPIRE", HISTORY, 7776000)
        self.collected = []


class GoRun(threading.Thread):
    """Waits for its turn, says so in the file `served`, uses its GPUs, and gives them back. `ends`
    with a list of the GPUs that were two people's."""

    def __init__(self, program, served, seconds, tries_first=False):
        super().__init__(daemon=True)
        self.program, self.served, self.seconds = program, served, seconds
        self.tries_first = tries_first
        self.twice = None

    def run(self):
        program = self.program
        if not (self.tries_first and program.try_once()):
            if self.tries_first:
                program.enqueue()
            program.wait()
        with open(self.served, "a", encoding="utf-8") as served:
            served.write(program.user + "\n")
        twice = program.use(self.seconds)
        program.release()
        program.redis.close()
        self.twice = twice
