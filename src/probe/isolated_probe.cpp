#include "probe/isolated_probe.h"

#include <exception>
#include <utility>

#include "base/error.h"
#include "base/isolation.h"
#include "probe/packed_look.h"
#include "probe/processes/process_facts.h"

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

// As one note, so that what follows is no part of it.
bool note_look(Notes& notes, const LookResult& result) {
  Packer pack;
  pack(packed_look(result));
  return notes.add(pack.bytes());
}

std::vector<GpuProcess> entered_facts(Unpacker& noted, Observation told) {
  const std::vector<GpuProcess*> processes = listed_processes(told);
  std::size_t begun = 0;
  try {
    begun = enter_facts(noted, 0, processes);
  } catch (const Error&) {
    return {};  // by a library that has run wild, but told what it had to tell
  }
  std::vector<GpuProcess> facts;
  for (std::size_t place = 0; place < begun; ++place) facts.push_back(*processes[place]);
  return facts;
}

}  // namespace

IsolatedProbe::IsolatedProbe(std::string name, std::function<LookResult()> look, Duration deadline,
                             std::optional<ProcReader> proc)
    : name_(std::move(name)), look_(std::move(look)), deadline_(deadline), proc_(std::move(proc)) {}

Observation IsolatedProbe::look() { return observation_or_throw(try_look()); }

LookResult IsolatedProbe::try_look() {
  facts_.clear();
  const auto work = [this](Notes& notes) {
    LookResult result = caught(look_);
    if (!note_look(notes, result)) {
      note_look(notes, LookFailure{Reason::Other,
                                   Error(ErrorKind::Failed, name_ + " gave more than 16 MiB")});
      return;
    }
    auto* seen = std::get_if<Observation>(&result);
    if (seen != nullptr && proc_) note_facts(listed_processes(*seen), 0, *proc_, notes);
  };
  const IsolatedEnd end = run_isolated(name_, work, {deadline_, kItemPatience});
  if (end.failure && end.notes.empty()) return look_failure(*end.failure);
  if (end.notes.empty()) return crash(name_ + " ended without an answer");
  try {
    Unpacker noted(end.notes);
    std::string look;
    noted(look);
    LookResult result = unpacked_look(look);
    if (const auto* seen = std::get_if<Observation>(&result)) facts_ = entered_facts(noted, *seen);
    return result;
  } catch (const Error& error) {
    return crash(name_ + " gave no answer: " + error.what());
  }
}

}  // namespace chg
