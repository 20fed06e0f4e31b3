// reserve: hold GPUs for a time, without a command.
#pragma once

#include "app/acquire.h"
#include "app/context.h"

namespace chg {

/// Reserves what `request` asks for, for request.duration from the moment it is granted.
Acquired reserve(Context& context, const Request& request, const AcquireOptions& options,
                 const WaitListener& listener);

/// Gives a reservation back that its owner could not be told of, as if it had never been granted.
void give_back(Context& context, const Reservation& reservation);

}  // namespace chg
