#include <algorithm>

#include <fmt/format.h>

#include "app/store_backup.h"
#include "app/store_copy.h"
#include "app/store_import.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "core/gpu_ids.h"
#include "render/words.h"

namespace chg {
namespace {

// Says what stays in the old store.
void mention_left(const Session& session, const StoreCopy& copied, const std::string& from) {
  if (copied.waiting > 0) {
    session.say(
        fmt::format("{} still wait{} in {}, and would be given GPUs from there: cancel "
                    "what waits (canhazgpu cancel ID), and ask again in the new store",
                    count_of(copied.waiting, "request"), copied.waiting == 1 ? "s" : "", from));
  }
  if (copied.live_runs > 0) {
    session.say(
        fmt::format("{} go{} on: the GPUs stay reserved in the new store until the "
                    "commands have ended",
                    count_of(copied.live_runs, "live run"), copied.live_runs == 1 ? "es" : ""));
  }
}

int copy_by_command(Session& session, const std::string& from_url, const std::string& to_url) {
  Context from = session.context_with_store(from_url);
  Context to = session.context_with_store(to_url);
  const StoreCopy copied = copy_store(from, to);
  const std::string from_place = printable(from.options().store_path);
  mention_left(session, copied, from_place);
  print(
      fmt::format("copied {}, {} and {} from {} to {}, and compared them\n",
                  count_of(copied.pool.gpus.size(), "GPU"),
                  count_of(copied.pool.reservations.size(), "reservation"),
                  count_of(copied.events, "event"), from_place, printable(to.options().store_path)),
      kOutputHintOfChange);
  return 0;
}

// "run of alice on GPUs 0 and 1"
std::string import_name(const Reservation& reservation) {
  const char* kind = reservation.kind == ReservationKind::Run ? "run" : "manual reservation";
  return fmt::format("{} of {} on {}", kind,
                     printable(display_name(reservation.account, reservation.label), 60),
                     to_gpu_names(reservation.gpus));
}

std::string taken_line(const Reservation& reservation, WallTime now) {
  std::string until = "until it is released";
  if (reservation.holder) {
    until = fmt::format("until its command, process {}, has ended", reservation.holder->pid);
  } else if (reservation.ends) {
    until = "until " + to_local_text(*reservation.ends, now);
  }
  return fmt::format("  {}, {}\n", import_name(reservation), until);
}

std::string left_waiting_line(const Request& request) {
  return fmt::format(
      "  {} waited for {} and has to ask again\n",
      printable(display_name(request.account, request.label), 60),
      request.gpu_ids.empty() ? count_of(request.count, "GPU") : to_gpu_names(request.gpu_ids));
}

std::string import_text(const StoreImport& imported, const std::string& to, WallTime now) {
  std::string text = fmt::format(
      "took over {} and {} from {} into {}, a pool of {}\n",
      count_of(imported.taken.size(), "reservation"), count_of(imported.records, "usage record"),
      printable(imported.from), to, count_of(imported.pool.gpus.size(), "GPU"));
  for (const Reservation& reservation : imported.taken) text += taken_line(reservation, now);
  if (!imported.known.empty() || imported.records_known > 0) {
    text += fmt::format("taken over before: {} and {}\n",
                        count_of(imported.known.size(), "reservation"),
                        count_of(imported.records_known, "usage record"));
  }
  const bool all = imported.not_taken.empty() && imported.waiting.empty() &&
                   imported.unread.empty() && imported.look_failure.empty();
  text += all ? "everything was taken over\n" : "not taken over:\n";
  for (const NotTaken& one : imported.not_taken) {
    text += fmt::format("  {}: {}\n", import_name(one.reservation), one.why);
  }
  for (const Request& request : imported.waiting) text += left_waiting_line(request);
  for (const std::string& key : imported.unread) {
    text += fmt::format("  {} could not be read\n", printable(key));
  }
  if (!imported.look_failure.empty()) {
    text += fmt::format("  the GPUs' UUIDs are not known yet: {}; see: canhazgpu doctor\n",
                        printable(imported.look_failure));
  }
  const bool has_live_runs =
      std::any_of(imported.taken.begin(), imported.taken.end(),
                  [](const Reservation& reservation) { return reservation.holder; });
  text += "the Go program cannot go on there: each of its commands says that the pool has moved\n";
  if (has_live_runs) {
    text += "leave that Redis running until those runs have ended: their supervisors use it\n";
  }
  return text;
}

int import_by_command(Session& session, const std::string& url) {
  const StoreImport imported = import_store(session.context(), session.redis_at(url));
  session.warn_if_private();
  print(import_text(imported, printable(session.context().options().store_path),
                    session.context().now().wall),
        kOutputHintOfChange);
  return 0;
}

int back_up_by_command(Session& session, const std::string& file, bool overwrite) {
  const StoreBackup made = back_up_store(session.context(), file, overwrite);
  print(fmt::format("wrote {}, {} and {} to {}, and checked it\n",
                    count_of(made.pool.gpus.size(), "GPU"),
                    count_of(made.pool.reservations.size(), "reservation"),
                    count_of(made.records, "usage record"), printable(file)),
        kOutputHintOfChange);
  return 0;
}

int restore_by_command(Session& session, const std::string& file) {
  const StoreRestore restored = restore_store(session.context(), file);
  session.warn_if_private();
  print(fmt::format("brought {}, {} and {} back from {} into {}\n",
                    count_of(restored.pool.gpus.size(), "GPU"),
                    count_of(restored.reservations, "reservation"),
                    count_of(restored.records, "usage record"), printable(file),
                    printable(session.context().options().store_path)),
        kOutputHintOfChange);
  return 0;
}

int execute_store(Session& session, const Arguments& arguments) {
  const std::string action = arguments.value("ACTION").value_or("");
  const std::string from = arguments.value("FROM").value_or("");
  const auto to = arguments.value("TO");
  const bool overwrite = arguments.has("force");
  if (overwrite && action != "backup") {
    throw Error(ErrorKind::Usage, "--force is only for: canhazgpu store backup FILE");
  }
  if (action == "copy" && to) return copy_by_command(session, from, *to);
  if (action == "import" && !to) return import_by_command(session, from);
  if (action == "backup" && !to) return back_up_by_command(session, from, overwrite);
  if (action == "restore" && !to) return restore_by_command(session, from);
  if (action == "copy") {
    throw Error(ErrorKind::Usage, "TO is missing", "write: canhazgpu store copy FROM TO");
  }
  if (action == "backup" || action == "restore") {
    throw Error(
        ErrorKind::Usage, fmt::format("unexpected word '{}'", printable(*to, 60)),
        fmt::format("write: canhazgpu store {} FILE; of which store, --store says", action));
  }
  if (action == "import") {
    throw Error(ErrorKind::Usage, fmt::format("unexpected word '{}'", printable(*to, 60)),
                "write: canhazgpu store import URL; into which store, --store says");
  }
  throw Error(ErrorKind::Usage, fmt::format("unknown action '{}'", printable(action, 60)),
              "write copy, import, backup or restore; see: canhazgpu store --help");
}

constexpr char kStoreExamples[] =
    R"(  sudo canhazgpu store copy sqlite:/var/lib/canhazgpu/pool.db redis://HOST/0
  canhazgpu store copy 'redis://HOST/0?prefix=old' 'redis://HOST/0?prefix=new'
  sudo canhazgpu store import redis://localhost:6379/0
  sudo canhazgpu store backup /var/backups/canhazgpu.db --force
  sudo canhazgpu store restore /var/backups/canhazgpu.db

FROM and TO are written as for --store; passwords are better set as redis.password. TO has
to be empty, FROM stays as it is. The queue is not copied. A run goes on, and its GPUs stay
reserved in TO. Then name TO as 'store' in /etc/canhazgpu/config.yaml.

import takes over the pool that the Go program of the same name, or canhazgpu 0.1.0, has in
that Redis, into the store in use. Runs go on. The Go program's commands say from then on that
the pool has moved.

backup writes the pool and its history, whatever store they are in, into one file. restore
brings history and reservations back that the store in use lacks, but none that has ended since.
GPUs, policy and admin group become those of the backup.)";

}  // namespace

Command store_command() {
  return {.name = "store",
          .help = "Copy the pool, back it up, or take over that of the Go program",
          .examples = kStoreExamples,
          .options = {{"--force", "", "Let backup replace a file that is there"}},
          .operands = {{"ACTION", "copy, import, backup or restore"},
                       {"FROM", "The store to copy, the Redis to import from, or the FILE"},
                       {"TO", "An empty store; of copy only", true}},
          .execute = execute_store};
}

}  // namespace chg
