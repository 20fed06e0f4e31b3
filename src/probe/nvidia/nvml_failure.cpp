#include "probe/nvidia/nvml_failure.h"

#include <fmt/format.h>

namespace chg {
namespace {

using namespace nvml_code;
using namespace nvidia_hints;
using Reason = ReadFailure::Reason;

struct KnownCode {
  int code;
  Reason reason;
  ErrorKind kind;
  const char* meaning;
  const char* hint;
};

constexpr KnownCode kKnownCodes[] = {
    {kNoPermission, Reason::Other, ErrorKind::NotPermitted, "insufficient permissions",
     kGetPermission},
    {kDriverNotLoaded, Reason::DriverNotLoaded, ErrorKind::Failed,
     "the NVIDIA driver is not loaded", kLoadDriver},
    {kLibraryNotFound, Reason::LibraryMissing, ErrorKind::Failed,
     "a library of the NVIDIA driver was not found", kInstallLibrary},
    {kFunctionNotFound, Reason::LibraryUnusable, ErrorKind::Failed, "the NVIDIA driver is too old",
     kUpdateDriver},
    {kGpuIsLost, Reason::Other, ErrorKind::Failed, "GPU is lost", kReboot},
    {kResetRequired, Reason::Other, ErrorKind::Failed, "GPU requires reset", kReset},
    {kOperatingSystem, Reason::Other, ErrorKind::NotPermitted,
     "access to the GPUs is blocked by the operating system", kGetPermission},
    {kVersionMismatch, Reason::LibraryMismatch, ErrorKind::Failed,
     "driver/library version mismatch", kMatchVersions},
    {kUnknown, Reason::Other, ErrorKind::Failed, "unknown error", kLostInContainer},
};

}  // namespace

ReadFailure nvml_failure(int code) {
  for (const KnownCode& known : kKnownCodes) {
    if (known.code != code) continue;
    return {known.reason,
            Error(known.kind, fmt::format("NVML failed: {}", known.meaning), known.hint)};
  }
  return {Reason::Other,
          Error(ErrorKind::Failed, fmt::format("NVML failed with code {}", code), kReboot)};
}

std::string nvml_gpu_error(int code) {
  switch (code) {
    case kGpuIsLost:
      return "GPU is lost";
    case kResetRequired:
      return "GPU requires reset";
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

}  // namespace chg
