// run: reserve, become the user's command, and give back whatever happens to it.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "app/acquire.h"
#include "app/context.h"
#include "core/inner.h"
#include "view/run_news.h"

namespace chg {

struct RunCommand {
  std::string file;                    ///< as resolve_command found it
  std::vector<std::string> arguments;  ///< with the command's name first
};

struct RunOptions {
  AcquireOptions acquire;
  Duration grace = std::chrono::seconds(30);
  int first_signal = SIGINT;  ///< of those that end it
  Leftovers leftovers = Leftovers::Keep;
  Whereabouts where;
  RunNewsText news = {};  ///< for what its supervisor tells
};

/// Reserves what `request` asks for, starts the supervisor, and becomes the command. Returns only
/// when the request was not granted. request.duration is --timeout. Throws as choose_outer does.
NotGranted run(Context& context, const Request& request, const RunCommand& command,
               const RunOptions& options, const WaitListener& listener,
               const std::function<void(const Reservation&)>& on_granted);

}  // namespace chg
