"""64 clients do what they like while somebody kills, stops and continues whatever he finds. A lock
file for each GPU, which every job and every manual reservation takes, sees any double use."""

import collections
import fcntl
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest
from chaos import SECONDS, SEED
from conftest import IS_SANITIZED, PATIENCE, children_of, comm, orphans, show, wait_for

JOB = str(pathlib.Path(__file__).with_name("job.sh"))
CLIENTS = 64
GPUS = 8
TWICE = 99

# How a command may end: by itself, killed, without GPUs in time, cancelled or interrupted, by the
# SIGINT of --timeout.
EXPECTED = {0, -signal.SIGKILL, 75, 130, -signal.SIGINT}


def words_of_request(choice):
    if choice.random() < 0.35:
        gpus = choice.sample(range(GPUS), choice.choice([1, 1, 2, 3]))
        words = ["-G", ",".join(map(str, gpus))]
    else:
        words = ["-g", str(choice.choice([1, 1, 1, 2, 3, 4, 8]))]
    return words + choice.choice([[], [], [], ["--nonblock"], ["--wait", "0.3s"]])


class Client(threading.Thread):
    """Does one thing after another, each with commands of the program."""

    def __init__(self, storm, number):
        super().__init__()
        self.storm, self.pool, self.number = storm, storm.pool, number
        self.label = f"client{number}"
        self.choice = random.Random(f"{SEED} client {number}")
        self.current = None

    def run(self):
        actions = {self.run_job: 60, self.reserve: 20, self.look: 12, self.cancel: 8}
        try:
            while not self.storm.over.is_set():
                self.choice.choices(list(actions), list(actions.values()))[0]()
        except Exception as error:  # told by the main thread
            self.storm.complaints.append(f"client {self.number}: {error!r}")

    def do(self, *words):
        """Runs the program. Returns its status and what it printed; a status that nobody expects is a
        complaint."""
        process = self.current = subprocess.Popen(
            [self.pool.program, *words], env=self.pool.env({"LOCKS": str(self.storm.locks)}),
            cwd=self.pool.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        out, err = process.communicate()
        self.current = None
        self.storm.done[words[0]] += 1
        self.storm.has_ended.release()
        self.storm.ended[process.returncode] += 1
        if process.returncode not in EXPECTED and not self.is_excused(process.returncode, err):
            self.storm.complaints.append(f"{words}: status {process.returncode}, {err.decode()}")
        return process.returncode, out.decode()

    def is_excused(self, status, err):
        """A supervisor that was killed before it was ready, what was extended or cancelled had ended
        by then, or the store was locked, or did not answer, for longer than a client waits."""
        said = (b"cannot start the supervisor", b"nothing to extend", b"no request", b"no reservation",
                b"is locked for", b"was lost again and again", b"did not answer within")
        return status == 1 and any(words in err for words in said)

    def run_job(self):
        options = words_of_request(self.choice)
        if self.choice.random() < 0.2:
            options += ["--timeout", self.choice.choice(["0.05s", "0.2s"]), "--grace", "0.5s"]
        seconds = self.choice.choice(["0", "0.01", "0.05", "0.2", "0.5"])
        self.do("run", "--user", self.label, *options, "--", JOB, seconds)

    def reserve(self):
        """Takes the locks of what it was promised, unless that ends by itself at some moment."""
        is_short = self.choice.random() < 0.5
        status, out = self.do("reserve", "--user", self.label, "--short", "-d",
                              "1s" if is_short else "1h", *words_of_request(self.choice))
        files = []
        if status == 0 and not is_short:
            for gpu in out.strip().split(","):
                files.append(open(self.storm.locks / gpu, "a"))
                self.lock(files[-1], gpu)
            if self.choice.random() < 0.3:
                self.do("extend", "1h", "-G", out.strip())
        time.sleep(self.choice.uniform(0, 0.2))  # works with them
        for file in files:
            file.close()
        # Whatever has become of the command: what is labelled so is this client's.
        while self.do("release", "--user", self.label)[0] != 0:
            pass

    def lock(self, file, gpu):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.storm.complaints.append(f"GPU {gpu}, which {self.label} reserved, is another's too")

    def look(self):
        words = self.choice.choice([["status", "--json"], ["queue", "--json"], ["report", "--json"]])
        status, out = self.do(*words)
        if status == 0:
            json.loads(out)

    def cancel(self):
        status, out = self.do("queue", "--json")
        entries = json.loads(out)["entries"] if status == 0 else []
        if entries:
            self.do("cancel", self.choice.choice(entries)["id"])


class Storm:
    def __init__(self, pool, choice):
        self.pool, self.choice = pool, choice
        self.locks = pool.directory / "locks"
        self.locks.mkdir()
        (self.locks / "given").touch()
        self.has_ended = threading.Semaphore(0)  # a command
        self.over = threading.Event()
        self.complaints = []
        self.done, self.ended, self.hit = (collections.Counter() for _ in range(3))
        self.stopped = set()
        self.clients = [Client(self, number) for number in range(CLIENTS)]

    def victims(self):
        """(what, pid) of everything that may be hit."""
        for client in self.clients:
            process = client.current
            if process is not None and process.poll() is None:
                what = comm(process.pid)
                yield ("canhazgpu" if what == "canhazgpu" else "command"), process.pid
        for pid in children_of(os.getpid()):
            if comm(pid) == "canhazgpu-super":
                yield "supervisor", pid

    def hit_someone(self):
        victims = list(self.victims())
        if not victims:
            return
        kinds = sorted({what for what, _ in victims})
        kind = self.choice.choice(kinds)
        pid = self.choice.choice([pid for what, pid in victims if what == kind])
        number = self.choice.choice([signal.SIGKILL, signal.SIGSTOP])
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        self.hit[f"{kind} {number.name}"] += 1
        if number == signal.SIGSTOP:
            self.stopped.add((pid, time.monotonic() + self.choice.uniform(0, 0.3)))

    def go_on(self, everybody=False):
        now = time.monotonic()
        for pid, until in list(self.stopped):
            if everybody or until < now:
                self.stopped.discard((pid, until))
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass

    def is_enough(self, commands):
        """Everything has happened that may. A sanitizer leaves little to hit."""
        return sum(self.done.values()) >= commands and self.done["run"] > 50 \
            and (len(self.hit) == 6 or IS_SANITIZED)

    def rage(self, seconds, commands):
        """For so long, and for so many commands. For each that ends one is hit at most, so that others
        come to their end however slow the machine is."""
        for client in self.clients:
            client.start()
        end = time.monotonic() + seconds
        last = time.monotonic()  # when a command ended
        while not self.complaints and (time.monotonic() < end or not self.is_enough(commands)):
            if self.has_ended.acquire(timeout=0.02):
                last = time.monotonic()
                if self.choice.random() < 0.5:
                    self.hit_someone()
            elif time.monotonic() > last + PATIENCE:
                self.complaints.append("no command ends any more")
            self.go_on()
        self.go_on(everybody=True)
        self.over.set()
        for client in self.clients:
            client.join(PATIENCE)
        stuck = [client for client in self.clients if client.is_alive()]
        if stuck:
            told = self.pool.run("queue").out + self.pool.run("status").out
            while any(client.is_alive() for client in stuck):
                for process in filter(None, [client.current for client in stuck]):
                    process.kill()
                time.sleep(0.05)
            pytest.fail(f"{len(stuck)} clients never got their turn:\n{told}")

    def given(self):
        """What the jobs wrote down: reservation -> GPUs."""
        lines = (self.locks / "given").read_text().splitlines()
        found = [line.split() for line in lines]
        return {id: sorted(map(int, gpus.split(","))) for id, gpus in found}, len(lines)

    def assert_calm(self):
        """Nothing is reserved, queued, running or lying about, and what was given is in the usage."""
        pool = self.pool
        # What killed ones left is found by whoever comes next.
        assert pool.ok("run", "-g", "8", "--wait", "60s", "--", "echo", "ran") == "ran\n"
        wait_for(lambda: not orphans(pool.known()), "all processes to end")
        assert pool.held() == {} and pool.waiting() == []
        assert pool.left_over() == set()
        assert all("AVAILABLE" in line for line in pool.status()), pool.status()
        pool.assert_sound()
        given, lines = self.given()
        assert len(given) == lines, "an id came twice"
        recorded = collections.defaultdict(list)
        for record in pool.used():
            recorded[record.id].append(record)
        for id, gpus in given.items():
            assert sorted(record.gpu for record in recorded[id]) == gpus, (id, gpus, recorded[id])
        # By the records too, no GPU was two people's.
        for gpu in range(GPUS):
            spans = sorted((record.started, record.ended) for record in pool.used()
                           if record.gpu == gpu)
            assert all(one[1] <= next[0] for one, next in zip(spans, spans[1:])), gpu


def test_storm(chaos_pool, choice):
    storm = Storm(chaos_pool, choice)
    storm.rage(SECONDS / 2, commands=200 if IS_SANITIZED else 600)
    assert storm.complaints == []
    assert TWICE not in storm.ended
    storm.assert_calm()
    hit = ", ".join(f"{count} {what}" for what, count in sorted(storm.hit.items()))
    done = ", ".join(f"{count} {what}" for what, count in sorted(storm.done.items()))
    show(f"{chaos_pool.store}: {done}, {len(chaos_pool.used())} usage records; {hit}")
