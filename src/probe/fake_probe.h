// Simulated GPUs, for trying the program and for tests, on hosts without any.
//
// Their state is a JSON file that people and tests edit; every reading reads it afresh. An example:
//
//   {
//     "gpus": [
//       {"model": "Simulated H100 80GB", "memory_total_mb": 81920, "memory_used_mb": 45,
//        "utilization_percent": 0,
//        "processes": [
//          {"pid": 4711, "memory_mb": 8000},
//          {"pid": 1234, "memory_mb": 500, "user": "bob", "uid": 1001, "program": "python3",
//           "command_line": "python3 train.py"}]},
//       {"error": "GPU is lost"}
//     ]
//   }
//
// Every key may be left out, but for "gpus" and a process's "pid". Any other key is an error.
//
// The file:   gpus                 the GPUs; the place in the array is the index
//             error                why the probe fails as a whole; "" or left out: it doesn't
//             delay_ms             how long a reading takes (0)
//             standin              an object for the stand-in of NVIDIA's library that the tests
//                                  have (tests/standin/nvml.cpp), passed over here
// A GPU:      uuid                 made from the index: "GPU-00000000-0000-0000-0000-000000000003"
//             model                "Simulated H100 80GB"
//             memory_total_mb      MiB (81920); null: unreadable
//             memory_used_mb       MiB used (45) besides the listed processes, whose memory is
//                                  added; null: what is used is unreadable
//             utilization_percent  0 to 100 (0); null: unreadable
//             temperature_c        degrees Celsius; null or left out: unreadable
//             power_w              watts; null or left out: unreadable
//             device               any file that stands for "/dev/nvidia0": who has it open is a
//                                  suspect where memory belongs to nobody
//             pci_bus_id           "0000:3b:00.0"; left out: unknown
//             error                why the GPU cannot be used; "" or left out: it can
//             seen_by              the uids that see it at all; left out: everybody does
//             processes            a list
//             parts                a list of the MIG devices of a GPU in MIG mode
// A MIG device:
//             uuid                 made from its place: "MIG-00000000-0000-0000-0001-000000000003"
//                                  is the second MIG device of the GPU with index 3
//             model                that of the GPU with " MIG 1g.10gb" behind it
//             memory_total_mb      MiB (9984); null: unreadable
//             memory_used_mb       MiB (9), its processes included; null: unreadable
// A process:  pid                  above 0
//             memory_mb            MiB on this GPU; null or left out: unreadable
//             type                 "compute" or "graphics" ("compute")
//             user, uid, program, command_line, reservation_id
//
// A process with neither "user" nor "program" is a real one of this host: it is listed while it
// runs, and /proc tells its facts, save those that the file gives. Any other is simulated, and
// always listed; its uid is "uid", else that of the account "user", else missing, and its
// reservation id is missing (unreadable) unless given; "" says that it has none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

class FakeProbe final : public Probe {
 public:
  /// `clock` must outlive the probe. The file is first read by read_gpus(). What /proc tells of the
  /// real processes is read by fill_in_time, within the timeout. `uid`: of who reads, for
  /// "seen_by". REQUIRES: one thread.
  FakeProbe(const Clock& clock, ProcReader proc, std::string file,
            Duration timeout = std::chrono::seconds(10), std::uint32_t uid = 0);

  /// Throws Error also where the file is missing, is no JSON (with the line), or holds something
  /// else than the above (with the key).
  Observation read_gpus() override;

 private:
  const Clock& clock_;
  ProcReader proc_;
  std::string file_;
  Duration timeout_;
  std::uint32_t uid_;
};

/// Writes a file with `count` idle GPUs that every account of this host may edit (mode 0666,
/// whatever the umask), unless there is one: that one stays as it is. The file appears whole or not
/// at all. Throws Error(Usage) for a count below 1 or above 1024.
void create_fake_gpus(const std::string& file, int count);

}  // namespace chg
