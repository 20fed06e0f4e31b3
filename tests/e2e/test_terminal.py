"""`run` on a terminal: programs that are used by hand work as without it, job control included."""

import os
import shutil

import pytest
from conftest import is_alive, wait_for
from terminal import PROMPT, shell


@pytest.fixture
def terminal(pool):
    opened = shell(pool)
    yield opened
    opened.close()


def enter(terminal, line):
    terminal.type(line + "\r")


def status(terminal):
    """$? of what was done last."""
    enter(terminal, "echo status=$?")
    found = int(terminal.expect(r"status=(\d+)\r")[1])
    terminal.expect(PROMPT)
    return found


def test_python_by_hand(pool, terminal):
    enter(terminal, "canhazgpu run -- python3 -q")
    terminal.expect(">>> ")
    assert pool.reserved() == [0]
    enter(terminal, "import os; print(6 * 7, os.environ['CUDA_VISIBLE_DEVICES'], "
                    "os.isatty(0), os.tcgetpgrp(0) == os.getpgrp())")
    terminal.expect("42 0 True True\r")
    terminal.expect(">>> ")
    enter(terminal, "exit(5)")
    terminal.expect(PROMPT)
    assert status(terminal) == 5
    pool.await_free()


def test_a_background_job_may_wait_on_a_terminal_that_stops_those_that_write(pool, terminal):
    pool.ok("reserve", "--gpus", "8")
    enter(terminal, "stty tostop; CANHAZGPU_NONSENSE=1 canhazgpu run -- sh -c "
                    "'grep SigBlk /proc/self/status >mask; exit 3' &")
    terminal.expect("unknown variable 'CANHAZGPU_NONSENSE'")
    terminal.expect("1st in queue, waiting for 1 GPU")
    pool.ok("release")
    terminal.expect("got GPU 0")
    enter(terminal, "wait %1; echo status=$?")
    terminal.expect(r"status=3\r")
    # The command itself is a job like any other.
    assert (pool.directory / "mask").read_text().split() == ["SigBlk:", "0" * 16]


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_less(pool, terminal):
    (pool.directory / "text").write_text("".join(f"line {n}\n" for n in range(1000)))
    enter(terminal, "canhazgpu run -- less text")
    terminal.expect(r"line 20\r\n")
    terminal.type("G")
    terminal.expect(r"line 999\r\n")
    terminal.type("q")
    terminal.expect(PROMPT)
    assert status(terminal) == 0
    pool.await_free()


@pytest.mark.skipif(not shutil.which("vim"), reason="vim is not installed")
def test_vim(pool, terminal):
    before = terminal.attributes()
    enter(terminal, "canhazgpu run -- vim -u NONE -i NONE -n file")
    terminal.expect(r"\[New\]|New File")
    terminal.type("ihello there\x1b")
    terminal.expect("hello there")
    terminal.type(":wq\r")
    terminal.expect(PROMPT)
    assert (pool.directory / "file").read_text() == "hello there\n"
    assert terminal.attributes() == before
    pool.await_free()


def test_ctrl_c_is_the_commands(pool, terminal):
    enter(terminal, "canhazgpu run -- sh -c 'echo go; exec sleep 600'")
    terminal.expect(r"\ngo\r")
    terminal.type("\x03")
    terminal.expect(r"\^C\r\n" + PROMPT)
    assert status(terminal) == 130
    pool.await_free()
    assert [row[6] for row in pool.usage()] == ["finished"]


def test_ctrl_c_may_be_handled_by_the_command(pool, terminal):
    enter(terminal, "canhazgpu run -- bash -c 'trap \"echo caught\" INT; echo go; read line; "
                    "read line; echo got $line'")
    terminal.expect(r"\ngo\r")
    supervisor = pool.identity("supervisor").pid
    terminal.type("\x03")
    terminal.expect(r"caught\r")
    assert is_alive(supervisor) and pool.reserved() == [0]
    enter(terminal, "")
    enter(terminal, "word")
    terminal.expect(r"got (word)?\r")
    pool.await_free()


def test_ctrl_backslash_is_the_commands(pool, terminal):
    enter(terminal, "ulimit -c 0; canhazgpu run -- sh -c 'echo go; exec sleep 600'")
    terminal.expect(r"\ngo\r")
    terminal.type("\x1c")
    terminal.expect(PROMPT)
    assert status(terminal) == 131
    pool.await_free()


