// status, queue, report: what people see. Nobody has to write for it, but what is found to be over
// is ended on the way. The pool of another host is only shown, as the store has it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.h"
#include "core/overview.h"
#include "core/report.h"

namespace chg {

/// The pool held against the GPUs as they are now. A probe that fails is named in the overview,
/// which then shows what was seen last, with its age, or only what the store knows. So does that of
/// another host's pool, whose GPUs can't be looked at from here.
Overview view_status(Context& context);

QueueOverview view_queue(Context& context);

/// GPU hours of the last `days` days, up to now.
Report view_report(Context& context, int days, ReportBy by);

/// What one host shows, or why it can't be shown.
template <typename View>
struct HostView {
  std::string host;
  std::optional<View> view;
  std::string error;
  std::string hint;
  bool has_no_pool = false;  ///< which is no failure where only others have one
};

/// This host as above, first, and then every other that has its pool in the same Redis: as that
/// tells, not looked at from here, in one command each.
std::vector<HostView<Overview>> view_all_status(Context& context);
std::vector<HostView<QueueOverview>> view_all_queues(Context& context);
std::vector<HostView<Report>> view_all_reports(Context& context, int days, ReportBy by);

}  // namespace chg
