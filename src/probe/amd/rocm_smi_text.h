// What rocm-smi prints, as values. Pure: text in, values out.
//
// With --json it is one object: "card0" and so on, whose values are all texts, and "system". The
// names of values differ with the version in their letters' case and their words. What it does not
// tell ("N/A", "UNKNOWN") is missing in the result; it never becomes zero.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// What to ask for.
inline const std::vector<std::string> kRocmSmiQuestions = {
    "--showuniqueid", "--showproductname", "--showbus",   "--showuse", "--showmeminfo",
    "vram",           "--showtemp",        "--showpower", "--json"};

/// The cards of the answer to these questions. `index` is the number of the card. nullopt when
/// `text` is no such answer.
std::optional<std::vector<GpuReading>> parse_rocm_smi_gpus(std::string_view text);

struct RocmSmiProcess {
  int pid = 0;
  std::string program;                      ///< as rocm-smi calls it; "" when unknown
  std::optional<std::uint64_t> gpu_count;   ///< how many GPUs it uses, not which
  std::optional<std::uint64_t> vram_bytes;  ///< on all of them together

  bool operator==(const RocmSmiProcess&) const = default;
};

/// The answer to `--showpids --json`: "PID123": "name, GPUs, VRAM, SDMA, CU occupancy". Names may
/// hold commas. Nothing is listed where rocm-smi has no JSON to report. nullopt when `text` is
/// neither.
std::optional<std::vector<RocmSmiProcess>> parse_rocm_smi_processes(std::string_view text);

/// The answer to `--showpidgpus`, which is never JSON: for each process the cards that it uses,
/// under "PID 123 is using 2 DRM device(s):". A process of which it doesn't give as many as it
/// says is left out.
std::map<int, std::vector<int>> parse_rocm_smi_pid_gpus(std::string_view text);

/// Puts each process on the cards that it uses. On one card it holds all of its memory; how much on
/// each of several, nobody tells, so the most that it can be is taken: no more than is used there.
/// A process whose cards aren't told is put on each that it could be on: those that have as much
/// memory in use. One that uses no GPU and holds no memory is on none.
void add_rocm_smi_processes(std::vector<GpuReading>& cards,
                            const std::vector<RocmSmiProcess>& processes,
                            const std::map<int, std::vector<int>>& pid_gpus);

}  // namespace chg
