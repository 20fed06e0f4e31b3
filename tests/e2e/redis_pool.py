"""A pool in a Redis: a private server on a socket in the pool's directory, started and ended by each
test."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from conftest import PATIENCE, Pool, wait_for

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None,
                                reason="redis-server is not installed")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class RedisServer:
    """Keeps its data in its directory over a restart, whatever ends it."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        self.socket = self.directory / "redis.sock"
        self.options = options
        self.process = None
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "777",
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


class RedisPool(Pool):
    def __init__(self, directory, binaries):
        super().__init__(directory, binaries)
        self.server = RedisServer(self.directory / "redis")
        self.socket = self.server.socket
        self.environment["CANHAZGPU_STORE"] = f"redis+unix://{self.socket}"
        self.environment["CANHAZGPU_FAKE_FILE"] = str(self.gpus_file)

    def redis(self, *words):
        return self.server.command(*words)

    def gpu_value(self, gpu):
        text = "".join(self.redis("GET", f"canhazgpu:gpu:{gpu}"))
        return json.loads(text) if text else {}

    def waiting(self):
        return [line for line in self.redis("ZRANGE", "canhazgpu:queue", "0", "-1") if line]

    def reserved(self):
        count = int("".join(self.redis("GET", "canhazgpu:gpu_count")) or 0)
        return [gpu for gpu in range(count) if "user" in self.gpu_value(gpu)]

    def records(self):
        """Ours of the reservations, by id."""
        lines = self.redis("HGETALL", "canhazgpu:host")
        return {name.split(":", 1)[1]: json.loads(text)
                for name, text in zip(lines[::2], lines[1::2]) if name.startswith("reservation:")}

    def usage(self):
        lines = self.redis("ZRANGE", "canhazgpu:usage_history_sorted", "0", "-1")
        return [json.loads(line)["canhazgpu"] for line in lines if line]

    def await_free(self, timeout=PATIENCE):
        wait_for(lambda: not self.records(), "all GPUs to be free", timeout, step=0.05)

    def close(self):
        super().close()
        self.server.go_on()
        self.server.kill()


@pytest.fixture
def empty(binaries):
    directory = tempfile.mkdtemp(prefix="canhazgpu-e2e-")
    os.chmod(directory, 0o755)
    pool = RedisPool(directory, binaries)
    try:
        yield pool
    finally:
        pool.close()
        shutil.rmtree(directory)


@pytest.fixture
def pool(empty):
    empty.admin()
    return empty
