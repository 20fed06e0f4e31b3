"""Holds the #include lines of src/ to the table of modules in ARCHITECTURE.md, and the sources to
the few rules of style that a machine can check."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# What only one module may do. The words, and where they may stand.
OWNED = {
    r"\bSYS_clone|\b(fork|vfork|execv\w*|pidfd_open|pidfd_send_signal)\b\s*\(|SYS_pidfd": {"process"},
    r"\bposix_spawnp?\s*\(": {"probe"},
    r"\bsqlite3_|SQLite::": {"store"},
    r"\bredisReader|\bredisFormat|<hiredis/": {"store"},
    r"\bdlopen\s*\(": {"probe"},
    r"\.update\(\[": {"app"},
    r"\bset(re[su])?e?[ug]id\s*\(|\bsetgroups\s*\(": {"process"},
    r"\bget(re[su])?e?[ug]id\s*\(|\bgetgroups\s*\(": set(),
}
# tool.cpp watches the programs that it starts. isolation.cpp keeps what may crash or hang out of
# this process; it runs no job and nobody's command, which is what `process` is for. caller.cpp asks
# who runs the program; everybody else is told. The other three compare owners of files, which have
# to be as the caller's own user namespace counts them.
EXCEPTIONS = {("probe/tool.cpp", "pidfd"), ("base/isolation.cpp", "SYS_clone"),
              ("process/caller.cpp", "get"), ("store/sqlite/files.cpp", "get"),
              ("store/sqlite/bells.cpp", "get"), ("cli/program.cpp", "get")}

LINE_MAX = 100
FILE_MAX = 500
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def allowed_includes():
    """The third column of the table under '## Modules': module -> modules that it may include."""
    table = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            name = cells[0].strip("`")
            table[name] = set(re.findall(r"`([\w/]+)`", cells[2]))
    return table


def module_of(relative):
    """The folder of a file, which is its module; a file of src/ itself is one of its own."""
    parent = relative.parent.as_posix()
    return relative.name if parent == "." else parent


def may_include(module, other, table):
    """A folder within another module is open to whoever may include that module."""
    if other == module or other in table[module]:
        return True
    family = other.split("/")[0]
    return family != module.split("/")[0] and family in table[module]


# A concrete store or probe is named by main.cpp, and by its own module.
CONCRETE = re.compile(r"(store|probe)/(?:\w+/)?\w+_(?:store|probe)\.h")
# What asks the system: core is told.
SYSTEM = re.compile(
    r"#include <(sys/|unistd|ctime|filesystem|fstream|thread|mutex|random)|\b(getenv|local_time|"
    r"to_local_text|SystemClock|boot_id\(\))|_clock::now\b"
)


def complaints_about(path, table):
    module = module_of(path.relative_to(SRC))
    if module not in table:
        yield f"{path}: module '{module}' is not in the table of ARCHITECTURE.md"
        return
    lines = path.read_text().splitlines()
    relative = str(path.relative_to(SRC))
    if len(lines) > FILE_MAX:
        yield f"{path}: {len(lines)} lines, more than {FILE_MAX}"
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        include = re.match(r'\s*#include "([\w/]+\.h)"', line)
        if include:
            file = pathlib.PurePosixPath(include.group(1))
            if not may_include(module, module_of(file), table):
                yield f"{where}: '{module}' may not include '{module_of(file)}'"
            concrete = CONCRETE.fullmatch(str(file))
            if concrete and module.split("/")[0] not in (concrete.group(1), "main.cpp"):
                yield f"{where}: only main.cpp may include '{file}'"
        if len(line) > LINE_MAX:
            yield f"{where}: longer than {LINE_MAX} columns"
        if UNFINISHED.search(line):
            yield f"{where}: unfinished"
        code = line.split("//")[0]
        if module == "core" and SYSTEM.search(code):
            yield f"{where}: core asks the system for nothing"
        for pattern, owners in OWNED.items():
            found = re.search(pattern, code)
            if found and module.split("/")[0] not in owners:
                if not any(relative == file and word in found.group(0) for file, word in EXCEPTIONS):
                    yield f"{where}: only {', '.join(sorted(owners)) or 'an exception'} may: {found.group(0)}"


def main():
    table = allowed_includes()
    if len(table) < 10:
        print("the table of modules in ARCHITECTURE.md can't be read")
        return 1
    complaints = []
    files = sorted(SRC.rglob("*.cpp")) + sorted(SRC.rglob("*.h"))
    for path in files:
        complaints += complaints_about(path, table)
    print("\n".join(complaints))
    print(f"{len(files)} files, {len(table)} modules, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
