#include "base/error.h"
#include "fuzz/fuzz.h"

namespace chg::fuzz {

void call(Target target, std::string_view bytes) {
  try {
    target(bytes);
  } catch (const Error& error) {
    require(std::string_view(error.what()).find('\n') == std::string_view::npos,
            "an error is one line");
  }
}

}  // namespace chg::fuzz
