"""Inside one's own reservation one runs in it (semantics.md, 39 to 44)."""

import json
import os
import re
import signal

from conftest import HMS, NO_TIMER, assert_error, comm, is_alive, validate, wait_for

SAY_ID = ("sh", "-c", "echo $CANHAZGPU_RESERVATION; exec sleep 600")
SAY_GPUS = ("sh", "-c", "echo $CUDA_VISIBLE_DEVICES; exec sleep 600")


def outer_run(pool, gpus, *arguments, **options):
    """A run that says its id, and the environment of the processes of its job."""
    job = pool.job("--gpus", str(gpus), *arguments, command=SAY_ID, **options)
    job.id = job.first_line
    return job, {"CANHAZGPU_RESERVATION": job.id}


def reserve(pool, *arguments, **options):
    return json.loads(pool.ok("reserve", *arguments, "--json", **options))


def end(job, number=signal.SIGKILL):
    job.send_signal(number)
    job.wait()


def ids(pool):
    return {row[0] for row in pool.rows("SELECT id FROM reservation")}


def reserved(pool):
    """Those inside have GPUs of the outer ones."""
    return sorted(set(pool.reserved()))


def all_began(pool):
    """Before that, a command does not prove yet that it is of its run."""
    return all(comm(pool.identity("holder", id).pid) != "canhazgpu" for id in ids(pool))


def await_end(pool, id):
    wait_for(lambda: id not in ids(pool), f"{id} to end")


def put_on_gpu(pool, gpu, job, **more):
    pool.put_processes(gpu, {"pid": job.pid, "memory_mb": 5000, "type": "compute", **more})


# --- A run within a run ----------------------------------------------------------------------------


def test_a_run_within_a_run_does_not_wait_for_it(pool):
    command = "canhazgpu run -- printenv CUDA_VISIBLE_DEVICES CANHAZGPU_RESERVATION"
    result = pool.run("run", "--gpus", "8", "--", "sh", "-c", f"echo $CANHAZGPU_RESERVATION; {command}")
    assert result.status == 0 and result.err == "", result
    outer, gpus, inner = result.out.split()
    assert gpus == "0" and re.fullmatch(rf"\w+\.{outer}", inner), result


def test_a_command_that_is_a_run_itself(pool):
    """By exec the same process is the command of both."""
    result = pool.run("run", "--gpus", "2", "--", "canhazgpu", "run", "--", "printenv",
                      "CUDA_VISIBLE_DEVICES")
    assert result.status == 0 and result.out == "0\n", result
    pool.await_free()


def test_each_gets_a_gpu_of_its_own_and_the_next_one_waits(pool):
    pool.policy(*NO_TIMER)
    outer, env = outer_run(pool, 2)
    first = pool.job(command=SAY_GPUS, env=env)
    second = pool.job(command=SAY_GPUS, env=env)
    assert (first.first_line, second.first_line) == ("0", "1")
    third = pool.waiter(env=env, command=("printenv", "CUDA_VISIBLE_DEVICES"))
    fourth = pool.waiter("--gpus", "2", env=env)
    assert third.told == ("canhazgpu: 1st in queue, waiting for 1 GPU inside reservation "
                          f"{outer.id}, none available: GPUs 0 and 1 reserved by you; start "
                          "unknown\n")
    end(second)
    assert pool.finish(third).out == "1\n"
    end(first)
    assert pool.finish(fourth).status == 0
    assert is_alive(outer.pid) and reserved(pool) == [0, 1]


def test_nobody_overtakes_inside(pool):
    outer, env = outer_run(pool, 2)
    first = pool.job(env=env)
    both = pool.waiter("--gpus", "2", env=env)
    assert pool.run("run", "--nonblock", "--", "true", env=env).status == 75
    assert pool.run("run", "--nonblock", "--", "true").status == 0, "the pool is another matter"
    end(first)
    assert pool.finish(both).status == 0


