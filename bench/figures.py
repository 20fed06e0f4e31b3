"""What is measured: each figure with its floor, from the same run. A figure is a row of the table."""

import collections
import itertools
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from host import Host, supervisors

MS = 1e-6  # nanoseconds to milliseconds


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def figure(name, store, values, floor, unit="ms", **targets):
    """`targets`: ratio (median over floor), median, p99, floor_share: the most that is allowed."""
    median = statistics.median(values)
    row = {"figure": name, "store": store, "unit": unit, "samples": len(values), "median": median,
           "p99": percentile(values, 99), "floor": floor, "ratio": median / floor if floor else None}
    row["targets"] = targets
    row["met"] = all(row[key] <= most for key, most in targets.items()) if targets else None
    return row


# --- Whole commands ----------------------------------------------------------------------------------


def hyperfine(commands, runs, environment, prepare=None):
    """The times of each command in ms, taken in turns so that all see the same noise."""
    rounds = max(1, min(10, runs // 10))
    times = [[] for _ in commands]
    with tempfile.TemporaryDirectory() as directory:
        result = pathlib.Path(directory) / "times.json"
        for _ in range(rounds):
            words = ["hyperfine", "-N", "--warmup", "1", "--runs", str(max(2, runs // rounds)),
                     "--style", "none", "--export-json", str(result)]
            for step in prepare or []:
                words += ["--prepare", step]
            subprocess.run(words + commands, env=environment, check=True, capture_output=True)
            for taken, one in zip(times, json.loads(result.read_text())["results"]):
                taken += [seconds * 1e3 for seconds in one["times"]]
    return times


def commands(bench, store):
    """run, status, reserve and release over the floor of starting `true`."""
    host = Host(bench, store, 8)
    program = str(bench.program)
    floor, run, status = hyperfine(["true", f"{program} run -- true", f"{program} status"],
                                   bench.runs, host.environment)
    true = statistics.median(floor)
    yield figure("run -- true", store, run, true, ratio=5 if store == "sqlite" else 7)
    yield figure("status, 8 GPUs", store, status, true, ratio=4)
    bench.await_supervisors()
    for name, before in (("reserve", "release"), ("release", "reserve")):
        floor, taken = hyperfine(["true", f"{program} {name}"], bench.runs, host.environment,
                                 prepare=["true", f"{program} {before}"])
        host.ok("release")
        yield figure(name, store, taken, statistics.median(floor), ratio=4)
    host.close()


def looks(bench, store):
    """status with a process on each of 8 GPUs: by a stand-in for NVIDIA's library, and simulated."""
    if store != "sqlite":
        return
    host = Host(bench, store, 8)
    users = [subprocess.Popen(["sleep", "600"]) for _ in range(8)]
    scenario = pathlib.Path(host.environment["CANHAZGPU_FAKE_FILE"])
    scenario.write_text(json.dumps(
        {"gpus": [{"processes": [{"pid": user.pid, "memory_mb": 500}]} for user in users]}))
    pool = host.directory / "nvml.db"
    nvml = {"CANHAZGPU_STORE": f"sqlite:{pool}", "NVML_STANDIN_SCENARIO": str(scenario),
            "LD_LIBRARY_PATH": str(bench.tools.parent / "tests/standin/full")}
    subprocess.run(host.command("admin"), env={**host.environment, **nvml}, check=True,
                   capture_output=True)
    changes = " ".join(f"{key}={value}" for key, value in nvml.items())
    simulated, driver = hyperfine(
        [f"env {words} {bench.program} status" for words in ("LANG=C.UTF-8", changes)], bench.runs,
        host.environment, prepare=["true", f"truncate -s 0 {pool}-reading"])
    floor = statistics.median(simulated)
    yield figure("status, 8 GPUs by NVML", store, driver, floor, median=floor + 2)
    for user in users:
        user.kill()
        user.wait()
    host.close()


# --- From one process to another ---------------------------------------------------------------------


def said(process, word):
    """The moment (ns) at which the process said that it did this."""
    for line in process.stdout:
        if line.startswith(word):
            return int(line.split()[1])
    raise SystemExit(f"{process.args} ended: {process.stderr.read() if process.stderr else ''}")


def handovers(start, waiting, samples):
    """Times in ms from the end of a job until the next one begins, with so many that wait.
    `start(previous)` starts a job behind another and returns once it waits."""
    line = collections.deque([start(None)])
    said(line[0], "began")
    for _ in range(waiting):
        line.append(start(line[-1]))
    taken = []
    for _ in range(samples):
        job = line.popleft()
        job.stdin.close()
        ended = said(job, "ends")
        taken.append((said(line[0], "began") - ended) * MS)
        job.wait()
        line.append(start(line[-1]))
    for job in reversed(line):
        job.kill()
        job.wait()
    return taken


def start_floor(host):
    def start(previous):
        words = [str(host.bench.stamp)] + ([str(previous.pid)] if previous else [])
        job = host.start(words)
        if previous:
            said(job, "waits")
        return job
    return start


def start_run(host):
    def start(previous):
        job = host.job()
        if previous:
            job.stderr.readline()
        return job
    return start


def queue(bench, store):
    """The end of a job to the start of the next one that waits."""
    host = Host(bench, store, 1)
    floor = statistics.median(handovers(start_floor(host), 1, bench.runs))
    yield figure("release to start, 1 waits", store, handovers(start_run(host), 1, bench.runs),
                 floor, median=5, p99=20)
    crowd = bench.crowd
    yield figure(f"release to start, {crowd} wait", store,
                 handovers(start_run(host), crowd, bench.runs), floor, p99=50)
    host.close()


def kills(bench, store):
    """kill -9 of a job until the store says that its GPU is free."""
    host = Host(bench, store, 1)
    watcher = host.start(host.tool("watch"))
    taken, floor = [], []
    for _ in range(bench.runs):
        job = host.job()
        said(job, "began")
        killed = time.monotonic_ns()
        os.kill(job.pid, signal.SIGKILL)
        for line in watcher.stdout:
            moment, reserved, _ = map(int, line.split())
            if moment >= killed and reserved == 0:
                break
        taken.append((moment - killed) * MS)
        job.wait()
        first = host.start([str(bench.stamp)])
        second = host.start([str(bench.stamp), str(first.pid)])
        said(second, "waits")
        killed = time.monotonic_ns()
        first.kill()
        floor.append((said(second, "began") - killed) * MS)
        second.stdin.close()
        first.wait()
        second.wait()
    yield figure("kill -9 to free", store, taken, statistics.median(floor), p99=10)
    host.close()


def spent_ms(bench, store):
    """What the processes that have ended here, and the server, have had of the processors."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = cpu_ms([bench.redis.server.pid]) if store == "redis" else 0
    return (ended.ru_utime + ended.ru_stime) * 1e3 + server


def throughput(bench, store):
    """Many short jobs at once on 8 GPUs; the floor is eight at a time without any reservation. Of
    the processors' time on a Redis, the server's included, it is that on the embedded store."""
    host = Host(bench, store, 8)
    jobs = bench.jobs
    ideal = jobs / 8 * 0.1
    taken, floor, spent = [], [], []
    for _ in range(bench.repeats):
        begin, before = time.monotonic(), spent_ms(bench, store)
        started = [subprocess.Popen(host.command("run", "--", "sleep", "0.1"), env=host.environment,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL) for _ in range(jobs)]
        if any([job.wait() for job in started]):
            raise SystemExit("a job of the throughput failed")
        taken.append(time.monotonic() - begin)
        bench.await_supervisors()
        spent.append(spent_ms(bench, store) - before)
        begin = time.monotonic()
        subprocess.run(["xargs", "-P", "8", "-n", "1", "sleep"], check=True, text=True,
                       input="0.1\n" * jobs)
        floor.append(time.monotonic() - begin)
    yield figure(f"{jobs} x run -- sleep 0.1, 8 GPUs", store, taken, statistics.median(floor), "s",
                 median=1.25 * ideal)
    embedded = bench.spent_by_runs.get("sqlite")
    bench.spent_by_runs[store] = statistics.median(spent)
    targets = {"ratio": 1.2} if embedded else {}
    yield figure(f"{jobs} x run -- sleep 0.1, CPU", store, spent, embedded, **targets)
    host.close()


# --- The supervisor ----------------------------------------------------------------------------------


def memory(pid):
    """RSS and private memory in kB."""
    kb = collections.Counter()
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        kb[name] += int(rest.split()[0])
    return kb["Rss"], kb["Private_Clean"] + kb["Private_Dirty"]


def status(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def supervisor(bench, store):
    """What stays beside a job for as long as it runs. The floor is an idle `sleep`."""
    host = Host(bench, store, 1)
    idle = subprocess.Popen(["sleep", "600"])
    job = host.job()
    said(job, "began")
    pid, = supervisors()
    time.sleep(0.5)
    rss, private = memory(pid)
    idle_rss, idle_private = memory(idle.pid)
    switches = status(pid, "voluntary_ctxt_switches")
    time.sleep(bench.quiet)
    woken = status(pid, "voluntary_ctxt_switches") - switches
    yield figure("supervisor, RSS", store, [rss], idle_rss, "kB", median=2500)
    yield figure("supervisor, private", store, [private], idle_private, "kB", median=400)
    yield figure("supervisor, threads", store, [status(pid, "Threads")], 1, "", median=1)
    yield figure(f"supervisor, wake-ups in {bench.quiet} s", store, [woken], None, "", median=0)
    idle.kill()
    idle.wait()
    host.close()


def cpu_ms(pids):
    """What they have had of the processors, as the scheduler counts it."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
               for pid in pids) * MS


def waiters(bench, store):
    """What a crowd costs that waits behind a job."""
    host = Host(bench, store, 1)
    line = [start_run(host)(None)]
    said(line[0], "began")
    while len(line) <= bench.crowd:
        line.append(start_run(host)(line[-1]))
    pids = [job.pid for job in line[1:]]
    time.sleep(1)  # they read the news of each other's coming
    private = [memory(pid)[1] for pid in pids]
    before = cpu_ms(pids)
    time.sleep(bench.quiet)
    used = cpu_ms(pids) - before
    yield figure("waiter, private", store, private, None, "kB", median=4096)
    yield figure(f"{bench.crowd} waiters, CPU in {bench.quiet} s", store, [used], None, median=200)
    for job in reversed(line):
        job.kill()
        job.wait()
    host.close()


# --- History and durability --------------------------------------------------------------------------


def history_floor(host):
    """Reading all events with the store's own tool; their starts and ends in an SQLite."""
    if host.store == "redis":
        return (f"redis-cli -p {host.bench.redis.port} -n {host.database} "
                "XRANGE canhazgpu:events - +")
    return (f"sqlite3 {host.address} "
            "\"SELECT sum((record ->> 'at') - (record ->> 'started')) FROM events\"")


def history(bench, store):
    """report over many records, and what they cost a run."""
    host, bare = Host(bench, store, 8), Host(bench, store, 8)
    subprocess.run(host.tool("fill", bench.records), env=host.environment, check=True)
    program = str(bench.program)
    floor, all_days, month = hyperfine(
        [history_floor(host), f"{program} report --days 3650", f"{program} report"],
        max(4, bench.runs // 10), host.environment)
    records = f"{bench.records:,} records"
    yield figure(f"report, all of {records}", store, all_days, statistics.median(floor), median=100)
    yield figure(f"report, 30 days of {records}", store, month, statistics.median(floor), median=100)
    of = " ".join(f"{key}={value}" for key, value in bare.environment.items())
    with_none, with_all = hyperfine([f"env {of} {program} run -- true", f"env {program} run -- true"],
                                    bench.runs, host.environment)
    yield figure(f"run -- true, beside {records}", store, with_all, statistics.median(with_none),
                 ratio=1.1)
    bench.await_supervisors()
    host.close()
    bare.close()


def durable(bench, store):
    """Commits that a power loss does not undo, against what sqlite3 alone needs for one."""
    if store != "sqlite":
        return
    host = Host(bench, store, 8)
    ours, floor = [], []
    for number in range(5):
        words = [host.tool("commits", bench.runs // 5),
                 [str(bench.tools / "bench_store_tool"), "floor-commits",
                  str(host.directory / f"floor-{number}.db"), str(bench.runs // 5)]]
        for taken, command in zip((ours, floor), words):
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            taken += [int(line) * MS for line in out.splitlines()]
    yield figure("durable commit", store, ours, statistics.median(floor), ratio=2)
    host.close()


# --- Functions ---------------------------------------------------------------------------------------


def functions(bench, _):
    """The decisions and codecs, by Google Benchmark; the floor is a walk over the same pool."""
    words = [str(bench.tools / "bench_functions"), "--benchmark_format=json",
             f"--benchmark_min_time={0.01 if bench.is_quick else 0.02}",
             f"--benchmark_repetitions={1 if bench.is_quick else 3}"]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    times = collections.defaultdict(list)
    to_ms = {"ns": 1e-6, "us": 1e-3, "ms": 1}
    for one in json.loads(out)["benchmarks"]:
        if one["run_type"] == "iteration":
            name = one["run_name"].removesuffix("/manual_time")
            times[name].append(one["real_time"] * to_ms[one["time_unit"]])
    bench.growth["functions"] = {name: statistics.median(taken) for name, taken in times.items()}
    for name, taken in times.items():
        of, _, size = name.partition("/")
        gpus, _, waiting = size.partition("/")
        if waiting and of != "walk":
            floor = times.get(f"walk/{size}")
            is_large = of.startswith("schedule") and size == "1024/10000"
            yield figure(f"{of}, {int(gpus):,} GPUs, {int(waiting):,} wait", "-", taken,
                         statistics.median(floor) if floor else None,
                         **({"median": 1} if is_large else {}))
        elif of != "walk":
            yield figure(name.replace("/", ", "), "-", taken, None)


# --- How cost grows ----------------------------------------------------------------------------------


def growth(bench, store):
    """Ten times the GPUs, the waiters, the history. No figures of the table: points of the plots."""
    program = str(bench.program)
    runs = max(4, bench.runs // 4)
    by_gpus, by_waiters, by_history = {}, {}, {}
    for gpus in bench.growth_gpus:
        host = Host(bench, store, gpus)
        taken = hyperfine([f"{program} status", f"{program} run -- true"], runs, host.environment)
        by_gpus[gpus] = [statistics.median(times) for times in taken]
        bench.await_supervisors()
        host.close()
    for waiting in bench.growth_waiters:
        host = Host(bench, store, 1)
        taken = handovers(start_run(host), waiting, runs)
        by_waiters[waiting] = [statistics.median(taken), percentile(taken, 99)]
        host.close()
    for records in bench.growth_records:
        host = Host(bench, store, 8)
        subprocess.run(host.tool("fill", records), env=host.environment, check=True)
        taken = hyperfine([f"{program} report", f"{program} report --days 3650",
                           f"{program} run -- true"], max(4, runs // 2), host.environment)
        by_history[records] = [statistics.median(times) for times in taken]
        bench.await_supervisors()
        host.close()
    bench.growth[store] = {"gpus": by_gpus, "waiters": by_waiters, "history": by_history}
    return ()


PER_STORE = [commands, looks, queue, kills, throughput, supervisor, waiters, history, durable]


def all_figures(bench, only=None):
    """All rows; of some of the functions above, if those are named."""
    for measure, store in itertools.chain(itertools.product(PER_STORE, bench.stores),
                                          [(functions, "-")],
                                          itertools.product([growth], bench.stores)):
        if not only or measure.__name__ in only:
            print(f"measuring: {measure.__name__} {store}", file=sys.stderr)
            yield from measure(bench, store)
