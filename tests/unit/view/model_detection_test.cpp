#include "view/model_detection.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

struct Case {
  const char* command_line;
  const char* provider;  // nullptr: no model
  const char* model;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    SCOPED_TRACE(test.command_line);
    const auto detected = detect_model(test.command_line);
    if (test.provider == nullptr) {
      EXPECT_EQ(detected, std::nullopt) << full_name(*detected);
      continue;
    }
    const DetectedModel expected{test.provider, test.model};
    EXPECT_EQ(detected, expected) << (detected ? full_name(*detected) : "none");
  }
}

TEST(ModelDetection, ReadsVllm) {
  expect_all({
      {"vllm serve meta-llama/Llama-3.1-8B-Instruct", "meta-llama", "Llama-3.1-8B-Instruct"},
      {"/usr/bin/python3 /usr/local/bin/vllm serve Qwen/Qwen2.5-72B-Instruct "
       "--tensor-parallel-size 4 --port 8000",
       "Qwen", "Qwen2.5-72B-Instruct"},
      {"/opt/venv/bin/python3.11 /opt/venv/bin/vllm serve --port 8000 openai/gpt-oss-120b",
       "openai", "gpt-oss-120b"},
      {"vllm serve --model mistralai/Mixtral-8x7B-v0.1 --dtype bfloat16", "mistralai",
       "Mixtral-8x7B-v0.1"},
      {"vllm serve /data/models/my-finetune/ --served-model-name prod", "local", "my-finetune"},
      {"python3 -m vllm.entrypoints.openai.api_server --host 0.0.0.0 --model "
       "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B --max-model-len 8192",
       "deepseek-ai", "DeepSeek-R1-Distill-Qwen-32B"},
      {"python -u -m vllm.entrypoints.api_server --model=facebook/opt-125m", "facebook",
       "opt-125m"},
      {"CUDA_VISIBLE_DEVICES=0,1 HF_HOME=/data/hf vllm serve google/gemma-3-27b-it", "google",
       "gemma-3-27b-it"},
      {"bash -c vllm serve Qwen/Qwen3-8B", "Qwen", "Qwen3-8B"},
      {"uv run vllm serve Qwen/Qwen3-0.6B", "Qwen", "Qwen3-0.6B"},
      {"VLLM_USE_V1=1 canhazgpu run --gpus 2 -- vllm serve openai/whisper-large-v3 --port 8123",
       "openai", "whisper-large-v3"},
      {"/usr/local/bin/chg run -- python train.py", nullptr, nullptr},
      {"canhazgpu run vllm serve Qwen/Qwen3-8B", nullptr, nullptr},
      {"numactl --cpunodebind=0 nice -n 10 vllm serve Qwen/Qwen3-0.6B", "Qwen", "Qwen3-0.6B"},
  });
}

TEST(ModelDetection, ReadsOtherServers) {
  expect_all({
      {"python3 -m sglang.launch_server --model-path meta-llama/Meta-Llama-3-70B --tp 8",
       "meta-llama", "Meta-Llama-3-70B"},
      {"sglang serve --model-path=Qwen/QwQ-32B", "Qwen", "QwQ-32B"},
      {"text-generation-launcher --model-id bigscience/bloom-560m --num-shard 2", "bigscience",
       "bloom-560m"},
      {"/opt/conda/bin/python3.10 /opt/conda/bin/text-generation-server serve "
       "tiiuae/falcon-7b-instruct --sharded --dtype float16",
       "tiiuae", "falcon-7b-instruct"},
      {"text-embeddings-router --model-id BAAI/bge-large-en-v1.5 --port 80", "BAAI",
       "bge-large-en-v1.5"},
      {"trtllm-serve TinyLlama/TinyLlama-1.1B-Chat-v1.0 --port 8000", "TinyLlama",
       "TinyLlama-1.1B-Chat-v1.0"},
      {"mpirun -n 2 --allow-run-as-root trtllm-serve serve nvidia/Llama-3.1-8B-FP8", "nvidia",
       "Llama-3.1-8B-FP8"},
      {"lmdeploy serve api_server internlm/internlm2_5-7b-chat --server-port 23333", "internlm",
       "internlm2_5-7b-chat"},
      {"infinity_emb v2 --model-id BAAI/bge-small-en-v1.5", "BAAI", "bge-small-en-v1.5"},
      {"python3 -m fastchat.serve.model_worker --model-path lmsys/vicuna-7b-v1.5", "lmsys",
       "vicuna-7b-v1.5"},
  });
}

