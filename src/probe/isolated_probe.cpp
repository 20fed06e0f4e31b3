#include "probe/isolated_probe.h"

#include <exception>
#include <utility>

#include "base/error.h"
#include "base/isolation.h"
#include "probe/packed_look.h"

namespace chg {
namespace {

using Reason = LookFailure::Reason;

LookResult caught(const std::function<LookResult()>& look) {
  try {
    return look();
  } catch (const Error& error) {
    return LookFailure{Reason::Other, error};
  } catch (const std::exception& problem) {
    return LookFailure{Reason::Other, Error(ErrorKind::Failed, problem.what())};
  }
}

LookFailure crash(const std::string& message) {
  return {Reason::Crashed, Error(ErrorKind::Failed, message,
                                 "See dmesg; the driver and its library may not fit together.")};
}

LookFailure look_failure(const IsolatedFailure& failure) {
  switch (failure.reason) {
    case IsolatedFailure::Reason::NotStarted:
      break;
    case IsolatedFailure::Reason::Crashed:
      return crash(failure.error.what());
    case IsolatedFailure::Reason::Late:
      return {Reason::Late, Error(ErrorKind::Failed, failure.error.what(),
                                  "A GPU or its driver may be stuck: see dmesg.")};
  }
  return {Reason::Other, failure.error};
}

}  // namespace

IsolatedProbe::IsolatedProbe(std::string name, std::function<LookResult()> look, Duration deadline)
    : name_(std::move(name)), look_(std::move(look)), deadline_(deadline) {}

Observation IsolatedProbe::look() { return observation_or_throw(try_look()); }

LookResult IsolatedProbe::try_look() {
  const auto work = [this](Notes& notes) {
    if (notes.add(packed_look(caught(look_)))) return;
    notes.add(packed_look(
        LookFailure{Reason::Other, Error(ErrorKind::Failed, name_ + " gave more than 16 MiB")}));
  };
  const IsolatedEnd end = run_isolated(name_, work, {deadline_});
  if (end.failure) return look_failure(*end.failure);
  if (end.notes.empty()) return crash(name_ + " ended without an answer");
  try {
    return unpacked_look(end.notes);
  } catch (const Error& error) {
    return crash(name_ + " gave no answer: " + error.what());
  }
}

}  // namespace chg
