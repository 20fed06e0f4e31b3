// status, queue, report: what people see. Nobody has to write for it, but what is found to be over
// is ended on the way.
#pragma once

#include "app/host.h"
#include "core/overview.h"
#include "core/report.h"

namespace chg {

/// The pool held against the GPUs as they are now. A probe that fails is named in the overview,
/// which then shows what was seen last, with its age, or only what the store knows.
Overview view_status(Host& host);

QueueOverview view_queue(Host& host);

/// GPU hours of the last `days` days, up to now.
Report view_report(Host& host, int days, ReportBy by);

}  // namespace chg