TEST(ModelDetection, ReadsLlamaCppAndOllama) {
  expect_all({
      {"llama-server -m /srv/gguf/llama-3-8b.Q4_K_M.gguf -ngl 99", "local",
       "llama-3-8b.Q4_K_M.gguf"},
      {"./build/bin/llama-cli --model models/qwen2.5-7b-q8_0.gguf -p hello", "local",
       "qwen2.5-7b-q8_0.gguf"},
      {"llama-server -hf ggml-org/gemma-3-1b-it-GGUF:Q4_K_M", "ggml-org",
       "gemma-3-1b-it-GGUF:Q4_K_M"},
      {"./server -m ./models/mistral.gguf --host 0.0.0.0", "local", "mistral.gguf"},
      {"python3 -m llama_cpp.server --model ./phi-2.gguf", "local", "phi-2.gguf"},
      {"/usr/local/bin/ollama runner --model /usr/share/ollama/.ollama/models/blobs/"
       "sha256-6a0746a1ec1aef3e7ec53868f220ff6e389f6f8ef87a01d77c96807de94ca2aa --ctx-size 8192",
       "local", "sha256-6a0746a1ec1a"},
      {"whisper-server -m models/ggml-large-v3.bin", "local", "ggml-large-v3.bin"},
  });
}

TEST(ModelDetection, ReadsEvaluationsAndTraining) {
  expect_all({
      {"lm_eval --model hf --model_args pretrained=EleutherAI/gpt-j-6B,dtype=float16 --tasks "
       "hellaswag",
       "EleutherAI", "gpt-j-6B"},
      {"accelerate launch -m lm_eval --model vllm --model_args dtype=auto,pretrained=Qwen/Qwen3-4B",
       "Qwen", "Qwen3-4B"},
      {"/usr/bin/python3 /usr/local/bin/lm_eval --model=hf --model_args=pretrained=gpt2", "",
       "gpt2"},
      {"torchrun --nproc_per_node 8 finetune.py --model_name_or_path meta-llama/Llama-2-7b-hf "
       "--output_dir out",
       "meta-llama", "Llama-2-7b-hf"},
      {"/usr/bin/python3 -u run_clm.py --local_rank=3 --model_name_or_path=gpt2", "", "gpt2"},
      {"deepspeed --num_gpus 4 train.py --deepspeed ds.json --model_name_or_path /ckpt/step-500",
       "local", "step-500"},
      {"python -m torch.distributed.run --nproc-per-node=2 sft.py --model Qwen/Qwen3-1.7B", "Qwen",
       "Qwen3-1.7B"},
      {"trl sft --model_name_or_path Qwen/Qwen2-0.5B --dataset_name trl-lib/Capybara", "Qwen",
       "Qwen2-0.5B"},
      {"/opt/venv/bin/python /opt/venv/bin/trl dpo --model_name_or_path=Qwen/Qwen2-0.5B-Instruct",
       "Qwen", "Qwen2-0.5B-Instruct"},
      {"accelerate launch -m axolotl.cli.train lora.yml --base_model NousResearch/Llama-3.2-1B",
       "NousResearch", "Llama-3.2-1B"},
      {"python train.py --model resnet50", "", "resnet50"},
      {"python gen.py --model /home/a/.cache/huggingface/hub/models--meta-llama--Llama-3.2-1B/"
       "snapshots/4e20de362430cd3b72f300e6b0f18e50e7166e08",
       "meta-llama", "Llama-3.2-1B"},
      {"python gen.py --model https://huggingface.co/Qwen/Qwen3-8B", "Qwen", "Qwen3-8B"},
  });
}

