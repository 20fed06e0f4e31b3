// Our own records in Redis: everything that the pool holds, exactly, as JSON. What the Go program
// of the same name reads stands beside them (redis_go.h).
//
// Reading throws std::invalid_argument or Error for what no version of this program has written.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/pool.h"
#include "store/redis_members.h"

namespace chg::redis_records {

/// What is known of the host beside its GPUs.
struct Host {
  std::string admin_group;
  std::uint32_t creator_uid = 0;
  std::uint64_t next_arrival = 1;
  std::vector<int> gpus;  ///< the indices that `gpu_count` stood for when this was written
};

nlohmann::json write(const Host& host);
/// Throws Error(Failed) for the record of a later version.
Host read_host(const redis_json::Members& record);

nlohmann::json write(const Gpu& gpu);
Gpu read_gpu(const redis_json::Members& record, int index);

nlohmann::json write(const Reservation& held);
Reservation read_reservation(const redis_json::Members& record, const std::string& id);

/// In order; read as they were written.
nlohmann::json write(const std::vector<Cancelled>& cancelled);
std::vector<Cancelled> read_cancelled(const redis_json::Members& record);

nlohmann::json write(const Request& request);
Request read_request(const redis_json::Members& record, const std::string& id);

/// A usage record, and its place among those that ended at the same moment: the number of the
/// commit, and the place within that.
struct Usage {
  UsageRecord record;
  std::int64_t commit = 0;
  std::int64_t place = 0;
};

nlohmann::json write(const Usage& usage);
Usage read_usage(const redis_json::Members& record);

}  // namespace chg::redis_records