def test_what_the_outer_run_has_not_is_refused(pool):
    outer, env = outer_run(pool, 4)
    assert_error(pool.run("run", "--gpus", "5", "--", "true", env=env), 2,
                 f"5 GPUs can never be granted inside reservation {outer.id}, which has GPUs 0-3",
                 "take others of the pool: canhazgpu run --new --gpus 5 -- COMMAND")
    assert_error(pool.run("run", "--gpu-ids", "3,7", "--", "true", env=env), 2,
                 f"reservation {outer.id}, around this run, does not have GPU 7",
                 "take others of the pool: canhazgpu run --new --gpu-ids 3,7 -- COMMAND")
    assert_error(pool.run("run", "--gpus", "9", "--", "true", env=env), 2, "this host has 8 (0-7)")
    assert_error(pool.run("run", "--gpu-ids", "9", "--", "true", env=env), 2, "unknown GPU '9'")


def test_new_takes_others_of_the_pool(pool):
    outer, env = outer_run(pool, 4)
    result = pool.run("run", "--new", "--gpus", "2", "--", "printenv", "CUDA_VISIBLE_DEVICES",
                      env=env)
    assert result.out == "4,5\n", result
    assert_error(pool.run("run", "--new", "--mine", "--", "true", env=env), 2,
                 "--new contradicts --mine")


def test_reserve_within_a_run_takes_others(pool):
    outer, env = outer_run(pool, 4)
    assert reserve(pool, env=env)["gpu_ids"] == [4]
    assert "." not in reserve(pool, env=env)["reservation_id"]


def test_an_id_that_says_nothing_here(pool, users):
    outer, env = outer_run(pool, 4, user=users.a)
    for id, user in ((outer.id, users.b), ("0123abcd", users.a), (f"x.{outer.id}", users.b)):
        result = pool.run("run", "--nonblock", "--", "printenv", "CUDA_VISIBLE_DEVICES", user=user,
                          env={"CANHAZGPU_RESERVATION": id})
        assert int(result.out) > 3 and result.err == "", result
    end(outer)
    pool.await_free()
    result = pool.run("run", "--", "printenv", "CANHAZGPU_RESERVATION", env=env, user=users.a)
    assert result.status == 0 and "." not in result.out, result


def test_a_run_deeper_inside(pool):
    outer, env = outer_run(pool, 3)
    middle, deeper = outer_run(pool, 2, env=env)
    inner = pool.job(command=SAY_ID, env=deeper)
    assert inner.first_line.endswith("." + middle.id) and middle.id.endswith("." + outer.id)
    assert pool.run("run", "--nonblock", "--gpus", "2", "--", "true", env=deeper).status == 75
    beside = pool.run("run", "--nonblock", "--", "printenv", "CUDA_VISIBLE_DEVICES", env=env)
    assert beside.out == "2\n", beside
    # Where the middle one is over, the one around it counts.
    end(middle)
    end(inner)
    wait_for(lambda: ids(pool) == {outer.id})
    assert pool.run("run", "--nonblock", "--gpus", "3", "--", "true", env=deeper).status == 0


def test_what_guards_an_inner_run_is_not_of_the_outer_job(pool):
    """It outlives the timeout of that one, and gives back what it answers for."""
    slow = "trap \"sleep 0.3; exit\" INT; while :; do sleep 0.1; done"
    inner = f"canhazgpu run --gpus 1 -- sh -c '{slow}'"
    result = pool.run("run", "--gpus", "2", "--timeout", "1s", "--grace", "30s", "--", "sh",
                      "-c", f"{inner}; true")
    assert result.status != 2 and "canhazgpu-super" not in result.err, result
    pool.await_free()
    assert {row[-1] for row in pool.usage()} <= {"timed_out", "finished"}, pool.usage()


def test_leftovers_that_are_ended_leave_the_supervisor_of_another_run(pool, tmp_path):
    """It was started in the job, and guards another one."""
    up = tmp_path / "up"
    other = f"setsid canhazgpu run --new -- sh -c 'echo up > {up}; exec sleep 600' > /dev/null 2>&1 &"
    result = pool.run("run", "--leftovers", "kill", "--grace", "1s", "--", "sh", "-c",
                      f"{other} until test -e {up}; do :; done")
    assert result.status == 0, result
    wait_for(lambda: len(ids(pool)) == 1, "the first run to end")
    assert len(pool.supervisors()) == 1
    pool.ok("release", "--kill", "--gpu-ids", "1")


