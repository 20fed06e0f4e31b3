"""What the end-to-end tests share: a pool of simulated GPUs in a directory of its own, the built
program run in a clean environment, real accounts, and the certainty that nothing is left running.

The program is named by the environment variable CANHAZGPU. Tests that need other accounts need root.
"""

import contextlib
import ctypes
import fcntl
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest

import store_views

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CANHAZGPU", str(REPOSITORY / "build/dev/canhazgpu"))
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CODE = pathlib.Path(PROGRAM).read_bytes() if os.path.exists(PROGRAM) else b""
# A sanitizer multiplies memory and time: what is measured says nothing then.
IS_SANITIZED = b"__asan_init" in _CODE or b"__tsan_init" in _CODE
PATIENCE = 120.0  # seconds until a test gives up on something that should take milliseconds
# With this policy no timer wakes anybody for longer than a test waits: who goes on was woken by an event.
NO_TIMER = ("heartbeat.interval=1h", "heartbeat.timeout=2h")


def pytest_configure(config):
    # Orphans become children of this process, so that it can find them all and end them.
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Where the tests run in the background, these are ignored, and would be in all that is started.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # Ends as Ctrl-C does: by clearing up.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))


# --- Processes -------------------------------------------------------------------------------------


def wait_for(condition, what="it to happen", timeout=PATIENCE, step=0.002):
    """The first true value of `condition`, which is asked again and again."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout} s for {what}")
        time.sleep(step)


def read_stat(pid):
    """State and parent of a process, or None when it is not there."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0].decode(), int(fields[1])


def is_alive(pid):
    stat = read_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid):
    found = []
    for other in all_pids():
        stat = read_stat(other)
        if stat and stat[1] == pid:
            found.append(other)
    return found


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def watched_by(pid):
    """The pids of the processes for whose end it waits, by the pidfds that it has open."""
    found = set()
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            pidfd = re.search(r"^Pid:\s+(\d+)$", path.read_text(), re.M)
        except FileNotFoundError:
            continue
        if pidfd:
            found.add(int(pidfd[1]))
    return found


def orphans(known):
    """Processes that were left to us, but for those of `known`; the dead ones are buried."""
    left = []
    for pid in children_of(os.getpid()):
        if pid in known:
            continue
        stat = read_stat(pid)
        if stat and stat[0] == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        elif stat:
            left.append(pid)
    return left


def end_all_but(known):
    deadline = time.monotonic() + PATIENCE
    while left := orphans(known):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > deadline:
            pytest.fail(f"processes {left} can't be ended")
        time.sleep(0.002)


class Result:
    """How a command ended, and what it said, as text that keeps every byte."""

    def __init__(self, status, out, err):
        self.status = status
        self.raw_out, self.raw_err = out or b"", err or b""
        self.out = self.raw_out.decode("utf-8", "surrogateescape")
        self.err = self.raw_err.decode("utf-8", "surrogateescape")

    def __repr__(self):
        return f"exit status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class User:
    def __init__(self, name):
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, entry.pw_uid, entry.pw_gid

    @property
    def groups(self):
        return os.getgrouplist(self.name, self.gid)

    def arguments(self):
        """For subprocess."""
        return {"user": self.uid, "group": self.gid, "extra_groups": self.groups}


# --- The pool --------------------------------------------------------------------------------------


class Process:
    """(pid, start_ticks, namespace, boot id, host), as the store writes it."""

    def __init__(self, text):
        pid, ticks, namespace, self.boot_id, self.host = text.split(" ", 4)
        self.pid, self.ticks, self.namespace = int(pid), int(ticks), int(namespace)

    def __str__(self):
        return f"{self.pid} {self.ticks} {self.namespace} {self.boot_id} {self.host}"


