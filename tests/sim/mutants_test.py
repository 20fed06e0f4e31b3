"""Plants bugs in the scheduling core and requires that the simulation finds each of them.

Each mutants/*.patch is applied to a copy of the file of src/core that it changes; that file alone
is compiled, and linked before the archives of the build, whose own copy then stays out. Most bugs
are found within a second, so nothing is optimized: compiling takes longer."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STEPS = 2000
SEEDS = 600


def hunks_of(patch):
    """(file, [(old text, new text)]) of a unified diff of one file."""
    file = re.search(r"^\+\+\+ b/(\S+)$", patch, re.M).group(1)
    hunks = []
    for body in re.split(r"^@@ .*\n", patch, flags=re.M)[1:]:
        lines = body.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        hunks.append((old, new))
    return file, hunks


def mutated(patch):
    """The file that the patch changes, and its text with the patch applied, wherever it moved."""
    file, hunks = hunks_of(patch)
    text = (ROOT / file).read_text()
    for old, new in hunks:
        if text.count(old) != 1:
            raise SystemExit(f"the patch does not fit {file} any more; it looks for:\n{old}")
        text = text.replace(old, new)
    return file, text


class Bench:
    def __init__(self, options):
        self.folder = pathlib.Path(options.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.compile_command = [options.compiler, "-std=c++20", *options.flags.split(),
                                "-I", str(ROOT / "src"), "-I", str(ROOT / "tests")]
        self.archives = options.archives
        self.main = self.compile(HERE / "simulate.cpp", "main.o")

    def compile(self, source, name):
        made = self.folder / name
        subprocess.run([*self.compile_command, "-c", str(source), "-o", str(made)], check=True)
        return made

    def simulate(self, name, objects):
        program = self.folder / name
        subprocess.run([*self.compile_command, str(self.main), *map(str, objects), *self.archives,
                        "-o", str(program)], check=True)
        command = [str(program), "--seeds", str(SEEDS), "--steps", str(STEPS)]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        program.unlink()
        return result

    def mutant(self, patch):
        file, text = mutated(patch.read_text())
        source = self.folder / f"{patch.stem}_{pathlib.Path(file).name}"
        source.write_text(text)
        return self.simulate(patch.stem, [self.compile(source, f"{patch.stem}.o")])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True, help="for what is built")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", default="", help="of the compiler, for all presets")
    parser.add_argument("archives", nargs="+", help="simulation, core and base, to link")
    bench = Bench(parser.parse_args())

    survivors = []
    result = bench.simulate("unchanged", [])
    print(f"unchanged: exit status {result.returncode}")
    if result.returncode != 0:
        print(result.stdout)
        survivors.append("unchanged")
    patches = sorted((HERE / "mutants").glob("*.patch"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        results = list(threads.map(bench.mutant, patches))
    for patch, result in zip(patches, results):
        told = re.search(r"^seed .*", result.stdout, re.M)
        # A broken promise, and not merely a program that could not run.
        found = result.returncode == 1 and told is not None
        print(f"{patch.stem}: {told.group(0) if told else 'NOT FOUND'}")
        if not found:
            survivors.append(patch.stem)
    if len(patches) < 8:
        survivors.append("most of the patches")
    print(f"{len(patches)} mutants, {len(survivors)} complaints")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
