"""Measures what docs/benchmarks.md tells of: one table, JSON, and plots. Run it by scripts/bench."""

import argparse
import ctypes
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import time

import figures
import host
import plots

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Bench:
    def __init__(self, options):
        self.directory = tempfile.mkdtemp(prefix="canhazgpu-bench-")
        # As people have it, installed: a file that was copied lies in larger pieces in the page
        # cache than what a linker wrote, and starts a tenth faster.
        installed = pathlib.Path(self.directory) / "bin/canhazgpu"
        installed.parent.mkdir()
        self.program = pathlib.Path(shutil.copy(options.program, installed))
        self.tools = options.tools.resolve()
        self.stamp = self.tools / "bench_stamp"
        quick = self.is_quick = options.quick
        self.stores = [options.store] if options.store else ["sqlite", "redis"]
        self.runs = options.runs or (10 if quick else 200)  # samples of a figure
        self.crowd = 10 if quick else 100  # waiters
        self.jobs = 16 if quick else 200   # short jobs at once
        self.repeats = 1 if quick else 3
        self.quiet = 1 if quick else 10    # seconds
        self.records = options.records or (2_000 if quick else 1_000_000)
        self.growth_gpus = [8, 80] if quick else [8, 80, 800]
        self.growth_waiters = [1] if quick else [1, 10, 100]
        self.growth_records = [100] if quick else [
            size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= self.records]
        self.growth = {}
        self.spent_by_runs = {}  # by store
        self.redis = host.Redis(self.directory) if "redis" in self.stores else None

    def await_supervisors(self):
        while host.supervisors():
            time.sleep(0.005)

    def close(self):
        if self.redis:
            self.redis.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def commit():
    """Of the sources; "" where there is no git, or no repository."""
    if not shutil.which("git"):
        return ""
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                          text=True).stdout.strip()


def machine():
    """What one has to know of the machine to make sense of the times; not whose it is."""
    return {"cores": os.cpu_count(), "kernel": platform.release().partition("-")[0], "load": os.getloadavg(),
            "commit": commit(), "date": datetime.date.today().isoformat()}


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}" if value < 1 else f"{value:.2f}"


def target_text(row):
    words = {"ratio": "{} x floor", "median": "median {}", "p99": "p99 {}"}
    return ", ".join("<= " + words[key].format(number(most)) for key, most in row["targets"].items())


def table(rows):
    lines = [["figure", "store", "unit", "median", "p99", "floor", "ratio", "target", "met"]]
    for row in rows:
        met = {True: "yes", False: "NO", None: ""}[row["met"]]
        lines.append([row["figure"], row["store"], row["unit"], number(row["median"]),
                      number(row["p99"]), number(row["floor"]), number(row["ratio"]),
                      target_text(row), met])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    to_the_right = {3, 4, 5, 6}
    return "\n".join(
        "  ".join(cell.rjust(width) if column in to_the_right else cell.ljust(width)
                  for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/canhazgpu")
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "build/release/bench")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench",
                        help="directory for results.json and the plots")
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it works")
    parser.add_argument("--runs", type=int, help="samples of a figure (200)")
    parser.add_argument("--records", type=int, help="usage records of the history (1,000,000)")
    parser.add_argument("--store", choices=["sqlite", "redis"], help="only this one")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="only figures of these functions")
    options = parser.parse_args()
    # Supervisors become children of this process, so that it can wait for them.
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    bench = Bench(options)
    try:
        facts = machine()
        rows = list(figures.all_figures(bench, options.only))
    finally:
        bench.close()
    options.output.mkdir(parents=True, exist_ok=True)
    result = {"machine": facts, "figures": rows, "growth": bench.growth}
    (options.output / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    if not options.quick:
        plots.draw(bench.growth, options.output)
    print(table(rows))


if __name__ == "__main__":
    main()