class Pool:
    def __init__(self, directory, binaries):
        self.directory = pathlib.Path(directory)
        self.path = self.directory / "pool.db"
        self.gpus_file = self.directory / "fake-gpus.json"
        self.home = self.directory / "home"
        self.home.mkdir()
        self.home.chmod(0o777)
        self.processes = []
        self.keeper = None
        self.environment = {
            "PATH": f"{binaries}:{SYSTEM_PATH}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "CANHAZGPU_STORE": f"sqlite:{self.path}",
        }
        self.program = str(binaries / "canhazgpu")

    # Running the program.

    def env(self, changes=None):
        env = {**self.environment, **(changes or {})}
        return {key: value for key, value in env.items() if value is not None}

    def start(self, argv, env=None, user=None, **options):
        """A process in the pool's environment; ended when the test is over."""
        for name in ("stdin", "stdout", "stderr"):
            options.setdefault(name, subprocess.DEVNULL if name == "stdin" else subprocess.PIPE)
        options.setdefault("cwd", self.directory)
        if user is not None:
            options.update(user.arguments())
        process = subprocess.Popen([str(word) for word in argv], env=self.env(env), **options)
        self.processes.append(process)
        return process

    def popen(self, *arguments, **options):
        return self.start([self.program, *arguments], **options)

    def run(self, *arguments, **options):
        """Runs the program to its end."""
        return self.run_command([self.program, *arguments], **options)

    def run_command(self, argv, input=None, timeout=PATIENCE, **options):
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(argv, **options)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{argv} did not end within {timeout} s: "
                        f"{Result(process.returncode, out, err)}")
        self.processes.remove(process)
        return Result(process.returncode, out, err)

    def ok(self, *arguments, **options):
        """Runs the program, which has to succeed; returns what it printed."""
        result = self.run(*arguments, **options)
        assert result.status == 0, result
        return result.out

    def admin(self, gpus=8, *arguments, **options):
        self.ok("admin", "--provider", "fake", "--gpus", str(gpus), *arguments, **options)

    def policy(self, *pairs, **options):
        """Sets KEY=VALUE of the pool's policy."""
        self.ok("policy", "set", *pairs, **options)

    def job(self, *arguments, command=("sh", "-c", "echo started; exec sleep 600"), **options):
        """`run` with these options, once its command has begun (said its first line)."""
        process = self.popen("run", *arguments, "--", *command, **options)
        process.first_line = self.read_line(process)
        assert process.first_line, f"the run did not start: {process.communicate()}"
        return process

    def waiter(self, *arguments, command=("echo", "started"), kind="run", **options):
        """`run` (or `reserve`) that has joined the queue."""
        before = set(self.waiting())
        words = [kind, *arguments] + (["--", *command] if kind == "run" else [])
        process = self.popen(*words, **options)
        ids = wait_for(lambda: set(self.waiting()) - before or process.poll() is not None,
                       "the request to join the queue")
        assert ids is not True, f"it did not wait: {process.communicate()}"
        process.request = ids.pop()
        # Joined is not yet listening; that is when it has said what it waits for.
        process.told = process.stderr.readline().decode() if process.stderr else ""
        return process

    def read_line(self, process, timeout=PATIENCE):
        """The next line of its stdout, without waiting for ever; "" at the end."""
        lines = []
        reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()),
                                  daemon=True)
        reader.start()
        reader.join(timeout)
        if not lines:
            process.kill()
            pytest.fail(f"{process.args} said nothing within {timeout} s")
        return lines[0].decode("utf-8", "surrogateescape").rstrip("\n")

    def finish(self, process, input=None, timeout=PATIENCE):
        """The result of a process that ends by itself."""
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            # Not what it said: what it left may hold its output open.
            pytest.fail(f"{process.args} did not end within {timeout} s, or left its output open")
        return Result(process.returncode, out, err)

    def status(self, *arguments, **options):
        """The lines of `status`."""
        return self.ok("status", *arguments, **options).splitlines()

    def status_json(self, **options):
        return json.loads(self.ok("status", "--json", **options))

    def queue_json(self, **options):
        return json.loads(self.ok("queue", "--json", **options))

    # The simulated GPUs.

    def edit_gpus(self, change=None, **top):
        """Calls `change` with the list of GPUs of the file, and writes it back whole."""
        content = json.loads(self.gpus_file.read_text())
        if change is not None:
            change(content["gpus"])
        content.update(top)
        content = {key: value for key, value in content.items() if value is not None}
        self.write_gpus(json.dumps(content).encode())

    def write_gpus(self, text):
        fresh = self.directory / "fake-gpus.fresh"
        fresh.write_bytes(text)
        fresh.chmod(0o666)
        fresh.rename(self.gpus_file)

    def put_processes(self, gpu, *processes):
        """These are the processes on the GPU from now on."""
        self.edit_gpus(lambda gpus: gpus[gpu].update(processes=list(processes)))

    # The store.

    def database(self):
        """A connection that only reads, and stays open: so no other one is the last to close, which
        would take the write-ahead log away."""
        if self.keeper is None:
            path = urllib.parse.quote(str(self.path))
            self.keeper = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None,
                                          check_same_thread=False, timeout=PATIENCE,
                                          factory=store_views.Connection)
        return self.keeper

    def rows(self, sql, *values):
        return self.database().execute(sql, values).fetchall()

    def value(self, sql, *values):
        return self.rows(sql, *values)[0][0]

    def edit(self, sql, *values):
        self.rows("SELECT 1 FROM pool")
        writer = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE,
                                 factory=store_views.Connection)
        writer.execute(sql, values)
        writer.close()

    def waiting(self):
        return [row[0] for row in self.rows("SELECT id FROM request ORDER BY arrival")]

    def reserved(self):
        """The ids of the reserved GPUs."""
        lists = [row[0] for row in self.rows("SELECT gpus FROM reservation")]
        return sorted(int(gpu) for gpus in lists for gpu in gpus.split(","))

    def usage(self):
        return self.rows("SELECT reservation, gpu, account, kind, started, ended, how FROM usage")

    def events(self):
        """As they are stored, in their order."""
        return [json.loads(row[0]) for row in self.rows("SELECT record FROM events ORDER BY serial")]

    def identity(self, column, reservation=None):
        """The `holder` or `supervisor` of the reservation (the only one, if not given)."""
        rows = self.rows(f"SELECT id, {column} FROM reservation")
        found = [text for id, text in rows if reservation in (None, id)]
        assert len(found) == 1, rows
        return Process(found[0])

    def await_free(self, timeout=PATIENCE):
        """Until the store has no reservation any more. No command is run for it."""
        wait_for(lambda: not self.rows("SELECT 1 FROM reservation"), "all GPUs to be free", timeout)

    def known(self):
        """The pids of those that were started here and are not buried; that of one who is may be
        another's by now."""
        return {process.pid for process in self.processes if process.returncode is None}

    def supervisors(self):
        return [pid for pid in orphans(self.known()) if comm(pid) == "canhazgpu-super"]

    def await_no_supervisors(self):
        wait_for(lambda: not self.supervisors(), "all supervisors to end")

    # The end.

    def close(self):
        # Waiters and commands first: a supervisor that outlives its command has work to do.
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    try:
                        stream.close()
                    except OSError:
                        pass
        if self.keeper is not None:
            self.keeper.close()
        end_all_but(set())


