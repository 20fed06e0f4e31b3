#include "probe/nvidia/nvidia_failure.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/text.h"

namespace chg {
namespace {

using namespace nvml_code;
using namespace nvidia_hints;
using Reason = ReadFailure::Reason;

// Of our own: what nvidia-smi says in words alone.
constexpr int kUnsupportedGpus = 1001;
constexpr int kUnreachableGpu = 1002;
constexpr int kUnknownField = 1003;

constexpr const char* kGetPermission =
    "look at the permissions of /dev/nvidia*, and of the container if this is one";
constexpr const char* kReboot = "see dmesg for Xid messages; a reboot may bring the GPU back";
constexpr const char* kTryByHand = "run nvidia-smi by hand, and see dmesg";

struct Meaning {
  int code;
  const char* text;
  const char* hint;
  ErrorKind kind = ErrorKind::Failed;
  Reason reason = Reason::Other;
};

constexpr Meaning kMeanings[] = {
    {kInvalidArgument, "an argument was refused", "is the 'nvidia-smi' in PATH NVIDIA's own?"},
    {kNotSupported, "a GPU does not offer what was asked", kTryByHand},
    {kNoPermission, "insufficient permissions", kGetPermission, ErrorKind::NotPermitted},
    {kNotFound, "no GPU was found", kFindGpus},
    {kInsufficientPower, "a GPU's external power cables are not attached", kTryByHand},
    {kDriverNotLoaded, "the NVIDIA driver is not loaded",
     "load the driver with `sudo modprobe nvidia`, or install it again for this kernel; dmesg "
     "tells why it does not load",
     ErrorKind::Failed, Reason::DriverNotLoaded},
    {kInterruptIssue, "the kernel found an interrupt issue with a GPU", kReboot},
    {kLibraryNotFound, "a library of the NVIDIA driver was not found", kInstallLibrary,
     ErrorKind::Failed, Reason::LibraryMissing},
    {kFunctionNotFound, "the NVIDIA driver is too old", kUpdateDriver, ErrorKind::Failed,
     Reason::LibraryUnusable},
    {kCorruptedInforom, "a GPU's infoROM is corrupted", kTryByHand},
    {kGpuIsLost, "GPU is lost", kReboot},
    {kResetRequired, "GPU requires reset",
     "stop what uses it and run `sudo nvidia-smi --gpu-reset`, or reboot"},
    {kOperatingSystem, "access to the GPUs is blocked by the operating system", kGetPermission,
     ErrorKind::NotPermitted},
    {kVersionMismatch, "driver/library version mismatch",
     "the NVIDIA driver was updated while the old kernel module is loaded: reboot, or reload it",
     ErrorKind::Failed, Reason::LibraryMismatch},
    {kUnknown, "unknown error",
     "a container loses its GPUs when the host runs `systemctl daemon-reload`: restart it, or else "
     "see dmesg"},
    {kUnsupportedGpus, "no GPU was found that this driver supports",
     "the GPUs may need another driver version or the open kernel modules; dmesg tells"},
    {kUnreachableGpu, "a GPU cannot be reached", kReboot},
    {kUnknownField, "it does not know all the fields that were asked for", kUpdateDriver},
};

const Meaning* meaning_of(int code) {
  const auto* const found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                         [&](const Meaning& one) { return one.code == code; });
  return found == std::end(kMeanings) ? nullptr : found;
}

struct KnownText {
  std::string_view text;  // lower case
  int code;
};

// The first that occurs decides: particular texts stand before the general ones that may follow
// them.
constexpr KnownText kKnownTexts[] = {
    {"driver/library version mismatch", kVersionMismatch},
    {"couldn't communicate with the nvidia driver", kDriverNotLoaded},
    {"driver not loaded", kDriverNotLoaded},
    {"libnvidia-ml", kLibraryNotFound},
    {"no devices were found", kNotFound},
    {"no supported gpus were found", kUnsupportedGpus},
    {"blocked by the operating system", kOperatingSystem},
    {"gpu is lost", kGpuIsLost},
    {"requires reset", kResetRequired},
    {"unable to determine the device handle", kUnreachableGpu},
    {"failed to initialize nvml: unknown error", kUnknown},
    {"insufficient permissions", kNoPermission},
    {"permission denied", kNoPermission},
    {"is not a valid field to query", kUnknownField},
};

std::optional<int> code_in(std::string_view text) {
  const std::string lower = lower_case(text);
  for (const KnownText& known : kKnownTexts) {
    if (lower.find(known.text) != std::string::npos) return known.code;
  }
  return std::nullopt;
}

Error failure_of(const char* source, const Meaning& meaning) {
  return Error(meaning.kind, fmt::format("{} failed: {}", source, meaning.text), meaning.hint);
}

std::string_view first_line(std::string_view text) {
  text = trimmed(text);
  return trimmed(text.substr(0, text.find('\n')));
}

}  // namespace

std::string nvidia_hints::when_late(Duration timeout) {
  return fmt::format(
      "a GPU or its driver may be stuck: see dmesg; one that is only slow needs persistence mode "
      "(sudo nvidia-smi -pm 1), or a longer probe.timeout (CANHAZGPU_PROBE_TIMEOUT={})",
      to_short_text(3 * timeout));
}

ReadFailure nvml_failure(int code) {
  if (const Meaning* known = meaning_of(code)) return {known->reason, failure_of("NVML", *known)};
  return {Reason::Other,
          Error(ErrorKind::Failed, fmt::format("NVML failed with code {}", code), kReboot)};
}

std::string nvml_gpu_error(int code) {
  switch (code) {
    case kGpuIsLost:
    case kResetRequired:
      return meaning_of(code)->text;
    case kNoPermission:
      return "no permission to read it";
    case kOperatingSystem:
      return "blocked by the operating system";
    case kUnknown:
      return "NVML reports an unknown error";
    default:
      return fmt::format("NVML reports error {}", code);
  }
}

Error nvidia_smi_error(std::string_view out, std::string_view err, int exit_status) {
  constexpr int kSignalMax = 64;
  if (exit_status > 128 && exit_status <= 128 + kSignalMax) {
    return Error(ErrorKind::Failed,
                 fmt::format("nvidia-smi was ended by signal {}", exit_status - 128), kTryByHand);
  }
  std::optional<int> code = code_in(out);
  if (!code) code = code_in(err);
  if (const Meaning* known = meaning_of(code.value_or(exit_status))) {
    return failure_of("nvidia-smi", *known);
  }
  const std::string_view said = first_line(out).empty() ? first_line(err) : first_line(out);
  std::string message = exit_status == 0
                            ? "nvidia-smi gave no readings"
                            : fmt::format("nvidia-smi failed with exit status {}", exit_status);
  if (!said.empty()) message += fmt::format(": '{}'", printable(said, 120));
  return Error(ErrorKind::Failed, message, kTryByHand);
}

}  // namespace chg
