// status, queue, report: what people see. Read-only callers may use them; finished reservations are
// ended if the store is writable. The pool of another host is only shown, as the store has it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.h"
#include "core/overview.h"
#include "core/report.h"

namespace chg {

/// The pool compared with the GPUs as they are now. A probe that fails is named in the overview,
/// which then shows the last reading, with its age, or only what the store knows. Of another host's
/// pool it shows only what the store knows.
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

/// This host as above, first, and then every other that has its pool in the same Redis, as the
/// Redis has it: one command each.
std::vector<HostView<Overview>> view_all_status(Context& context);
std::vector<HostView<QueueOverview>> view_all_queues(Context& context);
std::vector<HostView<Report>> view_all_reports(Context& context, int days, ReportBy by);

}  // namespace chg