@pytest.fixture(scope="session")
def binaries():
    """A directory in PATH with the program under both names, which every account can reach."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="canhazgpu-e2e-bin-"))
    directory.chmod(0o755)
    shutil.copy(PROGRAM, directory / "canhazgpu")
    (directory / "canhazgpu").chmod(0o755)
    (directory / "chg").symlink_to("canhazgpu")
    yield directory
    shutil.rmtree(directory)


@contextlib.contextmanager
def temporary(kind, binaries):
    directory = tempfile.mkdtemp(prefix="canhazgpu-e2e-")
    os.chmod(directory, 0o755)
    pool = kind(directory, binaries)
    try:
        yield pool
    finally:
        pool.close()
        shutil.rmtree(directory)


@pytest.fixture
def bare_pool(binaries):
    """A pool that `admin` has still to set up."""
    with temporary(Pool, binaries) as pool:
        yield pool


def full_pipe():
    """The two ends of a pipe into which nothing more fits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


@contextlib.contextmanager
def on_a_disk(bare_pool, name, options):
    """Puts the pool onto a disk of its own, which this yields."""
    disk = bare_pool.directory / name
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"{options},mode=755", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("cannot mount here")
    bare_pool.path = disk / "pool.db"
    bare_pool.gpus_file = disk / "fake-gpus.json"
    bare_pool.environment["CANHAZGPU_STORE"] = f"sqlite:{bare_pool.path}"
    try:
        bare_pool.admin()
        yield disk
    finally:
        bare_pool.close()
        subprocess.run(["umount", "-l", disk], check=True)
        bare_pool.processes = []
        bare_pool.keeper = None