def test_release_ends_the_outer_run_first(pool):
    """Nothing is begun inside any more while what is inside ends."""
    script = "trap 'sleep 1; exit' INT; while :; do canhazgpu run -- sh -c 'sleep 600'; done"
    job = pool.job("--gpus", "2", command=("sh", "-c", f"echo started; {script}"))
    wait_for(lambda: len(ids(pool)) == 2 and all_began(pool), "the inner run to begin")
    pool.ok("release", "--kill", "--gpu-ids", "0,1")
    pool.await_free()
    assert len(pool.usage()) == 3, pool.usage()
    job.wait()


# --- Ends ------------------------------------------------------------------------------------------


def test_the_outer_command_ends_while_an_inner_run_lives(pool):
    """It has not used its GPU yet: it goes on as a reservation of its own."""
    pool.policy(*NO_TIMER, "leftovers.grace=0")
    outer, env = outer_run(pool, 3)
    inner = pool.job(env=env)
    end(outer)
    await_end(pool, outer.id)
    assert pool.reserved() == [0]
    assert re.match(rf"GPU 0: IN USE by root for {HMS} \(run, last heartbeat", pool.status()[0])
    assert pool.run("run", "--nonblock", "--gpu-ids", "0", "--", "true").status == 75
    assert pool.run("run", "--nonblock", "--gpus", "7", "--", "true").status == 0
    end(inner)
    pool.await_free()


def test_an_inner_run_on_its_gpu_is_a_leftover_of_the_outer_one(pool):
    outer, env = outer_run(pool, 3)
    inner = pool.job(env=env)
    put_on_gpu(pool, 0, inner)
    end(outer)
    wait_for(lambda: "command ended" in pool.status()[1])
    assert pool.reserved() == [0, 0, 1, 2]
    pool.put_processes(0)
    end(inner)
    pool.await_free()


def test_a_waiting_request_goes_to_the_pool(pool):
    pool.policy("leftovers.grace=0")
    outer, env = outer_run(pool, 1)
    inner = pool.job(env=env)
    waiter = pool.waiter(env=env, command=("printenv", "CUDA_VISIBLE_DEVICES"))
    end(outer)
    assert pool.finish(waiter).out == "1\n"


def test_kill_ends_the_runs_inside(pool):
    outer, env = outer_run(pool, 2)
    inner = pool.job(command=("env", "--default-signal=INT", "sh", "-c", "echo started; sleep 600"),
                     env=env)
    assert pool.ok("release", "--kill", "--gpu-ids", "1") == "released GPUs 0 and 1\n"
    assert outer.wait() == -signal.SIGINT and inner.wait() == -signal.SIGINT
    wait_for(lambda: not ids(pool))
    assert {row[-1] for row in pool.usage()} == {"killed"}


def test_the_timeout_of_the_outer_run_ends_those_inside(pool):
    outer, env = outer_run(pool, 2, "--timeout", "0.5s")
    inner = pool.job(command=("sh", "-c", "echo started; exec setsid sleep 600"), env=env)
    outer.wait(), inner.wait()
    pool.await_free()


def test_a_killed_supervisor_inside(pool):
    outer, env = outer_run(pool, 1)
    inner = pool.job(env=env)
    (id,) = ids(pool) - {outer.id}
    supervisor = pool.identity("supervisor", id)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor.pid))
    assert pool.run("run", "--nonblock", "--", "true", env=env).status == 75
    end(inner)
    assert pool.run("run", "--", "true", env=env).status == 0


def test_what_an_inner_run_leaves(pool):
    """The user is not told to release all that is around it."""
    pool.policy("leftovers.grace=1h", *NO_TIMER)
    outer, env = outer_run(pool, 1)
    result = pool.run("run", "--", "sh", "-c", "sleep 600 </dev/null >/dev/null 2>&1 &", env=env)
    command = re.search(r"GPU 0 stays reserved for you for 1h, .*; end the process: (kill \d+)\n", result.err)[1]
    assert pool.run_command(command.split()).status == 0
    wait_for(lambda: ids(pool) == {outer.id})


def test_cancelled_inside(pool):
    outer, env = outer_run(pool, 1)
    inner = pool.job(env=env)
    waiter = pool.waiter(env=env)
    assert waiter.request.endswith("." + outer.id)
    pool.ok("cancel", waiter.request)
    assert pool.finish(waiter).status == 130