TEST(ModelDetection, ReadsTheNameUnderWhichAModelIsServed) {
  expect_all({
      {"vllm serve /model --served-model-name Qwen3-32B-AWQ", "", "Qwen3-32B-AWQ"},
      {"vllm serve /weights --served-model-name Qwen/Qwen3-8B", "Qwen", "Qwen3-8B"},
      {"python3 -m vllm.entrypoints.openai.api_server --model /data/models/model "
       "--served-model-name Qwen3-32B-AWQ another",
       "", "Qwen3-32B-AWQ"},
      {"python3 -m sglang.launch_server --model-path /models --served-model-name=Qwen3-32B-AWQ", "",
       "Qwen3-32B-AWQ"},
      {"llama-server -m /models/model.gguf --alias qwen3-8b", "", "qwen3-8b"},
      {"vllm serve --config prod.yaml --served-model-name phi-4", "", "phi-4"},
      {"vllm serve /data/Qwen3-8B/latest --served-model-name chat-8b", "", "chat-8b"},
      {"vllm serve /data/Qwen3-8B --served-model-name chat-8b", "local", "Qwen3-8B"},
      {"vllm serve Qwen/Qwen3-8B --served-model-name chat-8b", "Qwen", "Qwen3-8B"},
      {"python train.py --alias exp-7b", nullptr, nullptr},
  });
}

TEST(ModelDetection, ReadsTheFolderAboveOneWhoseNameSaysNothing) {
  expect_all({
      {"vllm serve /data/Qwen3-8B/snapshots/9216db5781bf21249d130ec9da846c4624c16137", "local",
       "Qwen3-8B"},
      {"vllm serve /data/Qwen3-8B/9216db57", "local", "Qwen3-8B"},
      {"vllm serve /data/Qwen3-8B/latest/", "local", "Qwen3-8B"},
      {"python serve.py --model-path /mnt/nvme0/Llama-3.1-8B/hf", "local", "Llama-3.1-8B"},
      {"python serve.py --model-path Llama-3.1-8B/weights", "local", "Llama-3.1-8B"},
      {"llama-server -m /root/.tabby/models/TabbyML/StarCoder-1B/ggml/model.gguf", "local",
       "StarCoder-1B"},
      {"python a.py --model /w/Mixtral-8x7B/model-00001-of-00019.safetensors", "local",
       "Mixtral-8x7B"},
      {"python a.py --model /w/Llama-2-13b/consolidated.00.pth", "local", "Llama-2-13b"},
      {"python a.py --model /w/phi-2/ggml-model-q4_0.gguf", "local", "phi-2"},
      {"litgpt serve checkpoints/meta-llama/Llama-3.2-1B", "local", "Llama-3.2-1B"},
  });
}

TEST(ModelDetection, InventsNoModelFromPlacesAndAccounts) {
  expect_all({
      {"vllm serve /model", nullptr, nullptr},
      {"vllm serve ./model", nullptr, nullptr},
      {"vllm serve /data2/models", nullptr, nullptr},
      {"vllm serve /mnt/disk1/model", nullptr, nullptr},
      {"vllm serve /nvme0n1/weights/latest", nullptr, nullptr},
      {"vllm serve /home/alice2/model", nullptr, nullptr},
      {"vllm serve /opt/ml/model", nullptr, nullptr},
      {"vllm serve 9216db5781bf21249d130ec9da846c4624c16137", nullptr, nullptr},
      {"python upload.py --model-name v2", nullptr, nullptr},
      {"python upload.py --model-name v2.1", nullptr, nullptr},
      {"python register.py --model-name latest", nullptr, nullptr},
      {"python a.py --model model", nullptr, nullptr},
      {"python train.py --ckpt last.ckpt", nullptr, nullptr},
      {"python train.py --ckpt /runs/exp-a", nullptr, nullptr},
      {"python train.py model=unet optimizer=adam", nullptr, nullptr},
      {"python3 -m petals.cli.run_dht --identity_path /x/id", nullptr, nullptr},
  });
}