def test_job_control(pool, terminal):
    enter(terminal, "canhazgpu run -- sh -c 'echo go; exec cat'")
    terminal.expect(r"\ngo\r")
    enter(terminal, "abc")
    terminal.expect(r"abc\r\nabc\r")
    terminal.type("\x1a")
    terminal.expect(r"Stopped")
    terminal.expect(PROMPT)
    assert status(terminal) == 148
    assert pool.status()[0].startswith("GPU 0: IN USE by root")
    enter(terminal, "fg")
    terminal.expect(r"canhazgpu run.*\r")
    enter(terminal, "def")
    terminal.expect(r"def\r\ndef\r")
    terminal.type("\x04")
    terminal.expect(PROMPT)
    assert status(terminal) == 0
    pool.await_free()


def test_a_job_in_the_background(pool, terminal):
    os.mkfifo(pool.directory / "end")
    enter(terminal, "canhazgpu run -- sh -c 'echo go; read line <end' &")
    terminal.expect(r"(\n|> )go\r")
    enter(terminal, "wait %1; echo ended=$?")
    terminal.expect(r"wait %1; echo ended=\$\?\r")
    (pool.directory / "end").write_text("\n")
    terminal.expect(r"ended=0\r")
    pool.await_free()


@pytest.mark.parametrize("command", ["true", "sh -c 'exit 3'", "cat /dev/null", "no-such-command"])
def test_the_terminal_is_left_as_it_was(pool, terminal, command):
    enter(terminal, "stty -a > before; stty -a | md5sum")
    terminal.expect(r"  -\r")
    terminal.expect(PROMPT)
    enter(terminal, f"canhazgpu run -- {command}")
    terminal.expect(r"\n(canhazgpu: .*\r\n)*" + PROMPT)
    enter(terminal, "stty -a > after; cmp before after && echo same")
    terminal.expect(r"\nsame\r")


def test_ctrl_c_leaves_the_queue(pool, terminal):
    pool.ok("reserve", "--gpus", "8", "--duration", "2h")
    before = terminal.attributes()
    enter(terminal, "canhazgpu run -- echo ran")
    terminal.expect(r"canhazgpu: 1st in queue, waiting for 1 GPU")
    terminal.type("\x03")
    terminal.expect(r"canhazgpu: error: interrupted while waiting \(Interrupt\); left the queue\r\n")
    terminal.expect(PROMPT)
    assert status(terminal) == 130
    assert pool.waiting() == []
    assert terminal.attributes() == before


def test_a_waiter_stopped_and_resumed(pool, terminal):
    pool.ok("reserve", "--gpus", "8", "--duration", "2h")
    enter(terminal, "canhazgpu run -- echo 'ra''n'")
    terminal.expect(r"canhazgpu: 1st in queue")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.expect(PROMPT)
    enter(terminal, "fg")
    terminal.expect(r"canhazgpu run.*\r")
    pool.ok("release")
    terminal.expect(r"canhazgpu: got GPU 0\r\nran\r\n")
    terminal.expect(PROMPT)
    pool.await_free()


def test_hanging_up_the_terminal_ends_a_waiter_and_a_run(pool):
    opened = shell(pool)
    enter(opened, "canhazgpu run -g 8 -- sh -c 'echo go; exec sleep 600'")
    opened.expect(r"\ngo\r")
    waiting = shell(pool)
    enter(waiting, "canhazgpu run -- echo ran")
    waiting.expect(r"1st in queue")
    waiting.close()
    wait_for(lambda: pool.waiting() == [])
    opened.close()
    pool.await_free()


def test_force_asks_on_a_terminal(pool, terminal):
    pool.ok("reserve", "--gpus", "2")
    enter(terminal, "canhazgpu admin --force --gpus 8")
    terminal.expect(r"canhazgpu: --force takes away 2 reservations? and 0 waiting requests; "
                    r"go on\? \[y/N\] |canhazgpu: --force takes away 1 reservation and 0 waiting "
                    r"requests; go on\? \[y/N\] ")
    enter(terminal, "n")
    terminal.expect(r"canhazgpu: error: nothing was changed\r")
    terminal.expect(PROMPT)
    assert len(pool.reserved()) == 2
    enter(terminal, "canhazgpu admin --force --gpus 8")
    terminal.expect(r"\[y/N\] ")
    enter(terminal, "y")
    terminal.expect(r"cleared 1 reservation and 0 waiting requests\r")
    assert pool.reserved() == []


def test_nothing_is_asked_without_a_terminal(pool):
    pool.ok("reserve", "--gpus", "2")
    result = pool.run("admin", "--force", input=b"y\n")
    assert result.status == 1
    assert "confirm it with --yes" in result.err
    assert len(pool.reserved()) == 2
    pool.ok("admin", "--force", "--yes")
    assert pool.reserved() == []
