"""A throw-away pool of simulated GPUs, on either store, and the private Redis that one of them needs."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Redis:
    """A server of our own, on a port of the loopback; nothing of it is kept on disk."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.server = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--databases", "64",
             "--save", "", "--appendonly", "no", "--dir", directory],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.server.stdout:
            if b"eady to accept connections" in line:
                self.databases = iter(range(64))
                return
        raise SystemExit("the redis-server did not start")

    def close(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()


class Host:
    """A pool, and the environment in which commands use it."""

    def __init__(self, bench, store, gpus):
        self.bench, self.store, self.gpus = bench, store, gpus
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=bench.directory))
        if store == "redis":
            self.database = next(bench.redis.databases)
            self.address = f"redis://127.0.0.1:{bench.redis.port}/{self.database}"
        else:
            self.address = str(self.directory / "pool.db")
        self.environment = {
            "PATH": f"{bench.program.parent}:{PATH}", "HOME": str(self.directory), "LANG": "C.UTF-8",
            "CANHAZGPU_STORE": self.address if store == "redis" else f"sqlite:{self.address}",
            "CANHAZGPU_FAKE_FILE": str(self.directory / "fake-gpus.json")}
        self.jobs = []
        self.ok("admin", "--provider", "fake", "--gpus", str(gpus))

    def command(self, *words):
        return [str(self.bench.program), *words]

    def ok(self, *words):
        return subprocess.run(self.command(*words), env=self.environment, check=True,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def start(self, words, **options):
        process = subprocess.Popen(words, env=self.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, bufsize=1, **options)
        self.jobs.append(process)
        return process

    def job(self, *options):
        """A `run` of a stamp, which says when it began and, once its input ends, when it ends."""
        return self.start(self.command("run", *options, "--", str(self.bench.stamp)),
                          stderr=subprocess.PIPE)

    def tool(self, what, *words):
        return [str(self.bench.tools / "bench_store_tool"), what, self.address, *map(str, words)]

    def close(self):
        for job in self.jobs:
            job.kill()
            job.wait()
            for stream in (job.stdin, job.stdout, job.stderr):
                if stream:
                    stream.close()
        # What the jobs leave ends by itself, and is waited for, so that it disturbs nobody.
        self.bench.await_supervisors()
        shutil.rmtree(self.directory, ignore_errors=True)


def supervisors():
    """The pids of the supervisors that are children of this process; dead ones are buried."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            front, _, back = pathlib.Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")
        except OSError:
            continue
        state, parent = back.split()[:2]
        if int(parent) != os.getpid() or not front.endswith(b"(canhazgpu-super"):
            continue
        if state == b"Z":
            os.waitpid(int(name), 0)
        else:
            found.append(int(name))
    return found
