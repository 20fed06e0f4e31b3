// What a supervisor tells the user of its run, as a line.
#pragma once

#include <string>

#include "view/run_news.h"

namespace chg {

/// "sleep (pid 26250) is still running: GPU 7 stays reserved for you for 1m, …"
std::string run_news_line(const RunNews& news);

}  // namespace chg
