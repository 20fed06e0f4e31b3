#include "probe/isolated_probe.h"

#include <exception>
#include <utility>

#include "base/error.h"
#include "base/isolation.h"
#include "probe/packed_result.h"
#include "probe/processes/process_facts.h"

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

// As one note, so that what follows is no part of it.
bool note_result(Notes& notes, const ReadResult& result) {
  Packer pack;
  pack(packed_result(result));
  return notes.add(pack.bytes());
}

// Damaged facts are none: the library has run wild, but only after it gave its answer.
void enter_noted_facts(Unpacker& noted, Observation& observation) {
  Observation filled_in = observation;
  try {
    enter_facts(noted, 0, listed_processes(filled_in));
    observation = std::move(filled_in);
  } catch (const Error&) {
  }
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
    Unpacker noted(end.notes);
    std::string packed;
    noted(packed);
    ReadResult result = unpacked_result(packed);
    if (auto* observation = std::get_if<Observation>(&result)) {
      enter_noted_facts(noted, *observation);
    }
    return result;
  } catch (const Error& error) {
    return crash(name + " gave no answer: " + error.what());
  }
}

}  // namespace chg
