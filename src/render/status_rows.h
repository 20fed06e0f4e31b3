// What is shown of each GPU: one row, whether this host's overview tells it or another host's JSON
// (render/remote.h). Lines and tables are made from rows alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"

namespace chg {

/// One GPU. Every text is printable; "" where there is nothing to say.
struct GpuRow {
  int gpu = 0;
  GpuStatus status = GpuStatus::Available;
  std::string user;            ///< who reserved it, else who uses it: "alice", "bob and carol"
  std::string duration;        ///< how long it has been reserved: "0h 15m 30s"
  std::string type;            ///< of the reservation: "RUN", "MANUAL"
  std::string unreserved_by;   ///< of use without a reservation: "by user bob"
  std::string unreserved_use;  ///< and of what: "1024MB used by PID 12345 (python3)"
  std::string details;         ///< "run, last heartbeat 0h 0m 5s ago"
  std::string validation;      ///< "validated: 45MB used"
  std::optional<int> utilization_percent = {};
  std::optional<int> temperature_c = {};
  std::optional<int> power_w = {};
  int mig_devices = 0;
  std::string foreign;    ///< of use beside a reservation: "by user bob - 1024MB used by …"
  std::string inner;      ///< of a run inside the reservation: "run inside for 0h 1m 2s"
  std::string leftovers;  ///< "leftover PID 7 (python3)"
  std::string notice;     ///< "93% busy without any process"
  std::string lost_by;    ///< "lost by the run abc12345 of alice, which goes on"
  std::string held_for;   ///< "held for alice, 1st in queue"
  std::string draining;   ///< "out of service when released (note)"
  std::string model;      ///< the AI model that it serves: "Qwen/Qwen3-8B"
  std::string note;
};

std::vector<GpuRow> status_rows(const Overview& overview);

}  // namespace chg
