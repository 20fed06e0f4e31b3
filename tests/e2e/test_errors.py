"""Mistakes and misfortunes: one line that says what, one that says what to do, the right status."""

import json
import os
import re
import shutil
import signal
import sqlite3

import pytest
from conftest import PATIENCE, assert_error, is_alive, on_a_disk, validate, wait_for

COMMANDS = ["status", "run", "reserve", "extend", "release", "queue", "cancel", "report", "admin",
            "policy", "events", "store", "doctor", "config", "completion"]


# --- The command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, text, hint",
    [(["statsu"], "unknown command 'statsu'", "did you mean 'status'?"),
     (["rnu", "--", "true"], "unknown command 'rnu'", "did you mean 'run'?"),
     (["relase"], "unknown command 'relase'", "did you mean 'release'?"),
     (["xyzzy"], "unknown command 'xyzzy'", "see: canhazgpu --help"),
     (["--", "true"], "no command given", "canhazgpu --help"),
     (["help", "statsu"], "unknown command 'statsu'", "did you mean 'status'?"),
     (["run", "--gpu", "1", "--", "true"], "unknown option '--gpu'", "did you mean '--gpus'?"),
     (["run", "--gpu=1", "--", "true"], "unknown option '--gpu'", "did you mean '--gpus'?"),
     (["run", "--tiemout", "1h", "--", "true"], "unknown option '--tiemout'",
      "did you mean '--timeout'?"),
     (["status", "--jsno"], "unknown option '--jsno'", "did you mean '--json'?"),
     (["status", "-x"], "unknown option '-x'", None),
     (["status", "-jx"], "unknown option '-x'", None),
     (["--json", "status"], "unknown option '--json'", "see: canhazgpu status --help"),
     (["cancel", "--xyzzyxyzzy"], "unknown option '--xyzzyxyzzy'", "see: canhazgpu cancel --help"),
     (["status", "--xyzzyxyzzy"], "unknown option '--xyzzyxyzzy'", "see: canhazgpu status --help"),
     (["--vresion"], "unknown option '--vresion'", None),
     (["status", "please"], "unexpected word 'please'", "see: canhazgpu status --help"),
     (["run", "--gpus"], "option '--gpus' needs a value", "see: canhazgpu run --help"),
     (["run", "-w"], "option '--wait' needs a value", "see: canhazgpu run --help"),
     (["run", "--gpus=", "--", "true"], "invalid run.gpus ''", None),
     (["extend", "-5m"], "invalid duration '-5m'", None),
     (["cancel"], "ID is missing", "see: canhazgpu cancel --help"),
     (["extend"], "D is missing", "see: canhazgpu extend --help"),
     (["extend", "1h", "2h"], "unexpected word '2h'", None),
     (["completion", "csh"], "unknown shell 'csh'", "bash, zsh and fish"),
     (["report", "--by", "moon"], "'moon'", None),
     (["report", "--days", "0"], "'0'", None),
     (["report", "--days", "x"], "'x'", None),
     (["run", "--leftovers", "eat", "--", "true"], "'eat'", None),
     (["admin", "--provider", "intel"], "unknown provider 'intel'", None),
     (["admin", "--gpus", "0"], "invalid number of GPUs '0'", "from 1 to 1024"),
     (["admin", "--gpus", "many"], "invalid number of GPUs 'many'", None),
     (["admin", "--drain", "8"], "unknown GPU '8'", None),
     (["admin", "--drain", "x"], "'x'", None),
     (["--memory-threshold", "-1", "status"], "'-1'", None),
     (["--store", "nonsense", "status"], "'nonsense'", None),
     (["--store", "rediss://:secret@host/0", "status"], "TLS is not available", None),
     (["--store", "redis://:secret@host/x", "status"], "'redis://…@host/x' is no URL of a Redis",
      None),
     (["--redis-port", "0", "status"], "'0'", None),
     (["status", "--json=3"], "--json", None),
     (["unknown\x1b[31m\ncommand"], "unknown command 'unknown\\x1b[31m\\ncommand'", None)])
