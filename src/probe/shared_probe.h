// One reading for all who ask at the same moment.
//
// A GPU tool may take a second, and the driver serves one question at a time. So whoever reads the
// GPUs leaves the reading in a file, and whoever comes next uses it if it is recent enough for
// their purpose. The file's lock lets one read while the others wait for what it finds.
//
// Only the GPU tool's answer is shared, and no facts of /proc but the start of each process: what
// one account may see of a process is no business of another. Everybody who uses a reading asks
// /proc for themselves.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// Which readings of others are good enough.
struct Reuse {
  std::string file;          ///< where readings are left; one that cannot be used is no failure
  std::string probe;         ///< who reads, "nvml": what another probe has read is another reading
  std::string view;          ///< which GPUs are seen (view_of_gpus): others see other ones
  Instant not_before;        ///< one that was begun earlier is not good enough
  ProcessIdentity observer;  ///< who asks: pids of another pid namespace mean nothing to them
  Duration patience{};       ///< how long to wait for another's reading
  Duration timeout{};        ///< how long it all may take, with what /proc tells
};

class SharedProbe final : public Probe {
 public:
  /// `read` reads the GPUs as Probe does, and need not fill in what /proc tells. `clock` must
  /// outlive this.
  SharedProbe(const Clock& clock, Reuse reuse, std::function<Observation()> read,
              ProcReader proc = ProcReader());

  /// A reading of somebody else who sees the same GPUs, if one is recent enough and every process
  /// in it still lives; else a new one, which is left for others, unless that would hide the recent
  /// reading of somebody who sees more GPUs. Its processes are filled in, for an observer who sees
  /// the host's pids: GPU drivers list those, and to others they would mean strangers. What /proc
  /// does not tell in time is missing. A failure is not shared.
  Observation read_gpus() override;

 private:
  std::optional<Observation> good_reading() const;
  Observation cached_or_new_reading();

  const Clock& clock_;
  Reuse reuse_;
  std::function<Observation()> read_;
  ProcReader proc_;
};

/// Makes an empty file for readings that every account of this host may share. One that is there
/// stays, and where none can be made nothing is shared.
void create_reading_file(const std::string& file);

/// The last reading in the file that was taken since the boot, however old, filled in as by
/// SharedProbe; only processes that still live are, within `patience`. nullopt where there is none,
/// or the file cannot be read.
std::optional<Observation> last_reading(const Reuse& reuse, ProcReader proc = ProcReader());

}  // namespace chg
