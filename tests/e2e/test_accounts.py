"""Accounts of a directory service, which may hang, and another's HOME."""

import os
import pathlib
import pwd

import pytest
from conftest import PROGRAM, assert_error

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

STANDIN = pathlib.Path(os.environ.get("CANHAZGPU_STANDIN", pathlib.Path(PROGRAM).parent / "tests/standin"))
ZOE = 54321  # of the stand-in


class Directory:
    """Runs the program on a host whose accounts are also in a directory."""

    def __init__(self, pool, how):
        self.pool = pool
        self.switch = pool.directory / "nsswitch.conf"
        self.switch.write_text("passwd: files standin\ngroup: files standin\n")
        self.env = {"LD_LIBRARY_PATH": str(STANDIN / "nss"), "STANDIN_NSS": how}

    def command(self, *words, uid=ZOE):
        # setpriv and su would ask the directory, too.
        become = "import os, sys; os.setgroups([]); os.setgid(0); os.setuid(int(sys.argv[1])); " \
                 "os.execvp(sys.argv[2], sys.argv[2:])"
        script = 'mount --bind "$0" /etc/nsswitch.conf && exec /usr/bin/python3 -ISc "$@"'
        return ["unshare", "-m", "sh", "-c", script, self.switch, become, uid, *words]

    def run(self, *words, uid=ZOE):
        return self.pool.run_command(self.command(self.pool.program, *words, uid=uid), env=self.env)

    def ok(self, *words, uid=ZOE):
        result = self.run(*words, uid=uid)
        assert result.status == 0, result
        return result.out


@pytest.fixture(params=["answers", "stuck"])
def directory(pool, request):
    assert (STANDIN / "nss/libnss_standin.so.2").exists()
    with pytest.raises(KeyError):
        pwd.getpwuid(ZOE)
    made = Directory(pool, request.param)
    made.name = "zoe" if request.param == "answers" else str(ZOE)
    return made


def test_an_account_whose_name_nobody_tells_goes_by_its_uid(directory):
    directory.ok("reserve", "-G", "2")
    assert directory.ok("run", "-G", "3", "--", "echo", "ran") == "ran\n"
    for uid in (ZOE, 0):
        assert f"GPU 2: IN USE by {directory.name} " in directory.ok("status", uid=uid)
    assert directory.name in directory.ok("report")
    assert "released GPU 2" in directory.ok("release")


def test_a_program_keeps_its_name_where_its_account_has_none(directory):
    """One process of the directory's account, and one of root's."""
    pool = directory.pool
    sleepers = [pool.start(directory.command("sleep", "600", uid=uid), env=directory.env) for uid in (ZOE, 0)]
    while any(pathlib.Path(f"/proc/{sleeper.pid}/comm").read_text() != "sleep\n" for sleeper in sleepers):
        os.sched_yield()
    pool.put_processes(5, *({"pid": sleeper.pid, "memory_mb": 3000} for sleeper in sleepers))
    line = directory.ok("status", uid=0).splitlines()[5]
    assert "WITHOUT RESERVATION" in line and "unknown" not in line, line
    assert f"{directory.name} " in line.replace(",", " ") and "root" in line, line
    assert f"sleep (pid {sleepers[0].pid})" in line or "sleep" in line, line


def test_limits_of_a_group_that_nobody_tells(directory):
    """A limit is not passed over since nobody says whom it binds."""
    directory.pool.policy("limits.group.zoo.gpus=1")
    result = directory.run("reserve", "-g", "2", "--nonblock")
    if directory.name == "zoe":
        assert result.status == 0, result  # whose groups were cleared
    else:
        assert_error(result, 1, "to look up the group 'zoo' took longer than 1s", "getent group zoo")


def test_a_home_of_somebody_else_is_told_once(pool, users):
    """As after su, which keeps HOME."""
    pool.home.chmod(0o700)
    result = pool.run("status", user=users.a)
    assert result.status == 0 and len(result.err.splitlines()) == 1, result
    assert f"cannot look for a configuration file '{pool.home}/.canhazgpu.*' and " in result.err, result
    # Seen, and somebody else's.
    pool.home.chmod(0o755)
    (pool.home / ".config/canhazgpu").mkdir(parents=True)
    for name in (".canhazgpu.yaml", ".config/canhazgpu/config.yaml"):
        (pool.home / name).write_text("run.gpus: 3\n")
        os.chown(pool.home / name, users.b.uid, users.b.gid)
    result = pool.run("status", user=users.a)
    assert result.status == 0 and len(result.err.splitlines()) == 1, result
    assert "which belong to somebody else; to follow one of them, name it with --config" in result.err
