"""Fixtures of the chaos tests: how long, with which seed, on which store; and a pool on each.

CHAOS_SECONDS  how long each storm rages, and whether every step is walked (from 60 on)
CHAOS_SEED     a number; else one that is told with each failure
CHAOS_STORE    sqlite, redis, or both
"""

import os
import random
import shutil
import tempfile

import pytest
from conftest import binaries, users  # noqa: F401 (fixtures)
from views import POOLS

SECONDS = float(os.environ.get("CHAOS_SECONDS", "0"))
IS_LONG = SECONDS >= 60
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
STORE = os.environ.get("CHAOS_STORE", "both")


def pytest_report_header():
    return f"chaos: CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g} CHAOS_STORE={STORE}"


def pytest_runtest_logreport(report):
    if report.failed:
        report.sections.append(("chaos", f"again with: scripts/chaos --seed {SEED} "
                                         f"--seconds {SECONDS:g} --store {STORE}"))


def make_pool(store, binaries):
    directory = tempfile.mkdtemp(prefix="canhazgpu-chaos-")
    os.chmod(directory, 0o755)
    return POOLS[store](directory, binaries)


@pytest.fixture
def choice(request):
    """The same choices for the same seed and test."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(params=["sqlite", "redis"])
def bare_chaos_pool(request, binaries):
    """A pool of this store that `admin` has still to set up."""
    if STORE not in ("both", request.param):
        pytest.skip(f"only {STORE} was asked for")
    if request.param == "redis" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    pool = make_pool(request.param, binaries)
    try:
        yield pool
    finally:
        pool.close()
        shutil.rmtree(pool.directory)


@pytest.fixture
def chaos_pool(bare_chaos_pool):
    bare_chaos_pool.admin()
    if bare_chaos_pool.store == "sqlite":
        bare_chaos_pool.database()
    return bare_chaos_pool