TEST(ModelDetection, ReadsHowModelScopeWritesADot) {
  expect_all({
      {"vllm serve /root/.cache/modelscope/hub/models/Qwen/Qwen2___5-7B-Instruct", "local",
       "Qwen2.5-7B-Instruct"},
      {"python a.py --model Qwen/Qwen2___5-7B", "Qwen", "Qwen2.5-7B"},
  });
}

TEST(ModelDetection, ReadsRarerServers) {
  expect_all({
      {"python -m lightllm.server.api_server --model_dir /models/llama-7b-hf --tp 2", "local",
       "llama-7b-hf"},
      {"litgpt serve meta-llama/Llama-3.2-1B", "meta-llama", "Llama-3.2-1B"},
      {"/opt/venv/bin/python /opt/venv/bin/litgpt serve meta-llama/Llama-3.2-1B --port 8000",
       "meta-llama", "Llama-3.2-1B"},
      {"mistralrs-server --port 1234 plain -m microsoft/Phi-3.5-mini-instruct -a phi3", "microsoft",
       "Phi-3.5-mini-instruct"},
      {"./mistralrs-server gguf -m bartowski/Phi-3.5-mini-GGUF -f a.gguf", "bartowski",
       "Phi-3.5-mini-GGUF"},
      {"python -m petals.cli.run_server petals-team/StableBeluga2", "petals-team", "StableBeluga2"},
      {"python3 -m petals.cli.run_server --port 31330 petals-team/StableBeluga2 --torch_dtype x",
       "petals-team", "StableBeluga2"},
      {"tabby serve --model StarCoder-1B --chat-model Qwen2-1.5B-Instruct --device cuda", "",
       "StarCoder-1B"},
      {"/opt/tabby/bin/tabby serve --model TabbyML/StarCoder-1B", "TabbyML", "StarCoder-1B"},
      {"tabby serve --device cuda", nullptr, nullptr},
      {"./llava-v1.5-7b-q4.llamafile --server --port 8080", "local", "llava-v1.5-7b-q4.llamafile"},
      {"/usr/bin/ape ./llava-v1.5-7b-q4.llamafile --server", "local", "llava-v1.5-7b-q4.llamafile"},
      {"./llamafile -m /m/phi-2.gguf --server", "local", "phi-2.gguf"},
      {"python3 koboldcpp.py mistral-7b.Q4_K_M.gguf 5001", "local", "mistral-7b.Q4_K_M.gguf"},
      {"./koboldcpp-linux-x64 --usecublas --gpulayers 99 mistral-7b.Q4_K_M.gguf", "local",
       "mistral-7b.Q4_K_M.gguf"},
      {"python3 launch.py --listen --ckpt /m/Stable-diffusion/sd_xl_base_1.0.safetensors", "local",
       "sd_xl_base_1.0.safetensors"},
      {"whisper-cli -m models/ggml-large-v3.bin -f a.wav", "local", "ggml-large-v3.bin"},
      {"./build/bin/whisper-stream --model ./models/ggml-base.en.bin", "local", "ggml-base.en.bin"},
      {"python3 -m llama_cpp.server --hf_model_repo_id TheBloke/Llama-2-7B-GGUF --model "
       "*Q4_0.gguf",
       "TheBloke", "Llama-2-7B-GGUF"},
      {"mlc_llm serve HF://mlc-ai/Llama-3-8B-Instruct-q4f16_1-MLC", "mlc-ai",
       "Llama-3-8B-Instruct-q4f16_1-MLC"},
  });
}

