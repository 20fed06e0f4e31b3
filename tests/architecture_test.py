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
    r"\bCLI::": {"cli"},
    r"\.update\(\[": {"app"},
}
# tool.cpp watches the programs that it starts. isolation.cpp keeps what may crash or hang out of
# this process; it runs no job and nobody's command, which is what `process` is for.
EXCEPTIONS = {("probe/tool.cpp", "pidfd"), ("base/isolation.cpp", "SYS_clone")}

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
            table[name] = set(re.findall(r"`(\w+)`", cells[2]))
    return table


def module_of(path):
    relative = path.relative_to(SRC)
    return relative.parts[0] if len(relative.parts) > 1 else relative.name


def complaints_about(path, table):
    module = module_of(path)
    if module not in table:
        yield f"{path}: module '{module}' is not in the table of ARCHITECTURE.md"
        return
    lines = path.read_text().splitlines()
    relative = str(path.relative_to(SRC))
    if len(lines) > FILE_MAX:
        yield f"{path}: {len(lines)} lines, more than {FILE_MAX}"
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        include = re.match(r'\s*#include "(\w+)/', line)
        if include:
            other = include.group(1)
            if other != module and other not in table[module]:
                yield f"{where}: '{module}' may not include '{other}'"
        if len(line) > LINE_MAX:
            yield f"{where}: longer than {LINE_MAX} columns"
        if UNFINISHED.search(line):
            yield f"{where}: unfinished"
        code = line.split("//")[0]
        for pattern, owners in OWNED.items():
            found = re.search(pattern, code)
            if found and module not in owners:
                if not any(relative == file and word in found.group(0) for file, word in EXCEPTIONS):
                    yield f"{where}: only {', '.join(sorted(owners))} may: {found.group(0)}"


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
