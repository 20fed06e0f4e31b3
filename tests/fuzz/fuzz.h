// Targets for made-up inputs. Each takes any bytes and may throw Error and nothing else; a broken
// promise ends the process. `fuzz` makes the bytes up (libFuzzer, scripts/fuzz), `fuzz_corpus`
// reads those of tests/fuzz/corpus/KIND/NAME, and of findings, in every build.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace chg::fuzz {

using Target = void (*)(std::string_view bytes);

/// All targets by "KIND/NAME". The targets of a kind share the time that scripts/fuzz gives it.
inline std::map<std::string, Target, std::less<>>& targets() {
  static std::map<std::string, Target, std::less<>> all;
  return all;
}

struct Registration {
  Registration(const char* name, Target target) { targets()[name] = target; }
};

/// Calls the target; an Error is an answer. Whatever else is thrown ends the process.
void call(Target target, std::string_view bytes);

/// Ends the process where a promise about the result does not hold.
inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace chg::fuzz

#define CHG_FUZZ_TARGET(kind, name)                                                           \
  static void fuzz_##kind##_##name(std::string_view bytes);                                   \
  static const chg::fuzz::Registration registration_of_##kind##_##name(#kind "/" #name,       \
                                                                       fuzz_##kind##_##name); \
  static void fuzz_##kind##_##name([[maybe_unused]] std::string_view bytes)

#define CHG_FUZZ_REQUIRE(promise) chg::fuzz::require(promise, #promise)
