#include "probe/nvidia/nvidia_smi_failure.h"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "probe/nvidia/nvml_failure.h"

namespace chg {
namespace {

using namespace nvidia_hints;

constexpr const char* kReportArguments = "is the 'nvidia-smi' in PATH NVIDIA's own?";

struct KnownText {
  std::string_view text;  // lower case
  ErrorKind kind;
  const char* message;
  const char* hint;
};

// The first that occurs decides: particular texts stand before the general ones that may follow
// them.
constexpr KnownText kKnownTexts[] = {
    {"driver/library version mismatch", ErrorKind::Failed,
     "nvidia-smi failed: driver/library version mismatch", kMatchVersions},
    {"couldn't communicate with the nvidia driver", ErrorKind::Failed,
     "nvidia-smi cannot reach the NVIDIA driver", kLoadDriver},
    {"driver not loaded", ErrorKind::Failed, "nvidia-smi failed: the NVIDIA driver is not loaded",
     kLoadDriver},
    {"libnvidia-ml", ErrorKind::Failed,
     "nvidia-smi cannot find the driver's library libnvidia-ml.so", kInstallLibrary},
    {"no devices were found", ErrorKind::Failed, "nvidia-smi finds no GPU", kFindGpus},
    {"no supported gpus were found", ErrorKind::Failed,
     "nvidia-smi finds no GPU that this driver supports",
     "the GPUs may need another driver version or the open kernel modules; dmesg tells"},
    {"blocked by the operating system", ErrorKind::NotPermitted,
     "nvidia-smi failed: access to the GPUs is blocked by the operating system", kGetPermission},
    {"gpu is lost", ErrorKind::Failed, "nvidia-smi failed: GPU is lost", kReboot},
    {"requires reset", ErrorKind::Failed, "nvidia-smi failed: GPU requires reset", kReset},
    {"unable to determine the device handle", ErrorKind::Failed, "nvidia-smi cannot reach a GPU",
     kReboot},
    {"failed to initialize nvml: unknown error", ErrorKind::Failed,
     "nvidia-smi failed to initialize NVML: unknown error", kLostInContainer},
    {"insufficient permissions", ErrorKind::NotPermitted,
     "nvidia-smi failed: insufficient permissions", kGetPermission},
    {"permission denied", ErrorKind::NotPermitted, "nvidia-smi failed: permission denied",
     kGetPermission},
    {"is not a valid field to query", ErrorKind::Failed,
     "nvidia-smi does not know all the fields that were asked for", kUpdateDriver},
};

struct KnownStatus {
  int exit_status;
  ErrorKind kind;
  const char* meaning;
  const char* hint;
};

// nvidia-smi(1), RETURN VALUE; 18 is from recordings.
constexpr KnownStatus kKnownStatuses[] = {
    {2, ErrorKind::Failed, "an argument was refused", kReportArguments},
    {3, ErrorKind::Failed, "the GPU does not offer what was asked", ""},
    {4, ErrorKind::NotPermitted, "insufficient permissions", kGetPermission},
    {6, ErrorKind::Failed, "nothing was found", kFindGpus},
    {8, ErrorKind::Failed, "a GPU's external power cables are not attached", ""},
    {9, ErrorKind::Failed, "the NVIDIA driver is not loaded", kLoadDriver},
    {10, ErrorKind::Failed, "the kernel found an interrupt issue with a GPU", kReboot},
    {12, ErrorKind::Failed, "the driver's library libnvidia-ml.so was not found", kInstallLibrary},
    {13, ErrorKind::Failed, "the driver's library is too old", kUpdateDriver},
    {14, ErrorKind::Failed, "a GPU's infoROM is corrupted", ""},
    {15, ErrorKind::Failed, "a GPU has fallen off the bus", kReboot},
    {18, ErrorKind::Failed, "driver/library version mismatch", kMatchVersions},
};

std::string_view first_line(std::string_view text) {
  text = trimmed(text);
  return trimmed(text.substr(0, text.find('\n')));
}

std::optional<Error> by_text(std::string_view text) {
  const std::string lower = lower_case(text);
  for (const KnownText& known : kKnownTexts) {
    if (lower.find(known.text) == std::string::npos) continue;
    return Error(known.kind, known.message, known.hint);
  }
  return std::nullopt;
}

std::string ending(int exit_status) {
  if (exit_status == 0) return "nvidia-smi gave no readings";
  return fmt::format("nvidia-smi failed with exit status {}", exit_status);
}

constexpr const char* kTryByHand = "run nvidia-smi by hand, and see dmesg";

}  // namespace

Error nvidia_smi_error(std::string_view out, std::string_view err, int exit_status) {
  constexpr int kSignalMax = 64;
  if (exit_status > 128 && exit_status <= 128 + kSignalMax) {
    return Error(ErrorKind::Failed,
                 fmt::format("nvidia-smi was ended by signal {}", exit_status - 128), kTryByHand);
  }
  for (const std::string_view text : {out, err}) {
    if (std::optional<Error> error = by_text(text)) return *error;
  }
  for (const KnownStatus& known : kKnownStatuses) {
    if (known.exit_status != exit_status) continue;
    return Error(known.kind, fmt::format("nvidia-smi failed: {}", known.meaning), known.hint);
  }
  const std::string_view said = first_line(out).empty() ? first_line(err) : first_line(out);
  std::string message = ending(exit_status);
  if (!said.empty()) message += fmt::format(": '{}'", printable(said, 120));
  return Error(ErrorKind::Failed, message, kTryByHand);
}

}  // namespace chg