def test_wrong_usage(pool, words, text, hint):
    result = pool.run(*words)
    assert_error(result, 2, text, hint)
    assert "secret" not in result.err


@pytest.mark.parametrize("text", ["0", "0s", "5", "-5m", "5x", "1m1h", "h", "1e3s", "inf", "nan",
                                  "99999999999999999999d", "3651d", " 5m", "5m ", "1h 30m", "1:30"])
@pytest.mark.parametrize("command", ["run --timeout", "run --wait", "run --grace",
                                     "reserve --duration", "extend"])
def test_bad_durations(pool, command, text):
    words = command.split()
    words = [words[0], f"{words[1]}={text}"] if len(words) > 1 else [*words, "--", text]
    if words[0] == "run":
        words += ["--", "true"]
    if words[0] == "extend":
        words = ["extend", text] if not text.startswith("-") else ["extend", " " + text]
    result = pool.run(*words)
    assert_error(result, 2, text.strip())
    assert pool.reserved() == [] and pool.usage() == []


def test_an_empty_duration_is_none_or_the_default(pool):
    """As the Go program of the same name documents it."""
    file = pool.home / ".canhazgpu.yaml"
    file.write_text('run:\n  timeout: ""\nreserve:\n  duration: ""\n')
    for words in (["run", "--", "true"], ["run", "--timeout", "", "--", "true"],
                  ["run", "--wait=", "--grace=", "--", "true"], ["status"], ["queue"],
                  ["reserve", "--short"]):
        pool.ok(*words)
    pool.ok("release")
    file.write_text("run:\n  timeout: 1s\nreserve:\n  duration: 8h\n")
    pool.await_free()
    pool.ok("reserve", "--duration", "")
    ends, started = pool.rows("SELECT ends, started FROM reservation")[0]
    assert 0 <= ends / 1e9 - int(started.split()[0]) / 1e9 - 1800 < 5
    job = pool.job("--timeout", "")
    assert pool.rows("SELECT ends FROM reservation WHERE kind = 'run'") == [(None,)]
    job.kill()


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400),
                                           ("0.5h", 1800), ("1h30m", 5400), ("1d12h", 129600)])
def test_good_durations(pool, text, seconds):
    pool.ok("reserve", "--duration", text)
    ends, started = pool.rows("SELECT ends, started FROM reservation")[0]
    # From the claim on, which comes a moment after the grant.
    assert 0 <= ends / 1e9 - int(started.split()[0]) / 1e9 - seconds < 60


@pytest.mark.parametrize("words", [["--gpus", "2", "--short"], ["--gpus=2", "--short"],
                                   ["-g", "2", "-s"], ["-g2", "-s"], ["-sg", "2"], ["-vsg2"],
                                   ["-g", "5", "--gpus", "2", "-s", "-s"]])
def test_forms_of_options(pool, words):
    store = f"--store=sqlite:{pool.path}"
    assert pool.ok("-v", store, "reserve", *words, "--no-color") == "0,1\n"


def test_a_value_may_be_empty_or_look_like_an_option(pool):
    pool.ok("reserve", "--note=", "-n", "--short", "--user=")
    assert json.loads(pool.ok("status", "--json"))[0]["note"] == "--short"


def test_help(pool):
    out = pool.ok("--help")
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", out, re.M), command
        text = pool.ok(command, "--help")
        assert "\nExamples:\n  " in text and f"Usage: canhazgpu {command}" in text
        assert pool.ok(command, "-h") == text
        assert max(map(len, text.splitlines())) <= 100
    assert "Examples:" in out and "__complete" not in out
    # As people try it.
    assert pool.ok("help") == out and pool.ok() == out and pool.ok("--no-color") == out
    assert pool.ok("help", "run") == pool.ok("run", "--help")


