"""A supervisor lives for months: after 10,000 heartbeats it has leaked nothing."""

import os
import shutil
import subprocess
import tempfile

import pytest
from chaos import IS_LONG
from conftest import IS_SANITIZED, show

HEARTBEATS = os.environ.get("CHAOS_HEARTBEATS", "")
COUNT = 10_000


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="canhazgpu-chaos-")
    yield path
    shutil.rmtree(path)


def live(*words, env=None):
    result = subprocess.run([*words], env={**os.environ, **(env or {})}, capture_output=True,
                            text=True, timeout=3000)
    assert result.returncode == 0, (result.stdout, result.stderr)
    show(result.stdout.strip().splitlines()[-1])


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer keeps what was freed")
def test_nothing_grows(folder):
    """With the embedded store, which is opened and closed for each heartbeat."""
    live(HEARTBEATS, str(COUNT if IS_LONG else COUNT // 10), folder)


VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
            "--show-leak-kinds=definite,possible", "--track-fds=no", "--error-exitcode=9"]


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer is no program for valgrind")
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_valgrind_finds_no_leak(folder, store):
    if store == "sqlite" and not IS_LONG:
        pytest.skip("only in a long run: takes minutes")
    live(*VALGRIND, HEARTBEATS, str(COUNT), *([folder] if store == "sqlite" else []),
         env={"RUNNING_UNDER_VALGRIND": "1"})
