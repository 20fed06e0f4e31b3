"""What is said can be said anywhere: to a terminal, which interprets some of it, to a shell, into which
people paste it, and to nobody at all."""

import fcntl
import json
import os
import signal
import subprocess

import pytest
from conftest import assert_error, full_pipe, wait_for

# What a terminal would obey: a colour, a title, a bell, a second line, the writing direction.
OUTSIDE = "\x1b[31mred\x1b]0;title\x07\r\nGPU 0: AVAILABLE\u202e\x9b"
SHOWN = "\\x1b[31mred\\x1b]0;title\\x07\\r\\nGPU 0: AVAILABLE\\u{202e}\\x9b"


def assert_harmless(*texts):
    for text in texts:
        assert not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], repr(text)
        assert "\u202e" not in text


# --- To a terminal --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["status"], ["status", "--table"], ["status", "--summary"], ["doctor"],
                                   ["run", "--", "true"], ["reserve"]], ids=" ".join)
def test_what_a_probe_says_is_made_safe(pool, words):
    pool.edit_gpus(error=OUTSIDE)
    result = pool.run(*words)
    assert_harmless(result.out, result.err)
    assert SHOWN in result.out + result.err, result


@pytest.mark.parametrize("words, status", [
    (["--config", OUTSIDE, "status"], 2),
    (["--store", OUTSIDE, "status"], 2),
    (["--store", "sqlite:/" + OUTSIDE, "status"], 1),
    (["--redis-host", OUTSIDE, "status"], 2),
    (["--store", "redis+unix:///" + OUTSIDE, "status"], 1),
    (["run", "--", "./" + OUTSIDE], 127),
    (["store", "backup", OUTSIDE + "/x"], 1),
    (["store", "restore", OUTSIDE], 1),
    (["policy", "apply", OUTSIDE + ".yaml"], 1),
    (["release", "--gpu-ids", OUTSIDE], 2),
    (["cancel", OUTSIDE], 1),
    (["reserve", "--duration", OUTSIDE], 2)], ids=lambda value: str(value)[:20] + "…")
def test_what_was_typed_is_made_safe(pool, words, status):
    result = pool.run(*words)
    assert result.status == status and result.out == "", result
    assert_harmless(result.err)
    assert "\\x1b[31mred" in result.err or "%1B%5B31mred" in result.err, result
    assert len(result.err.splitlines()) <= 2, result


def test_colours_stay_colours(pool):
    config = pool.home / ".canhazgpu.yaml"
    config.write_text("color: always\n")
    pool.ok("reserve", "-G", "1", "--note", OUTSIDE, "--user", "a\x1b[32mb")
    out = pool.ok("status")
    assert "\x1b[32m" in out and out.count("\x1b[0m") == out.count("\x1b[") / 2
    for line in out.splitlines():
        assert_harmless(line.replace("\x1b[32m", "").replace("\x1b[33m", "").replace("\x1b[31m", "")
                        .replace("\x1b[2m", "").replace("\x1b[0m", ""))
    assert "a\\x1b[32mb" in out


def test_json_stays_json(pool):
    pool.ok("reserve", "-G", "1", "--note", OUTSIDE, "--user", OUTSIDE)
    out = pool.ok("status", "--json")
    assert_harmless(out)
    assert json.loads(out)[1]["note"] == OUTSIDE
    event = pool.ok("events", "--json").splitlines()[-1]
    assert_harmless(event)
    assert json.loads(event)["label"] == OUTSIDE


# --- Into a shell ---------------------------------------------------------------------------------------

NASTY = ["'x'; touch P; echo ''", "it's mine", "two words", "$(touch P)", "`touch P`", "-x", "--help", "a\nb",
         "\x1b[31m", "!!", "\\", "~root", "*", "ä", ""]


def typed(pool, command, **options):
    """What a shell makes of it."""
    return pool.run_command(["bash", "-c", command], **options)


@pytest.mark.parametrize("label", [label for label in NASTY if label])
def test_a_label_in_a_hint_may_be_pasted(pool, label):
    pool.ok("reserve", "-G", "3", "--user", label)
    told = pool.run("release")
    assert told.out == "nothing to release\n", told
    command = told.err.splitlines()[0].split("give it back with: ")[1]
    result = typed(pool, command)
    assert (result.status, result.out) == (0, "released GPU 3\n"), (command, result)
    assert not (pool.directory / "P").exists()


@pytest.mark.parametrize("value", NASTY)
def test_a_value_in_a_hint_may_be_pasted(pool, value):
    result = pool.run("status", env={"CANHAZGPU_CONTACT": value})
    if value == "":
        return
    command = result.err.splitlines()[0].split("set it with: sudo ")[1]
    result = typed(pool, command)
    assert result.status in (0, 2), (command, result)
    assert not (pool.directory / "P").exists()
    if result.status == 0:
        assert json.loads(pool.ok("policy", "--json"))["contact"] == value