TEST(ModelDetection, ReadsRarerEvaluationsAndTrainers) {
  expect_all({
      {"lm_eval --model local-completions --model_args model=Qwen3-8B,base_url=http://a:8000", "",
       "Qwen3-8B"},
      {"lm_eval --model local-completions --model_args base_url=http://a,model=Qwen/Qwen3-8B",
       "Qwen", "Qwen3-8B"},
      {"lighteval accelerate model_name=openai-community/gpt2 leaderboard|truthfulqa:mc|0",
       "openai-community", "gpt2"},
      {"/venv/bin/python /venv/bin/lighteval vllm pretrained=Qwen/Qwen3-8B,dtype=bfloat16 x",
       "Qwen", "Qwen3-8B"},
      {"deepspeed --module openrlhf.cli.train_sft --pretrain meta-llama/Meta-Llama-3-8B --bf16",
       "meta-llama", "Meta-Llama-3-8B"},
      {"python3 -m verl.trainer.main_ppo data.train_files=/x/train.parquet "
       "actor_rollout_ref.model.path=Qwen/Qwen2.5-0.5B-Instruct critic.model.path=Qwen/Qwen2.5-7B",
       "Qwen", "Qwen2.5-0.5B-Instruct"},
      {"torchrun sft.py ++model.path=Qwen/Qwen3-8B", "Qwen", "Qwen3-8B"},
      {"python megatron_gpt_sft.py trainer.devices=8 model.restore_from_path=/w/llama-2-7b.nemo",
       "local", "llama-2-7b.nemo"},
      {"python run_grpo_math.py policy.model_name=Qwen/Qwen2.5-1.5B", "Qwen", "Qwen2.5-1.5B"},
      {"python train.py submodel.path=/w/Qwen3-8B", nullptr, nullptr},
  });
}

TEST(ModelDetection, SaysNothingWhereNothingIsServed) {
  expect_all({
      {"", nullptr, nullptr},
      {"   ", nullptr, nullptr},
      {"python train.py", nullptr, nullptr},
      {"python train.py --epochs 3 --lr 1e-4", nullptr, nullptr},
      {"/usr/bin/python3 /usr/bin/jupyter-lab --no-browser --port 8888", nullptr, nullptr},
      {"/opt/conda/bin/python -m ipykernel_launcher -f /home/a/kernel-1.json", nullptr, nullptr},
      {"axolotl train examples/llama-3/lora-1b.yml", nullptr, nullptr},
      {"python3 /opt/ComfyUI/main.py --listen 0.0.0.0 --port 8188", nullptr, nullptr},
      {"grep --model foo", nullptr, nullptr},
      {"grep -m 3 vllm serve notes.txt", nullptr, nullptr},
      {"vim vllm serve", nullptr, nullptr},
      {"/usr/lib/xorg/Xorg vt2 -displayfd 3", nullptr, nullptr},
      {"VLLM::EngineCore", nullptr, nullptr},
      {"VLLM::Worker_TP0", nullptr, nullptr},
      {"sglang::scheduler_TP0", nullptr, nullptr},
      {"python3 -c from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, "
       "pipe_handle=7) --multiprocessing-fork",
       nullptr, nullptr},
      {"python3 -m mpi4py.futures.server", nullptr, nullptr},
      {"ollama serve", nullptr, nullptr},
      {"ollama run llama3", nullptr, nullptr},
  });
}

TEST(ModelDetection, SaysNothingWhereItIsDoubtful) {
  expect_all({
      {"vllm serve", nullptr, nullptr},
      {"vllm serve --config prod.yaml", nullptr, nullptr},
      {"vllm bench throughput", nullptr, nullptr},
      {"python -m vllm.entrypoints.openai.api_server --model", nullptr, nullptr},
      {"python train.py --model --verbose", nullptr, nullptr},
      {"python train.py --model=", nullptr, nullptr},
      {"vllm serve /home/a/hub/models--/snapshots", nullptr, nullptr},
      {"vllm serve /home/a/hub/models--meta-llama--", nullptr, nullptr},
      {"python train.py --model $MODEL", nullptr, nullptr},
      {"python train.py --model 3", nullptr, nullptr},
      {"python train.py --model ../..", nullptr, nullptr},
      {"python train.py --models Qwen/Qwen3-8B", nullptr, nullptr},
      {"python -c import vllm; vllm.LLM(model='x') --model Qwen/Qwen3-8B", nullptr, nullptr},
      {"lm_eval --model hf --tasks mmlu", nullptr, nullptr},
      {"lm_eval --model hf --model_args tokenizer_pretrained=Qwen/Qwen3-8B", nullptr, nullptr},
      {"./render_farm --model teapot", nullptr, nullptr},
      {"./simulate -m 12", nullptr, nullptr},
  });
}

