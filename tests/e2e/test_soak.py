"""A short soak; scripts/soak runs longer ones."""

import subprocess

from conftest import PATIENCE, PROGRAM, REPOSITORY, show
from redis_pool import pytestmark  # noqa: F401


def test_nothing_is_lost_or_given_twice_while_servers_come_and_go():
    result = subprocess.run([REPOSITORY / "scripts/soak", "--seconds", "8", "--clients", "10",
                             "--seed", "7", "--program", PROGRAM], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=10 * PATIENCE)
    said = result.stdout.decode(errors="replace")
    assert result.returncode == 0, said
    show("soak: " + " ".join(said.split()))
