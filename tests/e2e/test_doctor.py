"""`doctor`: what is found, what is wrong, what to do."""

import re

from conftest import assert_error


def line_of(text, subject):
    found = [line for line in text.splitlines() if line.split()[1:2] == [subject]]
    assert found, text
    return found[0]


def test_a_sound_pool(pool):
    out = pool.ok("doctor")
    assert re.match(r"canhazgpu \d+\.\d+\.\d+, as uid 0\n", out)
    assert re.fullmatch(rf"ok +store +{pool.path}, a change takes [0-9.]+ ms", line_of(out, "store"))
    assert line_of(out, "pool").endswith(
        "8 GPUs of fake, 0 out of service, 0 reservations, 0 waiting")
    assert re.search(r"8 GPUs with fake in [0-9.]+ ms$", line_of(out, "reading"))
    assert out.endswith("\nnothing is wrong\n")


def test_no_pool(bare_pool):
    result = bare_pool.run("doctor", env={"PATH": "/nowhere"})
    assert result.status == 1 and result.err == ""
    assert line_of(result.out, "store").startswith("BAD ")
    assert "-> set it up with: canhazgpu admin" in result.out
    assert line_of(result.out, "driver").startswith("BAD ")
    assert "admin --provider fake" in result.out
    assert result.out.endswith(" to mend\n")
    assert not bare_pool.path.exists()


def test_a_broken_gpu_and_a_probe_that_fails(pool):
    pool.edit_gpus(lambda gpus: gpus[3].update(error="GPU is lost"))
    result = pool.run("doctor")
    assert result.status == 1
    assert "GPU 3: GPU is lost" in result.out and "admin --drain 3" in result.out
    pool.edit_gpus(error="the driver is gone")
    result = pool.run("doctor")
    assert "BAD   reading    the driver is gone" in result.out


def test_who_may_not_write_the_store(pool, users):
    pool.path.chmod(0o644)
    result = pool.run("doctor", user=users.a)
    assert result.status == 1
    assert "cannot write the store" in line_of(result.out, "store")
    assert "-> ask the administrator for access to it" in result.out


def test_it_changes_nothing(pool):
    pool.ok("reserve", "-g", "2")
    before = list(pool.database().iterdump())
    pool.ok("doctor")
    assert list(pool.database().iterdump()) == before


def test_wrong_usage(pool):
    assert_error(pool.run("doctor", "please"), 2, "unexpected word 'please'")


def test_what_has_just_ended_is_not_counted(pool):
    """Nobody has noticed it before this command."""
    pool.ok("reserve", "--duration", "1h")
    pool.edit("UPDATE reservation SET ends = CAST(substr(started, 1, instr(started, ' ')) AS INTEGER)")
    assert line_of(pool.run("doctor").out, "pool").endswith(", 0 reservations, 0 waiting")


def test_one_is_no_plural(bare_pool):
    bare_pool.admin(1)
    bare_pool.ok("reserve")
    out = bare_pool.run("doctor").out
    assert line_of(out, "pool").endswith("1 GPU of fake, 0 out of service, 1 reservation, 0 waiting")
    assert re.search(r" 1 GPU with fake in ", out)
    assert_error(bare_pool.run("admin", "--gpus", "2"), 1, "--gpus 2 contradicts the 1 GPU found here")
    assert_error(bare_pool.run("run", "-g", "2", "--", "true"), 2,
                 "2 GPUs can never be granted: this host has 1 (0)")
