"""A pool in a Redis: a private server on a socket in the pool's directory, started and ended by each
test."""

import json
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import PATIENCE, Pool, temporary, wait_for
from redis_client import EVENTS, POOL

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None,
                                reason="redis-server is not installed")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def usage_of(event):
    """The usage records of an event, one for each GPU."""
    if event["event"] != "ended":
        return []
    return [{"reservation": event["id"], "gpu": gpu, "account": event["account"],
             "label": event.get("label", ""), "kind": event.get("kind", "run"),
             "started": event["started"], "ended": event["at"], "how": event["how"]}
            for gpu in event.get("gpus", [])]


class RedisServer:
    """Keeps its data in its directory over a restart, whatever ends it."""

    def __init__(self, directory, *options, port=0):
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        self.socket = self.directory / "redis.sock"
        self.options = ["--bind", "127.0.0.1", "--port", str(port), *options]
        self.port = port
        self.process = None
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["redis-server", "--unixsocket", self.socket, "--unixsocketperm", "777",
             "--appendonly", "yes", "--appendfsync", "always", "--save", "",
             "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--dir",
             self.directory, *self.options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            if b"eady to accept connections" in line:
                return
        pytest.fail("the redis-server did not start")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def forget(self):
        """All that it has kept. It must have ended."""
        shutil.rmtree(self.directory / "appendonlydir")

    def save(self, copy):
        shutil.copytree(self.directory / "appendonlydir", copy)

    def restore(self, copy):
        self.forget()
        shutil.copytree(copy, self.directory / "appendonlydir")

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def command(self, *words):
        result = subprocess.run(["redis-cli", "-s", self.socket, *words], check=True,
                                stdout=subprocess.PIPE, timeout=PATIENCE)
        return result.stdout.decode().splitlines()


    def listen(self):
        """On a port from now on, too."""
        port = free_port()
        self.command("CONFIG", "SET", "port", str(port))
        return port


    def is_master(self):
        return self.command("ROLE")[0] == "master"

    def sees_replica(self):
        return "state=online" in "\n".join(self.command("INFO", "replication"))


class Sentinel:
    """Watches two servers and makes the other one the master when one is away for 3 s."""

    name = "gpus"

    def __init__(self, directory, servers):
        self.servers = servers
        self.port = free_port()
        self.file = directory / "sentinel.conf"
        self.file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {self.name} 127.0.0.1 {servers[0].port} 1\n"
            f"sentinel down-after-milliseconds {self.name} 3000\n"
            f"sentinel failover-timeout {self.name} 3000\n")
        self.process = subprocess.Popen(["redis-server", self.file, "--sentinel"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        servers[1].command("REPLICAOF", "127.0.0.1", str(servers[0].port))
        wait_for(servers[0].sees_replica, "the replica", step=0.02)
        wait_for(lambda: self.knows("slaves", "slave"), "the Sentinel to know both", step=0.05)

    def command(self, *words):
        result = subprocess.run(["redis-cli", "-p", str(self.port), *words],
                                stdout=subprocess.PIPE, timeout=PATIENCE)
        return result.stdout.decode().splitlines()

    def knows(self, what, flags):
        lines = self.command("SENTINEL", what, self.name)
        return flags in lines

    def master(self):
        """The server that it names."""
        address = self.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return next((one for one in self.servers if address and one.port == int(address[1])), None)

    def fail_over(self):
        """Makes the other one the master; returns at once. False when it can't now."""
        return self.command("SENTINEL", "FAILOVER", self.name) == ["OK"]

    def await_settled(self, timeout=PATIENCE):
        """Until one is the master, and the other follows it."""
        def is_settled():
            master = self.master()
            return master and master.is_master() and master.sees_replica()

        wait_for(is_settled, "a master with a replica", timeout, step=0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()


class RedisPool(Pool):
    def __init__(self, directory, binaries):
        super().__init__(directory, binaries)
        self.environment["CANHAZGPU_FAKE_FILE"] = str(self.gpus_file)
        self.start_servers()

    def start_servers(self):
        self.server = RedisServer(self.directory / "redis")
        self.socket = self.server.socket
        self.environment["CANHAZGPU_STORE"] = f"redis+unix://{self.socket}"

    def redis(self, *words):
        return self.server.command(*words)

    def stored(self, kind):
        """The records under the fields "KIND:NAME", by name."""
        lines = self.redis("HGETALL", POOL)
        return {name.split(":", 1)[1]: json.loads(text)
                for name, text in zip(lines[::2], lines[1::2]) if name.startswith(f"{kind}:")}

    def waiting(self):
        requests = self.stored("request")
        return sorted(requests, key=lambda id: requests[id]["arrival"])

    def records(self):
        """Of the reservations, by id."""
        return self.stored("reservation")

    def reserved(self):
        return sorted(gpu for record in self.records().values() for gpu in record["gpus"])

    def usage(self):
        return [record for event in self.events() for record in usage_of(event)]

    def events(self):
        # Each is an id, the name of the field, and its value.
        return [json.loads(text) for text in self.redis("XRANGE", EVENTS, "-", "+")[2::3]]

    def await_free(self, timeout=PATIENCE):
        wait_for(lambda: not self.records(), "all GPUs to be free", timeout, step=0.05)

    def close(self):
        super().close()
        self.server.go_on()
        self.server.kill()


class SentinelPool(RedisPool):
    """On whichever of two servers a Sentinel calls the master."""

    def start_servers(self):
        self.servers = [RedisServer(self.directory / name, port=free_port())
                        for name in ("first", "second")]
        self.sentinel = Sentinel(self.directory, self.servers)
        self.environment["CANHAZGPU_STORE"] = \
            f"redis-sentinel://127.0.0.1:{self.sentinel.port}/{self.sentinel.name}"

    @property
    def server(self):
        return self.sentinel.master()

    def close(self):
        Pool.close(self)
        self.sentinel.kill()
        for server in self.servers:
            server.go_on()
            server.kill()


@pytest.fixture
def empty(binaries):
    with temporary(RedisPool, binaries) as pool:
        yield pool


@pytest.fixture
def watched(binaries):
    with temporary(SentinelPool, binaries) as pool:
        pool.admin()
        yield pool


@pytest.fixture
def pool(empty):
    empty.admin()
    return empty
