"""The AI models that real processes serve, as `status` names them."""

import sys

import pytest

# A server as vLLM, SGLang and TensorRT-LLM are: it starts the process that computes, says its pid,
# and waits. TITLE is what that one calls itself, without arguments where it is a title; "-c" stands
# for a worker that Python started, and "inner" for a server of its own.
SERVER = f"""#!{sys.executable}
import os, subprocess, sys
title = os.environ["TITLE"]
if title == "inner":
    os.environ["TITLE"] = "VLLM::EngineCore"
    sys.exit(subprocess.call([sys.argv[0], "serve", "Qwen/Qwen3-8B"]))
words, file = [title, "600"], "/bin/sleep"
if "::" in title:
    words, file = [title], "/bin/cat"
if title == "-c":
    code = "from multiprocessing import spawn; import time; time.sleep(600)"
    words, file = [sys.executable, "-c", code, "--multiprocessing-fork"], None
worker = subprocess.Popen(words, executable=file, stdin=subprocess.PIPE)
while words[-1].encode() not in open(f"/proc/{{worker.pid}}/cmdline", "rb").read():
    pass
print(worker.pid, flush=True)
worker.wait()
"""


class Server:
    def __init__(self, pool):
        self.pool = pool
        folder = pool.directory / "server"
        folder.mkdir()
        self.program = folder / "vllm"
        self.program.write_text(SERVER)
        self.program.chmod(0o755)

    def start(self, *arguments, title="VLLM::EngineCore", before=(), gpu=2, name="vllm"):
        """Starts it, and puts what computes for it on the GPU."""
        program = self.program.rename(self.program.with_name(name))
        process = self.pool.start([*before, program, *arguments], env={"TITLE": title})
        pid = int(self.pool.read_line(process))
        self.pool.put_processes(gpu, {"pid": pid, "memory_mb": 8000})

    def model(self, gpu=2):
        return self.pool.status_json()[gpu].get("model")


@pytest.fixture
def server(pool):
    return Server(pool)


@pytest.mark.parametrize("title", ["VLLM::EngineCore", "VLLM::Worker_TP0", "sglang::scheduler_TP0",
                                   "-c"])
def test_a_worker_serves_the_model_of_its_server(pool, server, title):
    server.start("serve", "Qwen/Qwen3-8B", title=title)
    assert server.model() == {"provider": "Qwen", "model": "Qwen/Qwen3-8B"}
    assert "Qwen/Qwen3-8B" in pool.ok("status", "--table")


def test_a_worker_of_a_run_serves_the_model_of_its_command(pool, server):
    server.start("serve", "/model", "--served-model-name", "Qwen3-32B-AWQ", title="VLLM::Worker_TP0",
                 before=[pool.program, "run", "-G", "2", "--"])
    assert server.model()["model"] == "Qwen3-32B-AWQ"


def test_the_first_ancestor_that_tells_a_model_decides(server):
    server.start("serve", "Qwen/Qwen3-32B", title="inner")
    assert server.model()["model"] == "Qwen/Qwen3-8B"


def test_a_worker_that_tells_its_own_model_is_believed(server):
    server.start("serve", "Qwen/Qwen3-8B", title="llama-server -m /m/phi-4.gguf")
    assert server.model()["model"] == "phi-4.gguf"


@pytest.mark.parametrize("title", ["VLLM::EngineCore", "-c", "train"])
@pytest.mark.parametrize("agent", [["aider", "--model", "gpt-4o"],
                                   ["opencode", "run", "--model", "openai/gpt-4o"]])
def test_a_coding_agent_serves_no_model(server, agent, title):
    name, *arguments = agent
    server.start(*arguments, name=name, title=title)
    assert server.model() is None


def test_a_program_with_arguments_of_its_own_serves_nobodys_model(server):
    server.start("serve", "Qwen/Qwen3-8B", title="train")
    assert server.model() is None


def test_no_model_is_invented(server):
    server.start("bench", "throughput")
    assert server.model() is None