def test_help_needs_no_store(bare_pool):
    for words in ([], ["help"], ["help", "run"], ["--help"], ["run", "--help"], ["--version"], ["completion", "bash"]):
        assert bare_pool.run(*words).status == 0


def test_version(pool):
    assert re.fullmatch(r"canhazgpu \d+\.\d+\.\d+\n", pool.ok("--version"))


# --- Output that can't be written ------------------------------------------------------------------

PRINTING = [["status"], ["status", "--json"], ["queue"], ["report"], ["config"], ["--help"],
            ["run", "--help"], ["--version"], ["completion", "bash"], ["reserve"]]


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_disk_for_the_output(pool, words):
    with open("/dev/full", "wb") as full:
        assert_error(pool.run(*words, stdout=full), 1,
                     "cannot write the output: No space left on device")


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_closed_output(pool, words):
    result = pool.run_command(["sh", "-c", 'exec "$@" >&-', "sh", pool.program, *words])
    assert_error(result, 1, "cannot write the output: Bad file descriptor")


def test_a_reader_that_goes_away(pool):
    process = pool.popen("status")
    process.stdout.close()
    process.stdout = None
    assert process.wait(PATIENCE) in (-signal.SIGPIPE, 0, 1)


# --- Configuration ---------------------------------------------------------------------------------


def config(pool, **options):
    """key -> (value, origin)"""
    found = {}
    for line in pool.ok("config", **options).splitlines():
        key, value, origin = re.fullmatch(r"(\S+) +(.*)  \((.*)\)", line).groups()
        found[key] = (value, origin)
    return found


def test_config_prints_every_key_and_where_it_comes_from(pool):
    seen = config(pool)
    assert seen["store"] == (f"sqlite:{pool.path}", "CANHAZGPU_STORE")
    assert seen["run.gpus"] == ("1", "default")
    assert seen["memory.threshold"] == ("-", "default")
    assert seen["reserve.duration"] == ("30m", "default")
    for key in ("probe", "probe.timeout", "memory.process_threshold", "ignore_processes",
                "run.timeout",
                "run.leftovers", "report.days", "status.json", "queue.json", "color"):
        assert key in seen, key