# --- On what one has reserved by hand --------------------------------------------------------------


def test_named_gpus_of_a_manual_reservation(pool):
    manual = reserve(pool, "--gpus", "3")
    run = pool.job("--gpu-ids", "1", command=SAY_ID)
    assert run.first_line.endswith("." + manual["reservation_id"])
    assert pool.run("run", "--nonblock", "--gpu-ids", "1", "--", "true").status == 75
    assert pool.run("run", "--nonblock", "--gpu-ids", "0,2", "--", "true").status == 0
    end(run)
    await_end(pool, run.first_line)
    assert reserved(pool) == [0, 1, 2]


def test_mine(pool):
    assert_error(pool.run("run", "--mine", "--", "true"), 1,
                 "you have no manual reservation of 1 GPU to run in",
                 "reserve with: canhazgpu reserve --gpus 1; or leave --mine out")
    reserve(pool, "--gpus", "3")
    first = pool.job("--mine", command=SAY_GPUS)
    second = pool.run("run", "--mine", "--gpus", "2", "--", "printenv", "CUDA_VISIBLE_DEVICES")
    assert (first.first_line, second.out) == ("0", "1,2\n")
    assert_error(pool.run("run", "--mine", "--gpus", "4", "--", "true"), 1,
                 "you have no manual reservation of 4 GPUs to run in")
    assert_error(pool.run("run", "--mine", "--gpu-ids", "2,3", "--", "true"), 1,
                 "you have no manual reservation of GPUs 2 and 3 to run in")


def test_others_do_not_run_in_it(pool, users):
    reserve(pool, user=users.a)
    reserve(pool, "--user", "ann", user=users.b)
    for options in (("--gpu-ids", "0"), ("--gpu-ids", "1")):
        assert pool.run("run", "--nonblock", *options, "--", "true", user=users.b).status == 75
    assert pool.run("run", "--mine", "--", "true", user=users.b).status == 1
    assert pool.run("run", "--mine", "--user", "ann", "--", "true", user=users.b).status == 0


def test_a_plain_run_takes_others_and_is_told_of_its_own(pool):
    reserve(pool, "--gpus", "7")
    assert pool.ok("run", "--", "printenv", "CUDA_VISIBLE_DEVICES") == "7\n"
    pool.await_no_supervisors()
    refused = pool.run("run", "--nonblock", "--gpus", "2", "--", "true")
    assert_error(refused, 75, "GPUs 0-6 reserved by you until",
                 "run in what you have reserved: canhazgpu run --mine --gpus 2 -- COMMAND")
    waiter = pool.waiter("--gpus", "2")
    assert "1 available: GPUs 0-6 reserved by you until" in waiter.told, waiter.told
    assert waiter.stderr.readline().decode() == (
        "canhazgpu: hint: run in what you have reserved: canhazgpu run --mine --gpus 2 -- COMMAND\n")
    # Whoever else looks is told whose they are.
    assert "reserved by root" in pool.queue_json()["entries"][0]["reason"]
    assert pool.run("run", "--mine", "--gpus", "2", "--", "true").status == 0


def test_who_has_only_a_run_is_not_sent_there(pool):
    pool.job("--gpus", "8")
    refused = pool.run("run", "--nonblock", "--", "true")
    assert_error(refused, 75, "GPUs 0-7 reserved by you", "leave --nonblock out")


def test_the_run_goes_on_when_the_reservation_is_released(pool):
    reserve(pool, "--gpus", "3")
    run = pool.job("--gpu-ids", "1", command=SAY_ID)
    result = pool.run("release", "--gpu-ids", "1,2")
    assert result.out == "released GPU 2; GPU 1 stays reserved until the run inside ends\n", result
    assert result.err == ("canhazgpu: end that run with: canhazgpu release --kill --gpu-ids 1\n")
    assert pool.run("run", "--nonblock", "--gpu-ids", "1", "--", "true").status == 75
    assert pool.ok("release", "--gpu-ids", "0") == "released GPU 0\n"
    assert "(run, last" in pool.status()[1]
    assert pool.ok("release", "--kill", "--gpu-ids", "1") == "released GPU 1\n"
    run.wait()
    pool.await_free()