@pytest.mark.parametrize("name", [name for name in NASTY if name and "\n" not in name])
def test_a_file_in_a_hint_may_be_pasted(pool, name):
    """chmod, for a command that is not executable."""
    folder = pool.directory / "a folder"
    folder.mkdir()
    script = folder / name
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o644)
    for word in (str(script), f"./{name}"):
        script.chmod(0o644)
        result = pool.run("run", "--", word, cwd=folder)
        assert result.status == 126, result
        command = result.err.splitlines()[1].split("make it executable: ")[1].split("; or name its")[0]
        assert typed(pool, command, cwd=folder).status == 0, command
        assert pool.ok("run", "--", word, cwd=folder) == "ran\n"
    assert not (folder / "P").exists()


@pytest.mark.parametrize("word", [word for word in NASTY if word and not word.startswith("-")])
def test_a_command_in_a_hint_may_be_pasted(pool, word):
    result = pool.run("run", word)
    assert result.status == 2, result
    command = result.err.splitlines()[1].split("before your command: ")[1]
    assert typed(pool, command).status in (126, 127), command
    assert not (pool.directory / "P").exists()


def test_the_line_to_copy_names_only_gpus(pool):
    """Whoever writes the store, or makes up a GPU, writes no command."""
    pool.edit_gpus(lambda gpus: gpus[2].update(
        uuid="GPU-1; touch P", parts=[{"uuid": "MIG-1'; touch P; echo '"}]))
    pool.ok("admin", "--force", "--yes", "--gpus", "8")
    result = pool.run("reserve", "-G", "2")
    if result.status == 0:
        line = [line for line in result.out.splitlines() if line.startswith("export")][0]
        subprocess.run(["sh", "-c", line], cwd=pool.directory, check=True)
    assert not (pool.directory / "P").exists()


# --- To nobody ------------------------------------------------------------------------------------------

FORMS = [["reserve"], ["reserve", "--short"], ["reserve", "--json"], ["reserve", "-g", "3"]]


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
@pytest.mark.parametrize("output", [">/dev/full", ">&-", ">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_what_could_not_be_told_is_given_back(pool, words, output):
    for _ in range(3):
        result = pool.run_command(["sh", "-c", f'exec "$@" {output}', "sh", pool.program, *words])
        assert result.status == 1, result
        if "2>" not in output:
            assert_error(result, 1, "cannot write the output", "given back")
        assert pool.reserved() == []
    assert json.loads(pool.ok("events", "--json").splitlines()[-1])["event"] == "withdrawn"
    assert pool.usage() == []


def test_what_the_reader_of_a_pipe_does_not_hear_is_given_back(pool):
    process = pool.popen("reserve", "--gpus", "2")
    process.stdout.close()
    process.stdout = None
    result = pool.finish(process)
    assert_error(result, 1, "cannot write the output: Broken pipe", "GPUs 0 and 1 were given back")
    assert pool.reserved() == []


def test_what_is_given_back_goes_to_who_waits(pool):
    """The one who waits gets what nobody was told of."""
    pool.ok("reserve", "-g", "8")
    with open("/dev/full", "wb") as full:
        deaf = pool.waiter("-g", "8", kind="reserve", stdout=full)
        waiter = pool.waiter("-g", "8")
        pool.ok("release")
        assert pool.finish(deaf).status == 1
    assert pool.finish(waiter).out == "started\n"


def test_what_cannot_be_given_back_either_is_named(pool):
    """Its reader goes away while somebody holds the lock of the store."""
    reader, writer = full_pipe()
    process = pool.popen("reserve", "-G", "7", stdout=writer)
    os.close(writer)
    wait_for(lambda: pool.reserved() == [7], "the reservation")
    with open(f"{pool.path}-lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(reader)
        result = pool.finish(process)
    assert_error(result, 1, "cannot write the output: Broken pipe", "GPU 7 stays reserved for you")
    command = result.err.splitlines()[1].split("give back with: ")[1]
    assert typed(pool, command).out == "released GPU 7\n"


@pytest.mark.parametrize("words", [["release"], ["extend", "1h"], ["policy", "set", "limits.gpus=4"],
                                   ["admin", "--drain", "5"]], ids=" ".join)
def test_a_change_that_cannot_be_told_is_told_to_stand(pool, words):
    pool.ok("reserve", "-G", "3", "--duration", "1h")
    before = len(pool.events())
    with open("/dev/full", "wb") as full:
        assert_error(pool.run(*words, stdout=full), 1, "cannot write the output: No space left on device",
                     "it is done all the same; see what stands: canhazgpu status")
    assert len(pool.events()) > before


def test_a_run_needs_nobody_to_hear_it(pool):
    """Its own words are not those of the command."""
    process = pool.run_command(["sh", "-c", 'exec "$@" 2>&-', "sh", pool.program, "run", "--", "echo", "ran"])
    assert (process.status, process.out) == (0, "ran\n"), process
    pool.await_free()


def test_a_view_whose_reader_goes_ends_as_others_do(pool):
    process = pool.popen("status")
    process.stdout.close()
    process.stdout = None
    assert process.wait() in (-signal.SIGPIPE, 0)
