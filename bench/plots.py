"""How cost grows, as SVG, by gnuplot."""

import subprocess

PLOTS = {
    "gpus": ("GPUs of the pool", ["status", "run -- true"]),
    "waiters": ("requests in the queue", ["release to start, median", "release to start, p99"]),
    "history": ("usage records", ["report (30 days)", "report --days 3650", "run -- true"]),
}
STORES = {"sqlite": "SQLite", "redis": "Redis"}


def draw(growth, directory):
    """growth-NAME.svg for each of the plots: milliseconds, both axes logarithmic."""
    for name, (axis, lines) in PLOTS.items():
        stores = [store for store in STORES if store in growth]
        if not stores:
            return
        data, curves = [], []
        for store in stores:
            block = f"${store}"
            rows = [" ".join(map(str, [size, *times])) for size, times in growth[store][name].items()]
            data += [f"{block} << EOD", *rows, "EOD"]
            curves += [f"{block} using 1:{column} with linespoints title '{STORES[store]}: {line}'"
                       for column, line in enumerate(lines, 2)]
        script = [
            "set terminal svg size 760,460 font 'sans,13' background '#ffffff'",
            f"set output '{directory / f'growth-{name}.svg'}'",
            "set logscale xy", "set grid", "set key outside below maxrows 3",
            f"set xlabel '{axis}'", "set ylabel 'ms'", "set format x '%.0f'", "set format y '%g'",
            *data, "plot " + ", ".join(curves)]
        subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