def test_release_of_all_tells_what_goes_on(pool):
    reserve(pool, "--gpus", "2")
    pool.job("--gpu-ids", "1")
    result = pool.run("release")
    assert result.out == "released GPU 0; GPU 1 stays reserved until the run inside ends\n", result
    assert result.err == ("canhazgpu: 1 live run of yours goes on; end with: canhazgpu release "
                          "--kill\n")


def test_a_run_leaves_with_all_its_gpus(pool):
    reserve(pool, "--gpus", "3")
    pool.job("--gpu-ids", "1,2")
    assert_error(pool.run("release", "--gpu-ids", "2"), 1,
                 "nothing was released: a run inside uses GPUs 1 and 2 together",
                 "name them all: canhazgpu release --gpu-ids 1,2")


def test_the_run_goes_on_when_the_reservation_expires(pool):
    manual = reserve(pool, "--gpus", "2", "--duration", "2s")
    run = pool.job("--gpu-ids", "1")

    def has_expired():
        pool.status()
        return manual["reservation_id"] not in ids(pool)

    wait_for(has_expired)
    assert pool.reserved() == [1]
    assert pool.run("run", "--nonblock", "--gpu-ids", "1", "--", "true").status == 75
    end(run)
    pool.await_free()


# --- Views and accounts ----------------------------------------------------------------------------


def test_views_show_it(pool):
    outer, env = outer_run(pool, 1)
    inner = pool.job("--note", "sweep 3", command=SAY_ID, env=env)
    waiter = pool.waiter(env=env)
    put_on_gpu(pool, 0, inner, reservation_id=inner.first_line)
    lines = pool.status()
    assert re.search(rf"validated: 5000MB, 1 processes\] run inside for {HMS}$", lines[0]), lines
    assert "run inside" in pool.ok("status", "--table")
    gpu = validate(pool.status_json(), "status")[0]
    assert gpu["reservation_id"] == outer.id
    assert [run["reservation_id"] for run in gpu["inner"]] == [inner.first_line]
    assert gpu["inner"][0]["note"] == "sweep 3" and "foreign" not in gpu
    entry = validate(pool.queue_json(), "queue")["entries"][0]
    assert entry["within"] == outer.id and entry["id"] == waiter.request
    end(inner)
    pool.finish(waiter)
    lines = pool.ok("events", "--json").splitlines()
    told = [validate(json.loads(line), "event") for line in lines]
    assert {event["within"] for event in told if "." in event.get("id", "")} == {outer.id}
    assert f"inside {outer.id}" in pool.ok("events")


def test_no_hour_counts_twice(pool):
    outer, env = outer_run(pool, 2)
    for _ in range(2):
        pool.ok("run", "--", "true", env=env)
    inner = pool.job("--gpus", "2", env=env)
    report = json.loads(pool.ok("report", "--json"))
    assert report["total_reservations"] == 1, report
    end(inner)
    end(outer)
    pool.await_free()
    report = json.loads(pool.ok("report", "--json"))
    assert report["total_reservations"] == 1, report


def test_limits_count_the_outer_run_alone(pool):
    pool.policy("limits.gpus=4")
    outer, env = outer_run(pool, 3)
    inner = pool.job("--gpus", "3", env=env)
    assert pool.run("run", "--nonblock", "--", "true").status == 0
    assert pool.run("run", "--nonblock", "--gpus", "2", "--", "true").status == 75
    end(inner)
    pool.policy("limits.gpus=1")
    assert pool.run("run", "--gpus", "3", "--", "true", env=env).status == 0


def test_a_backup_has_both(pool, tmp_path):
    outer, env = outer_run(pool, 2)
    pool.job(env=env)
    pool.ok("store", "backup", tmp_path / "saved")
    copied, restored = {}, {}
    for name, env in (("copied", copied), ("restored", restored)):
        env["CANHAZGPU_STORE"] = f"sqlite:{tmp_path / name}.db"
    pool.ok("store", "restore", tmp_path / "saved", env=restored)
    pool.ok("store", "copy", f"sqlite:{pool.path}", copied["CANHAZGPU_STORE"])
    for env in (copied, restored):
        gpu = pool.status_json(env=env)[0]
        assert gpu["reservation_id"] == outer.id and len(gpu["inner"]) == 1, env
