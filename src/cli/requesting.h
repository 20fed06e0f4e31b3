// What run and reserve have in common: the request, and what is said while it waits.
#pragma once

#include <string>

#include "app/acquire.h"
#include "cli/command.h"
#include "cli/session.h"

namespace chg {

/// The options that ask for GPUs; their keys lie under `section` ("run", "reserve").
std::vector<Option> request_options(const std::string& section);

/// The request that the configuration of that section asks for, with a new id. Throws Error(Usage)
/// for a count that contradicts the ids.
Request request_from(Session& session, const std::string& section, ReservationKind kind);

AcquireOptions acquire_options_from(const Session& session, const std::string& section);

/// Tells on stderr what the request waits for, and of troubles of the store what an Outage tells.
WaitListener tell_waiting(Session& session);

/// Says why nothing was granted, as the Error that ends the program: 75 not available or not in
/// time, 130 interrupted.
[[noreturn]] void refuse(const NotGranted& outcome, const Request& request, WallTime now);

}  // namespace chg
