"""What is stored, read without a line of the program's own code, and said alike for both stores."""

import json
import pathlib
import re
import threading
from collections import namedtuple

from conftest import Pool, Process, is_alive
from redis_client import EVENTS, LOCK, POOL, Redis
from redis_pool import RedisPool, usage_of

Held = namedtuple("Held", "id kind label gpus holder ends")
Usage = namedtuple("Usage", "id gpu started ended how")


class SqlitePool(Pool):
    store = "sqlite"

    def held(self):
        rows = self.rows("SELECT id, kind, label, gpus, holder, ends FROM reservation")
        return {row[0]: Held(row[0], row[1], row[2], [int(gpu) for gpu in row[3].split(",")],
                             Process(row[4]) if row[4] else None, row[5]) for row in rows}

    def used(self):
        return [Usage(*row) for row in
                self.rows("SELECT reservation, gpu, started, ended, how FROM usage")]

    def drained(self):
        return [row[0] for row in self.rows("SELECT gpu FROM gpu WHERE out_of_service IS NOT NULL")]

    def assert_sound(self):
        assert self.rows("PRAGMA integrity_check") == [("ok",)]

    def fill_history(self, count):
        """As if its first usage record had happened so often."""
        self.edit("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                  "INSERT INTO usage SELECT 'x' || n.i, gpu, uid, account, label, kind, started, "
                  "ended, how FROM n, (SELECT * FROM usage LIMIT 1)", count)

    def left_over(self):
        """What lies beside the store and was not made by `admin`."""
        made = {"pool.db", "pool.db-lock", "pool.db-wal", "pool.db-shm", "pool.db-standby",
                "pool.db-reading", "pool.db-bells", "fake-gpus.json", "home", "locks"}
        bells = {"changes"} | {f"request.{slot:02}" for slot in range(64)}
        there = {path.name for path in self.directory.iterdir()}
        return (there - made) | {path.name for path in (self.directory / "pool.db-bells").iterdir()
                                 if path.name not in bells}


class Heirs(threading.Thread):
    """The lock of one that was killed expires within 10 s. This is that time, compressed: sees that
    it would, and lets it expire at once."""

    def __init__(self, path):
        super().__init__()
        self.ask, self.over, self.complaints = Redis(path), threading.Event(), []
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            token = self.ask("GET", LOCK)
            found = re.match(r"canhazgpu process (\d+) on ", token or "")
            if found and not is_alive(int(found.group(1))):
                left = self.ask("PTTL", LOCK)
                if left == -1 or left > 10_000:
                    self.complaints.append((token, left))
                if self.ask("GET", LOCK) == token:
                    self.ask("PEXPIRE", LOCK, 1)

    def close(self):
        self.over.set()
        self.join()
        self.ask.close()


class ChaosRedisPool(RedisPool):
    store = "redis"

    def __init__(self, directory, binaries):
        super().__init__(directory, binaries)
        self.ask = Redis(self.socket)
        self.heirs = Heirs(self.socket)

    def stored(self, kind):
        words = self.ask("HGETALL", POOL)
        return {words[i].split(":", 1)[1]: json.loads(words[i + 1])
                for i in range(0, len(words), 2) if words[i].startswith(f"{kind}:")}

    def held(self):
        found = {}
        for id, record in self.stored("reservation").items():
            holder = record.get("holder")
            found[id] = Held(id, record["kind"], record.get("label", ""), record["gpus"],
                             Process(holder) if holder else None, record.get("ends"))
        return found

    def reserved(self):
        return sorted(gpu for held in self.held().values() for gpu in held.gpus)

    def used(self):
        records = [record for _, (_, text) in self.ask("XRANGE", EVENTS, "-", "+")
                   for record in usage_of(json.loads(text))]
        return [Usage(record["reservation"], record["gpu"], record["started"], record["ended"],
                      record["how"]) for record in records]

    def drained(self):
        return sorted(int(name) for name, record in self.stored("gpu").items()
                      if "out_of_service" in record)

    def assert_sound(self):
        assert self.heirs.complaints == [], "the lock of the dead stays"
        # Every key is one that stays, or expires.
        stays = {"canhazgpu:hosts", POOL, EVENTS, "canhazgpu:log"}
        for key in self.ask("KEYS", "*"):
            assert key in stays or self.ask("PTTL", key) != -1, key

    def fill_history(self, count):
        event = next(json.loads(text) for _, (field, text) in self.ask("XRANGE", EVENTS, "-", "+")
                     if field == "end")
        for number in range(count):
            event["id"] = f"x{number}"
            self.ask("XADD", EVENTS, "*", "end", json.dumps(event))

    def known(self):
        return super().known() | {self.server.process.pid}

    def left_over(self):
        made = {"fake-gpus.json", "home", "locks", "redis"}
        return {path.name for path in pathlib.Path(self.directory).iterdir()} - made

    def close(self):
        self.heirs.close()
        self.ask.close()
        super().close()


POOLS = {"sqlite": SqlitePool, "redis": ChaosRedisPool}
