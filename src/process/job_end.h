// Ends a job: asks its processes to end, and kills those that don't.
#pragma once

#include <csignal>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "core/process_identity.h"
#include "process/job.h"

namespace chg {

/// Something that end_job does, or cannot do. Each kind is told once, with the first processes that
/// it concerns; all but OutOfReach before it is done.
struct EndStep {
  enum class What {
    Asked,       ///< the first signal
    AskedDeaf,   ///< SIGTERM, to those that ignore the first signal
    AskedAgain,  ///< SIGTERM, to those that live on after two thirds of the grace
    Killed,      ///< SIGKILL, to those that live on after the grace
    OutOfReach,  ///< they may not be signalled by this process
  };

  What what{};
  int signal = 0;
  std::vector<ProcessIdentity> processes;
  Duration left{};  ///< of the grace
};

struct EndPlan {
  Duration grace{};           ///< from the first signal to SIGKILL; zero: SIGKILL at once
  int first_signal = SIGINT;  ///< SIGKILL: at once
  std::function<void(const EndStep&)> tell = [](const EndStep&) {};
};

/// Ends a job. All its processes get the first signal (and SIGCONT, for the stopped), but SIGTERM
/// those that ignore it. Those that live after two thirds of the grace get SIGTERM, and SIGKILL
/// those that live after all of it. Nobody gets a signal twice: that often means "now". Returns
/// when all are gone, or when the rest cannot be killed. Calls `meanwhile` at least every 10 s.
void end_job(const JobMarks& job, const EndPlan& plan, const std::function<void()>& meanwhile,
             const RightsOf& rights = {});

}  // namespace chg
