// NVIDIA's management library (NVML), opened when the program runs: it comes with the driver, and
// is of another version on every host. No symbol of it is taken for granted.
//
// Names, structures and codes are those of the NVML API reference
// (https://docs.nvidia.com/deploy/nvml-api), declared anew in nvml_library.cpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "probe/nvidia/nvidia_failure.h"

namespace chg {

/// A GPU or a MIG device, for as long as the session lasts. NVML owns it.
using NvmlDevice = struct NvmlDeviceHandle*;

/// NVML's code, and the value where that is kSuccess. A function that the library lacks answers
/// kFunctionNotFound.
template <typename Value>
struct NvmlAnswer {
  int code = nvml_code::kUnknown;
  Value value{};

  bool is_given() const { return code == nvml_code::kSuccess; }
  std::optional<Value> optional() const { return is_given() ? std::optional(value) : std::nullopt; }
};

struct NvmlMemory {
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;  ///< what the driver reserves is not in it, where it tells that
};

struct NvmlProcess {
  std::uint32_t pid = 0;
  std::optional<std::uint64_t> memory_bytes;  ///< nullopt on WSL or without permission
};

/// NVML lists a process in one or several of these.
enum class NvmlList { Compute, Graphics, Mps };

class NvmlLibrary {
 public:
  /// Loads the library; `name` as for dlopen. A failure when it cannot be loaded, or lacks a
  /// function without which no GPU can be read.
  static std::variant<NvmlLibrary, ReadFailure> open(const std::string& name);

  /// Begins a session; until then, and after shutdown, the other functions give no values. A
  /// failure when NVML refuses. It may hang, as may all the others.
  std::optional<ReadFailure> initialize();
  void shutdown();

  NvmlAnswer<std::string> driver_version() const;  ///< "590.48.01"
  /// GPUs, unreadable ones included, in PCI bus order.
  NvmlAnswer<unsigned> device_count() const;
  NvmlAnswer<NvmlDevice> device(unsigned index) const;

  NvmlAnswer<std::string> uuid(NvmlDevice device) const;        ///< "GPU-…", "MIG-…"
  NvmlAnswer<std::string> model(NvmlDevice device) const;       ///< "NVIDIA H100 80GB HBM3"
  NvmlAnswer<std::string> pci_bus_id(NvmlDevice device) const;  ///< "0000:3b:00.0"
  NvmlAnswer<NvmlMemory> memory(NvmlDevice device) const;
  NvmlAnswer<unsigned> utilization_percent(NvmlDevice device) const;
  NvmlAnswer<unsigned> temperature_c(NvmlDevice device) const;
  NvmlAnswer<unsigned> power_milliwatts(NvmlDevice device) const;
  /// One entry for each process and MIG device, in no order; a pid may come again.
  NvmlAnswer<std::vector<NvmlProcess>> processes(NvmlDevice device, NvmlList list) const;

  /// What a process is called: its command line or its program's path.
  NvmlAnswer<std::string> process_name(int pid) const;
  /// What the driver wants done about the GPU, as note_recovery takes it.
  NvmlAnswer<unsigned> recovery_action(NvmlDevice device) const;
  /// Whether faulty rows or pages of its memory are replaced at the next reset.
  bool has_faulty_memory(NvmlDevice device) const;

  NvmlAnswer<bool> is_mig_enabled(NvmlDevice device) const;
  /// The places for MIG devices, of which any may be empty (kNotFound).
  NvmlAnswer<unsigned> mig_device_count_max(NvmlDevice device) const;
  NvmlAnswer<NvmlDevice> mig_device(NvmlDevice device, unsigned place) const;

 private:
  struct Closer {
    void operator()(void* handle) const;
  };

  explicit NvmlLibrary(void* handle) : handle_(handle) {}

  bool has(const std::string& function) const;
  template <typename Function, typename... Arguments>
  int call(const std::string& function, Arguments... arguments) const;
  /// Calls the first of these that the library and the driver have.
  template <typename Function, typename... Arguments>
  int call_first(std::initializer_list<const char*> functions, Arguments... arguments) const;
  /// The same for functions that write a value behind their last argument.
  template <typename Value, typename... Arguments>
  NvmlAnswer<Value> ask(std::initializer_list<const char*> functions, Arguments... arguments) const;
  NvmlAnswer<std::string> text(const char* function, NvmlDevice device) const;
  NvmlAnswer<std::vector<NvmlProcess>> list(const std::string& function, NvmlDevice device,
                                            std::size_t record_bytes) const;

  std::unique_ptr<void, Closer> handle_;
};

}  // namespace chg
