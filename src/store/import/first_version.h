// The records that canhazgpu 0.1.0 kept beside the values of the Go program. Pure. Reading throws
// (std::exception) for what that version has not written.
//
//   PREFIX:host, a hash:   "settings", "identity", "gpu:N", "reservation:ID"
//   members of its values: "reservation_ids" of a GPU, "canhazgpu" of a usage record
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/pool.h"

namespace chg::first_version {

// The names of the fields.
inline constexpr const char* kSettings = "settings";
inline constexpr const char* kIdentity = "identity";
inline constexpr std::string_view kGpu = "gpu:";
inline constexpr std::string_view kReservation = "reservation:";

// The members beside those of the Go program.
inline constexpr const char* kIdsMember = "reservation_ids";
inline constexpr const char* kOwnMember = "canhazgpu";

struct Settings {
  std::string admin_group;
  std::uint32_t creator_uid = 0;
  std::vector<int> gpus;  ///< the indices of all GPUs, ascending, each once
};

Settings read_settings(const std::string& record);
HostIdentity read_identity(const std::string& record);
Gpu read_gpu(const std::string& record, int index);
Reservation read_reservation(const std::string& record, const std::string& id);

/// What stood under kOwnMember of a usage record, and its place among those that ended at the same
/// moment: the number of the commit, and the place within that.
struct Usage {
  UsageRecord record;
  std::int64_t commit = 0;
  std::int64_t place = 0;
};
Usage read_usage(const nlohmann::json& member);

/// A text of any bytes: a string, or {"hex": "…"} where they were no UTF-8.
std::string read_bytes(const nlohmann::json& value);

}  // namespace chg::first_version