TEST(ModelDetection, TakesAnUnknownProgramsModelOnlyWhereItCanBeNothingElse) {
  expect_all({
      {"/opt/own/serve-llm --model Qwen/Qwen3-8B", "Qwen", "Qwen3-8B"},
      {"/opt/own/serve-llm --model /m/a.safetensors", "local", "a.safetensors"},
      {"/opt/own/serve-llm --model /m/a", nullptr, nullptr},
      {"tool --model llama-2-7b --port 8080", "", "llama-2-7b"},
      {"tool --model teapot", nullptr, nullptr},
      {"tool --model hub/transformers/bert-base --task x", "hub", "transformers/bert-base"},
      {"tool --model data/runs/7/step-500", nullptr, nullptr},
  });
}

TEST(ModelDetection, SurvivesLongAndStrangeCommandLines) {
  EXPECT_EQ(detect_model(std::string(100000, ' ')), std::nullopt);
  EXPECT_EQ(detect_model(std::string(100000, '-')), std::nullopt);
  EXPECT_EQ(detect_model(std::string(1000, '\xff') + " --model"), std::nullopt);
  EXPECT_EQ(detect_model("env"), std::nullopt);
  EXPECT_EQ(detect_model("python -m"), std::nullopt);
  EXPECT_EQ(detect_model("torchrun -m"), std::nullopt);
  EXPECT_EQ(detect_model("vllm serve /"), std::nullopt);
}

TEST(ServedModel, IsOfAKnownServerAlone) {
  const DetectedModel qwen{"Qwen", "Qwen3-8B"};
  for (const char* server :
       {"vllm serve Qwen/Qwen3-8B", "/usr/bin/python3 /usr/bin/vllm serve Qwen/Qwen3-8B",
        "python3 -m sglang.launch_server --model-path Qwen/Qwen3-8B",
        "mpirun -n 2 trtllm-serve serve Qwen/Qwen3-8B",
        "canhazgpu run --gpus 1 -- uv run vllm serve Qwen/Qwen3-8B"}) {
    EXPECT_EQ(detect_served_model(server), qwen) << server;
  }
  for (const char* other :
       {"aider --model gpt-4o", "/usr/bin/python3 /usr/bin/aider --model gpt-4o",
        "opencode run --model openai/gpt-4o", "bash -c aider --model Qwen/Qwen3-8B",
        "python3 train.py --model_name_or_path Qwen/Qwen3-8B", "vllm serve", ""}) {
    EXPECT_EQ(detect_served_model(other), std::nullopt) << other;
  }
}

TEST(BestModel, PrefersOneWithAnOrganisation) {
  EXPECT_EQ(best_model({"python train.py", "python a.py --model gpt2", "vllm serve Qwen/Qwen3-8B"}),
            (DetectedModel{"Qwen", "Qwen3-8B"}));
}

TEST(BestModel, PrefersTheFirstAmongEquals) {
  EXPECT_EQ(best_model({"python a.py --model gpt2", "llama-server -m /x/y.gguf"}),
            (DetectedModel{"", "gpt2"}));
  EXPECT_EQ(best_model({"vllm serve a/b", "vllm serve c/d"}), (DetectedModel{"a", "b"}));
}

TEST(BestModel, IsMissingWhereNoProcessServesOne) {
  EXPECT_EQ(best_model({}), std::nullopt);
  EXPECT_EQ(best_model({"python train.py", ""}), std::nullopt);
}

TEST(FullName, NamesOnlyKnownOrganisations) {
  EXPECT_EQ(full_name({"meta-llama", "Llama-3-8B"}), "meta-llama/Llama-3-8B");
  EXPECT_EQ(full_name({"local", "a.gguf"}), "a.gguf");
  EXPECT_EQ(full_name({"", "gpt2"}), "gpt2");
}

}  // namespace
}  // namespace chg