@pytest.fixture
def pool(bare_pool):
    """A pool of 8 simulated GPUs; as root, one for everybody."""
    bare_pool.admin()
    bare_pool.rows("SELECT 1 FROM host")
    return bare_pool


# --- Accounts --------------------------------------------------------------------------------------


ACCOUNT = re.compile(r"canhazgpu-test-(\d+)-\w+")  # of the test process with this pid


def command(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@contextlib.contextmanager
def accounts_locked():
    """One at a time changes the accounts: useradd gives up where another one is at work."""
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def remove_accounts(is_ours):
    """Those of the tests whose process `is_ours`; the groups that are left when the users are gone."""
    for entries, program in ((pwd.getpwall, "userdel"), (grp.getgrall, "groupdel")):
        for name in [entry[0] for entry in entries()]:
            owner = ACCOUNT.fullmatch(name)
            if owner and is_ours(int(owner[1])):
                command(program, name)


class Users:
    """Accounts a and b, which are nobody special; c, of the admin group; d and e, of the GPU group.
    They are this process's own, so tests can run beside others."""

    prefix = f"canhazgpu-test-{os.getpid()}-"
    admin_group = prefix + "admin"
    gpu_group = prefix + "gpu"

    def __init__(self):
        with accounts_locked():
            # What a killed session has left, too.
            remove_accounts(lambda pid: pid == os.getpid() or not is_alive(pid))
            for group in (self.admin_group, self.gpu_group):
                command("groupadd", group)
            for letter, groups in (("a", []), ("b", []), ("c", ["-G", self.admin_group]),
                                   ("d", ["-G", self.gpu_group]), ("e", ["-G", self.gpu_group])):
                command("useradd", "-M", "-s", "/bin/sh", *groups, self.prefix + letter)
        self.a, self.b, self.c, self.d, self.e = (User(self.prefix + letter)
                                                  for letter in "abcde")

    def remove(self):
        with accounts_locked():
            remove_accounts(lambda pid: pid == os.getpid())


@pytest.fixture(scope="session")
def users():
    if os.geteuid() != 0:
        pytest.skip("other accounts need root")
    made = Users()
    yield made
    made.remove()


# --- What tests compare with -----------------------------------------------------------------------

HMS = r"\d+h \d{1,2}m \d{1,2}s"


def timeless(text):
    """Without the times that go on while a test does."""
    return re.sub(HMS, "TIME", text)


def schema(name):
    return json.loads((REPOSITORY / f"docs/schema/{name}.schema.json").read_text())


def validate(value, name):
    import jsonschema

    jsonschema.validate(value, schema(name), cls=jsonschema.Draft202012Validator)
    return value


def in_wsl(pool, *arguments):
    """What the program prints where the device for GPUs is there that WSL's kernel has."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    folder = pool.directory / "wsl-dev"
    folder.mkdir(exist_ok=True)
    enter = ('set -e; mount -t tmpfs none "$1"; for name in null zero urandom tty; do '
             'cp -a "/dev/$name" "$1"; done; mknod "$1/dxg" c 10 63; mount --rbind "$1" /dev; shift; '
             'exec "$@"')
    result = pool.run_command(["unshare", "--mount", "sh", "-c", enter, "sh", folder, pool.program,
                               *arguments])
    assert result.status == 0, result
    return result.out


def assert_error(result, status, text, hint=None):
    """One line of error, at most one of hint, and nothing else."""
    assert result.status == status, result
    assert result.out == "", result
    lines = result.err.splitlines()
    assert 1 <= len(lines) <= 2 and result.err.endswith("\n"), result
    assert lines[0].startswith("canhazgpu: error: "), result
    assert text in lines[0], result
    if len(lines) == 2:
        assert lines[1].startswith("hint: "), result
    if hint is not None:
        assert len(lines) == 2 and hint in lines[1], result
    assert all(character.isprintable() for line in lines for character in line), result


def median(values):
    return sorted(values)[len(values) // 2]


_measured = []


def show(text):
    """A measured number, for the end of the output."""
    _measured.append(text)


def pytest_terminal_summary(terminalreporter):
    for text in _measured:
        terminalreporter.write_line(f"measured: {text}")