def test_precedence(pool):
    file = pool.home / ".canhazgpu.yaml"
    file.write_text("memory:\n  threshold: 2000\nrun:\n  timeout: 1h\n  gpus: 3\n")
    seen = config(pool)
    assert seen["memory.threshold"] == ("2000", f"{file}:2")
    assert seen["run.timeout"] == ("1h", f"{file}:4")
    env = {"CANHAZGPU_MEMORY_THRESHOLD": "22", "CANHAZGPU_RUN_TIMEOUT": "2h"}
    seen = config(pool, env=env)
    assert seen["memory.threshold"] == ("22", "CANHAZGPU_MEMORY_THRESHOLD")
    assert seen["run.timeout"] == ("2h", "CANHAZGPU_RUN_TIMEOUT")
    assert seen["run.gpus"] == ("3", f"{file}:5")
    out = pool.ok("--memory-threshold", "33", "config", env=env)
    assert re.search(r"^memory\.threshold +33  \(--memory-threshold\)$", out, re.M)
    assert pool.ok("run", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1,2\n"
    wait_for(lambda: pool.reserved() == [])
    assert pool.ok("run", "-g", "1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES") == "3\n"


@pytest.mark.parametrize("name, text", [
    (".canhazgpu.yaml", "run:\n  gpus: 2\n"), (".canhazgpu.yml", "run.gpus: 2\n"),
    (".canhazgpu.json", '{"run": {"gpus": 2}}'), (".config/canhazgpu/config.yaml", "run: {gpus: 2}\n")])
def test_every_format(pool, name, text):
    file = pool.home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    value, origin = config(pool)["run.gpus"]
    assert value == "2" and origin.startswith(str(file))


@pytest.mark.parametrize("name, text, line", [
    (".canhazgpu.yaml", "run:\n  gpus: 2\n bad: [\n", 3), (".canhazgpu.json", '{\n"run": [1}\n', 2),
    (".canhazgpu.yaml", "a: 1\n\n\nmemory:\n  threshold: none\n", 5)])
def test_a_bad_file_is_named_with_its_line(pool, name, text, line):
    file = pool.home / name
    file.write_text(text)
    result = pool.run("status")
    lines = [one for one in result.err.splitlines() if "warning" not in one]
    assert result.status in (1, 2) and result.out == ""
    assert lines[0].startswith("canhazgpu: error: ") and str(file) in lines[0]
    assert re.search(rf"(line |:){line}\b", lines[0]), result


@pytest.mark.parametrize("name", [".canhazgpu.toml", "mine.toml"])
def test_a_file_in_toml_is_refused_with_a_way_out(pool, name):
    file = pool.home / name
    file.write_text("[run]\ngpus = 2\n")
    flags = [] if name.startswith(".") else ["--config", str(file)]
    assert_error(pool.run(*flags, "status"), 2, f"'{file}' is in TOML", hint="convert it to YAML")


def test_release_of_what_nobody_has_reserved(pool):
    assert pool.ok("release", "-G", "3") == "nothing to release: GPU 3 is not reserved\n"
    pool.ok("reserve", "-G", "1")
    assert pool.ok("release", "-G", "1,3,4") == "released GPU 1; GPUs 3 and 4 are not reserved\n"
    assert_error(pool.run("release", "-G", "8"), 2, "unknown GPU '8'")


def test_the_account_and_the_label_have_keys_of_their_own(pool):
    reserved = json.loads(pool.ok("reserve", "-g", "8", "--user", "dora", "--json"))
    assert validate(reserved, "reservation")["account"] == "root"
    assert reserved["label"] == "dora" and reserved["user"] == "dora (root)"
    pool.waiter("--user", "dora")
    waiting, = validate(pool.queue_json(), "queue")["entries"]
    assert (waiting["account"], waiting["label"]) == ("root", "dora")
    assert {entry["label"] for entry in pool.status_json()} == {"dora"}


def test_what_is_wrong_for_one_command_stops_only_that(pool):
    file = pool.home / ".canhazgpu.yaml"
    file.write_text("run:\n  gpus: none\n")
    env = {"CANHAZGPU_RESERVE_DURATION": "soon"}
    for words in (["status"], ["queue"], ["report"], ["release"]):
        result = pool.run(*words, env=env)
        assert result.status == 0 and result.err == "", result
    assert_error(pool.run("run", "--", "true", env=env), 2,
                 f"invalid run.gpus 'none' (from {file}:2)")
    assert_error(pool.run("reserve", env=env), 2,
                 "invalid reserve.duration 'soon' (from CANHAZGPU_RESERVE_DURATION)")
    assert_error(pool.run("config"), 2, "invalid run.gpus 'none'")


def test_the_web_page_of_the_go_program_is_no_concern(pool):
    (pool.home / ".canhazgpu.yaml").write_text("web:\n  port: 8080\n  host: 0.0.0.0\n")
    result = pool.run("status", env={"CANHAZGPU_WEB_PORT": "8080"})
    assert result.status == 0 and result.err == ""


def test_an_unknown_key_is_a_warning(pool):
    file = pool.home / ".canhazgpu.yaml"
    file.write_text("run:\n  tiemout: 3h\n")
    result = pool.run("run", "--", "true")
    assert result.status == 0
    assert result.err == (f"canhazgpu: warning: unknown key 'run.tiemout' (from {file}:2); "
                          "did you mean 'run.timeout'?\n")
    result = pool.run("status", env={"HOME": "/nonexistent", "CANHAZGPU_RUN_TIEMOUT": "3h"})
    assert result.status == 0
    assert "unknown variable 'CANHAZGPU_RUN_TIEMOUT'; did you mean 'CANHAZGPU_RUN_TIMEOUT'?" in result.err


def test_configuration_files_that_cannot_be_read(pool, users):
    file = pool.home / ".canhazgpu.yaml"
    file.write_text("run:\n  gpus: 2\n")
    file.chmod(0o600)
    assert_error(pool.run("status", user=users.a), 77,
                 f"cannot read configuration file '{file}': Permission denied")
    assert_error(pool.run("--config", "/no/such.yaml", "status"), 1, "'/no/such.yaml'")
    assert_error(pool.run("--config", "/etc/passwd", "status"), 2, "'/etc/passwd' has no known format")
    os.mkfifo(pool.home / "pipe.yaml")
    assert_error(pool.run("--config", pool.home / "pipe.yaml", "status"), 1, "not a regular file")
    (pool.home / ".canhazgpu.json").write_text("{}")
    assert_error(pool.run("status"), 1, "several configuration files")


def test_nothing_is_read_from_the_working_directory(pool):
    elsewhere = pool.directory / "elsewhere"
    elsewhere.mkdir()
    for name in (".canhazgpu.yaml", "canhazgpu.yaml", "config.yaml"):
        (elsewhere / name).write_text("run:\n  gpus: 7\n")
    assert "7 " not in pool.ok("config", cwd=elsewhere).split("run.gpus")[1].split("\n")[0]


def test_bad_variables(pool):
    assert_error(pool.run("status", env={"CANHAZGPU_MEMORY_THRESHOLD": "much"}), 2,
                 "invalid memory.threshold 'much' (from CANHAZGPU_MEMORY_THRESHOLD)")


# --- Completion ------------------------------------------------------------------------------------


def complete(pool, *words, env=None, before=""):
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
{before}
source <(canhazgpu completion bash)
COMP_WORDS=({quoted})
COMP_CWORD={len(words) - 1}
_canhazgpu
printf '%s\\n' "${{COMPREPLY[@]}}"
complete -p canhazgpu chg >/dev/null
"""
    result = pool.run_command(["bash", "-c", script], env=env)
    assert result.status == 0 and result.err == "", result
    return result.out.split()


def test_completion_in_bash(pool):
    assert sorted(complete(pool, "canhazgpu", "")) == sorted(COMMANDS)
    assert complete(pool, "canhazgpu", "rel") == ["release"]
    assert sorted(complete(pool, "canhazgpu", "re")) == ["release", "report", "reserve"]
    assert "--gpu-ids" in complete(pool, "canhazgpu", "run", "--g")
    assert complete(pool, "canhazgpu", "run", "--gpu-ids", "") == list("01234567")
    assert complete(pool, "canhazgpu", "run", "--signal", "U") == ["USR1", "USR2"]
    assert complete(pool, "canhazgpu", "run", "--leftovers", "") == ["keep", "kill", "release"]
    assert complete(pool, "chg", "admin", "--drain", "3") == ["3"]
    assert complete(pool, "canhazgpu", "completion", "b") == ["bash"]
    assert complete(pool, "canhazgpu", "store", "") == ["copy", "import", "backup", "restore"]
    assert complete(pool, "canhazgpu", "policy", "") == ["set", "unset", "apply"]
    assert complete(pool, "canhazgpu", "status", "--remote", "gpu",
                    env={"CANHAZGPU_REMOTE_HOSTS": "gpu1,gpu2,other"}) == ["gpu1", "gpu2"]
    pool.ok("reserve", "-g", "8")
    waiter = pool.waiter()
    assert complete(pool, "canhazgpu", "cancel", "") == [waiter.request]
    assert complete(pool, "canhazgpu", "cancel", waiter.request[:3]) == [waiter.request]


OWN = """
_own() { COMPREPLY=("$1:$2:$3:$COMP_CWORD:${COMP_WORDS[*]}"); }
complete -F _own own
"""


def test_completion_behind_two_dashes(pool):
    """A command, and then what that command takes."""
    assert "printenv" in complete(pool, "canhazgpu", "run", "--", "print")
    assert "canhazgpu" in complete(pool, "canhazgpu", "run", "--gpus", "1", "--", "canhaz")
    assert " ".join(complete(pool, "canhazgpu", "run", "--", "own", "a", "b", before=OWN)) == \
        "own:b:a:2:own a b"
    assert complete(pool, "canhazgpu", "run", "--", "unknown-command", "a") == []
    assert complete(pool, "canhazgpu", "run", "--", "canhazgpu", "rel") == ["release"]
    if shutil.which("fish"):
        script = 'canhazgpu completion fish | source; complete -C"{}"'
        for typed, offered in (("canhazgpu run -- printen", "printenv"),
                               ("canhazgpu run -- canhazgpu rel", "release"),
                               ("canhazgpu rel", "release")):
            result = pool.run_command(["fish", "-c", script.format(typed)])
            assert result.status == 0 and offered in result.out.split(), result


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(pool, shell):
    script = pool.ok("completion", shell)
    assert "canhazgpu __complete" in script
    if shutil.which(shell):
        assert pool.run_command([shell, "-n"], input=script.encode()).status == 0


# --- The store -------------------------------------------------------------------------------------

ALL_COMMANDS = [["status"], ["run", "--", "true"], ["reserve"], ["release"], ["extend", "1h"],
                ["queue"], ["cancel", "x"], ["report"]]


@pytest.mark.parametrize("words", ALL_COMMANDS, ids=" ".join)
def test_no_pool(bare_pool, words):
    assert_error(bare_pool.run(*words), 1, f"there is no pool on this host yet (no '{bare_pool.path}')",
                 "set it up with: canhazgpu admin")
    assert not bare_pool.path.exists()


ADMIN = ["admin", "--provider", "fake"]
DAMAGES = ["garbage", "short", "newer", "other", "directory", "empty"]


@pytest.mark.parametrize(
    "words, damage",
    # Of an empty file `admin` makes a pool.
    [(words, damage) for words in [*ALL_COMMANDS, ADMIN] for damage in DAMAGES
     if (words, damage) != (ADMIN, "empty")])
def test_a_store_that_is_none(bare_pool, words, damage):
    pool = bare_pool
    if damage == "directory":
        pool.path.mkdir()
    elif damage in ("newer", "other"):
        pool.admin()
        pool.edit("PRAGMA user_version = 99" if damage == "newer" else "PRAGMA application_id = 1")
        pool.keeper.close()
        pool.keeper = None
    else:
        pool.path.write_bytes({"garbage": os.urandom(8192), "short": b"SQLite", "empty": b""}[damage])
    content = b"" if damage == "directory" else pool.path.read_bytes()
    text = {"garbage": "is damaged", "short": "is damaged", "newer": "was made by a newer canhazgpu",
            "other": "is a database of another program", "directory": "", "empty": "no pool"}[damage]
    result = pool.run(*words)
    assert_error(result, 77 if result.status == 77 and damage == "directory" else 1, text)
    if damage != "directory":
        assert pool.path.read_bytes() == content


def test_a_database_of_another_program(bare_pool):
    bare_pool.run_command(["sqlite3", str(bare_pool.path), "CREATE TABLE theirs (x); "
                                                          "INSERT INTO theirs VALUES (1);"])
    content = bare_pool.path.read_bytes()
    for words in (["status"], ["admin", "--provider", "fake"]):
        result = bare_pool.run(*words)
        assert result.status == 1, (words, result)
    assert bare_pool.run_command(["sqlite3", str(bare_pool.path), ".tables"]).out.split() == ["theirs"]
    assert bare_pool.path.read_bytes() == content


def test_an_empty_file_becomes_a_pool(bare_pool):
    """What a killed `admin` may leave, or a careful administrator has touched."""
    bare_pool.path.touch()
    bare_pool.admin()
    assert bare_pool.ok("run", "--", "echo", "ran") == "ran\n"


def test_a_failed_first_admin_leaves_nothing(bare_pool):
    """Else whoever comes next would find a pool that is nobody's."""
    result = bare_pool.run("admin", "--provider", "nvidia", env={"PATH": "/nowhere"})
    assert_error(result, 1, "NVIDIA")
    assert not bare_pool.path.exists()


@pytest.mark.parametrize("part", ["pool.db-lock", "pool.db-bells"])
def test_admin_restores_a_missing_part(pool, users, part):
    path = pool.directory / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    pool.ok("admin")
    pool.ok("reserve", "-g", "8", user=users.a)
    waiter = pool.waiter(user=users.b)
    pool.ok("release", user=users.a)
    assert pool.finish(waiter).out == "started\n"


def test_a_damaged_page(pool):
    pool.ok("reserve", "-g", "2")
    pool.keeper.close()
    pool.keeper = None
    pool.run_command(["sqlite3", str(pool.path), "PRAGMA wal_checkpoint(TRUNCATE)"])
    content = bytearray(pool.path.read_bytes())
    content[1024:] = b"\xa5" * (len(content) - 1024)
    with open(pool.path, "r+b") as file:
        file.write(content)
    for words in (["status"], ["run", "--", "true"]):
        assert_error(pool.run(*words), 1, "is damaged")


@pytest.mark.parametrize("column, value", [("holder", "nonsense"), ("started", "x y z"),
                                           ("gpus", "0,x"), ("kind", "?"), ("ends", "soon")])
def test_a_row_that_makes_no_sense(pool, column, value):
    pool.ok("reserve")
    pool.edit(f"UPDATE pool SET record = json_set(record, '$.{column}', ?) "
              "WHERE field LIKE 'reservation:%'", value)
    result = pool.run("status")
    if result.status != 0:
        assert_error(result, 1, "")


def test_a_store_that_a_user_may_only_read(pool, users):
    for path in [pool.path, *pool.directory.glob("pool.db-[lws]*")]:
        path.chmod(0o644)
    for words in ALL_COMMANDS:
        assert_error(pool.run(*words, user=users.a), 77, f"cannot write the store '{pool.path}'",
                     "ask the administrator")


def test_a_store_that_a_user_may_not_reach(pool, users):
    pool.directory.chmod(0o700)
    for words in ALL_COMMANDS:
        assert_error(pool.run(*words, user=users.a, cwd="/", env={"HOME": "/"}), 77,
                     f"cannot reach the store '{pool.path}'", "ask the administrator")


def test_a_lock_that_is_held(pool):
    """Somebody stopped in the middle of writing: told by pid, after the patience."""
    holder = pool.start(["flock", "--no-fork", pool.directory / "pool.db-lock", "sh", "-c",
                         "echo locked; exec sleep 600"])
    assert pool.read_line(holder) == "locked"
    waiter = pool.popen("reserve")
    result = pool.run("reserve", "--nonblock")
    whose = f"process {holder.pid} (sleep) holds it; is it stopped?"
    assert_error(result, 1, "the store is locked for 10s", whose)
    # Not before the third time: most of it heals by itself.
    said = [waiter.stderr.readline().decode() for _ in range(2)]
    assert "still waiting, trying again: the store is locked for 10s" in said[0], said
    assert said[1] == f"canhazgpu: hint: {whose}\n"
    assert pool.run("status").status == 0  # which has nothing to write
    holder.kill()
    assert pool.finish(waiter).status == 0


def leave_the_end_to_others(pool, job):
    """Without a supervisor it is for the first waiter to write that they have ended."""
    os.kill(pool.identity("supervisor").pid, signal.SIGKILL)
    job.kill()


def test_a_waiter_outlasts_a_store_in_trouble(pool):
    """It keeps its place, says what is wrong once, and goes on when that is over."""
    job = pool.job("--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    other = sqlite3.connect(pool.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    leave_the_end_to_others(pool, job)
    assert waiter.stderr.readline() == (f"canhazgpu: still waiting, trying again: the store "
                                        f"'{pool.path}' is locked by another program\n").encode()
    assert waiter.poll() is None and pool.waiting() == [waiter.request]
    other.execute("ROLLBACK")
    other.close()
    result = pool.finish(waiter)
    assert (result.status, result.out) == (0, "started\n"), result
    assert "trying again" not in result.err


def test_a_waiter_ends_with_its_store(pool):
    job = pool.job("--gpus", "8")
    waiter = pool.waiter("--gpus", "8")
    supervisor = pool.identity("supervisor").pid
    for path in pool.directory.glob("pool.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.kill(supervisor, signal.SIGKILL)
    job.kill()
    assert pool.finish(waiter).status == 1


def test_a_supervisor_ends_with_its_store(pool):
    job = pool.job()
    supervisor = pool.identity("supervisor").pid
    for path in pool.directory.glob("pool.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    job.kill()
    job.wait()
    wait_for(lambda: not is_alive(supervisor), "the supervisor to end")


# --- A full disk -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(bare_pool):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with on_a_disk(bare_pool, "disk", "size=256k") as disk:
        yield disk


def fill(disk):
    try:
        with open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError:
        pass


def test_a_full_disk(bare_pool, small_disk):
    pool = bare_pool
    pool.ok("reserve", "-G", "7", "--duration", "2h")
    job = pool.job("-g", "2")
    before = pool.rows("SELECT * FROM reservation ORDER BY id")
    fill(small_disk)
    # The log may have room for a few more.
    refused = []
    for _ in range(200):
        result = pool.run("run", "-G", "3", "--", "true")
        if result.status != 0:
            refused.append(result)
            break
        wait_for(lambda: 3 not in pool.reserved() or pool.run("status").status != 0)
    assert refused, "the disk did not fill"
    assert refused[0].status == 1 and refused[0].out == ""
    assert "no space left" in refused[0].err.lower(), refused
    # A run that was granted says first, in as many lines, that it tries again.
    said = refused[0].err.splitlines()
    assert len(said) <= (4 if "still waiting, trying again: " in said[0] else 2), said
    # What was there still is, and can be seen.
    assert pool.run("status").status == 0
    assert [row for row in pool.rows("SELECT * FROM reservation ORDER BY id")
            if "3" not in row[6].split(",")] == before
    job.kill()
    job.wait()
    os.unlink(small_disk / "ballast")
    # Its supervisor tries again until it can; whoever looks may be first.
    pool.ok("release")
    wait_for(lambda: pool.run("status").out.count("AVAILABLE") == 8 and pool.reserved() == [])
    assert pool.ok("run", "-g", "8", "--nonblock", "--", "echo", "ran") == "ran\n"
    assert pool.rows("PRAGMA integrity_check") == [("ok",)]
    ids = [row[0] for row in before]
    assert {row[0] for row in pool.usage()} >= set(ids)


def test_the_supervisor_outlasts_a_full_disk(bare_pool, small_disk):
    pool = bare_pool
    job = pool.job("-g", "2")
    fill(small_disk)
    for _ in range(200):
        if pool.run("reserve", "-G", "3", "-d", "1h").status != 0:
            break
        pool.run("release")
    supervisor = pool.identity("supervisor", job_id(pool)).pid
    assert is_alive(supervisor)
    job.kill()
    job.wait()
    os.unlink(small_disk / "ballast")
    wait_for(lambda: not pool.rows("SELECT 1 FROM reservation WHERE kind = 'run'"),
             "the supervisor to try again")


def job_id(pool):
    return pool.value("SELECT id FROM reservation WHERE kind = 'run'")
