// What a store keeps of a pool: everything that it holds, exactly, as records of JSON, each under
// the name of its field. Both stores keep the same ones. Composite values in them are short texts
// (text_codec.h), so that a record reads well.
//
// Reading throws std::invalid_argument or Error for what no version of this program has written.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/pool.h"
#include "store/json_text.h"

namespace chg::records {

// The names of the fields.
inline constexpr const char* kSettings = "settings";              ///< Host
inline constexpr const char* kCancelled = "cancelled";            ///< those requests, in order
inline constexpr const char* kIdentity = "identity";              ///< the host's, a short text
inline constexpr std::string_view kGpu = "gpu:";                  ///< "gpu:3"
inline constexpr std::string_view kReservation = "reservation:";  ///< "reservation:ID"

std::string gpu_field(int index);
std::string reservation_field(const std::string& id);

/// What is known of the host beside its GPUs.
struct Host {
  std::string admin_group;
  std::uint32_t creator_uid = 0;
  std::uint64_t next_arrival = 1;
  std::vector<int> gpus;  ///< the indices of all GPUs when this was written
};

/// That part of the pool.
Host host_of(const Pool& pool);

nlohmann::json write(const Host& host);
/// Throws Error(Failed) for the record of a later version.
Host read_host(const json_text::Members& record);

nlohmann::json write(const Gpu& gpu);
Gpu read_gpu(const json_text::Members& record, int index);

nlohmann::json write(const Reservation& reservation);
Reservation read_reservation(const json_text::Members& record, const std::string& id);

/// In order; read as they were written.
nlohmann::json write(const std::vector<Cancelled>& cancelled);
std::vector<Cancelled> read_cancelled(const json_text::Members& record);

nlohmann::json write(const Request& request);
Request read_request(const json_text::Members& record, const std::string& id);

/// A usage record, and its place among those that ended at the same moment: the number of the
/// commit, and the place within that.
struct Usage {
  UsageRecord record;
  std::int64_t commit = 0;
  std::int64_t place = 0;
};

nlohmann::json write(const Usage& usage);
Usage read_usage(const json_text::Members& record);

}  // namespace chg::records
