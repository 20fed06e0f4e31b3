#include "probe/isolated_probe.h"

#include <exception>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/isolation.h"
#include "base/text.h"
#include "probe/processes/process_facts.h"
#include "probe/result_text.h"

namespace chg {
namespace {

using Reason = ReadFailure::Reason;

ReadResult caught(const std::function<ReadResult()>& read) {
  try {
    return read();
  } catch (const Error& error) {
    return ReadFailure{Reason::Other, error};
  } catch (const std::exception& problem) {
    return ReadFailure{Reason::Other, Error(ErrorKind::Failed, problem.what())};
  }
}

ReadFailure crash(const std::string& message) {
  return {Reason::Crashed, Error(ErrorKind::Failed, message,
                                 "see dmesg; the driver and its library may not fit together")};
}

ReadFailure read_failure(const IsolatedFailure& failure) {
  switch (failure.reason) {
    case IsolatedFailure::Reason::NotStarted:
      break;
    case IsolatedFailure::Reason::Crashed:
      return crash(failure.error.what());
    case IsolatedFailure::Reason::Late:
      return {Reason::Late, Error(ErrorKind::Failed, failure.error.what(),
                                  "a GPU or its driver may be stuck: see dmesg")};
  }
  return {Reason::Other, failure.error};
}

// One line, behind which the facts of /proc follow.
bool note_result(Notes& notes, const ReadResult& result) {
  return notes.add(result_text(result) + "\n");
}

}  // namespace

ReadResult read_isolated(const std::string& name, const std::function<ReadResult()>& read,
                         Duration timeout, const std::optional<ProcReader>& proc) {
  const auto work = [&](Notes& notes) {
    ReadResult result = caught(read);
    if (!note_result(notes, result)) {
      note_result(notes, ReadFailure{Reason::Other,
                                     Error(ErrorKind::Failed, name + " gave more than 16 MiB")});
      return;
    }
    auto* observation = std::get_if<Observation>(&result);
    if (observation != nullptr && proc) {
      ProcReader reader = *proc;
      note_facts(listed_processes(*observation), 0, reader, notes);
    }
  };
  const IsolatedEnd end = run_isolated(name, work, {timeout, kItemPatience});
  if (end.failure && end.notes.empty()) return read_failure(*end.failure);
  if (end.notes.empty()) return crash(name + " ended without an answer");
  try {
    std::string_view notes = end.notes;
    ReadResult result = parse_result(cut(notes, '\n'));
    if (auto* observation = std::get_if<Observation>(&result)) {
      enter_facts(notes, 0, listed_processes(*observation));
    }
    return result;
  } catch (const Error& error) {
    return crash(name + " gave no answer: " + error.what());
  }
}

}  // namespace chg
