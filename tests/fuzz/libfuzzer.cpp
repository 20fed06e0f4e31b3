// libFuzzer's entry. The environment variable FUZZ_TARGET names the target.
#include <cstdint>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const chg::fuzz::Target target = [] {
    const char* name = std::getenv("FUZZ_TARGET");
    const auto found = chg::fuzz::targets().find(name == nullptr ? "" : name);
    if (found != chg::fuzz::targets().end()) return found->second;
    std::fprintf(stderr, "FUZZ_TARGET has to name one of:\n");
    for (const auto& [known, ignored] : chg::fuzz::targets()) {
      std::fprintf(stderr, "%s\n", known.c_str());
    }
    std::exit(2);
  }();
  chg::fuzz::call(target, {reinterpret_cast<const char*>(data), size});
  return 0;
}
