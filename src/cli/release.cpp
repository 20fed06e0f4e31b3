#include "app/release.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "cli/command.h"
#include "core/gpu_ids.h"
#include "render/words.h"

namespace chg {
namespace {

// Says which reservations were kept, so that nobody believes that they were released.
void mention_kept(const Session& session, const Released& released) {
  if (released.runs_kept > 0) {
    session.say(fmt::format("{} of yours go{} on; end with: canhazgpu release --kill",
                            count_of(released.runs_kept, "live run"),
                            released.runs_kept == 1 ? "es" : ""));
  }
  if (!released.left_to_runs.empty() && released.runs.empty() && released.runs_kept == 0) {
    session.say("end that run with: canhazgpu release --kill --gpu-ids " +
                to_id_list(released.left_to_runs));
  }
  for (const std::string& label : released.labels_kept) {
    session.say(label.empty()
                    ? std::string("reservations of this account without a label are kept")
                    : fmt::format("kept what is labelled '{}'; give it back with: canhazgpu "
                                  "release --user {}",
                                  printable(label, 60), shell_word(label)));
  }
}

int execute_release(Session& session, const Arguments& arguments) {
  ReleaseSelection selection;
  if (const auto ids = arguments.value("gpu-ids")) selection.gpu_ids = parse_gpu_ids(*ids);
  selection.runs = arguments.has("kill");
  selection.label = session.config().text("release.user").value_or("");
  const Released released = release_gpus(session.context(), selection, std::chrono::seconds(10));
  std::vector<int> gpus = released.gpus;
  for (const Reservation& run : released.runs) {
    gpus.insert(gpus.end(), run.gpus.begin(), run.gpus.end());
  }
  std::sort(gpus.begin(), gpus.end());
  gpus.erase(std::unique(gpus.begin(), gpus.end()), gpus.end());
  mention_kept(session, released);
  std::string text =
      gpus.empty() ? "nothing to release" : fmt::format("released {}", to_gpu_names(gpus));
  if (const auto& left = released.left_to_runs; !left.empty() && released.runs.empty()) {
    text = gpus.empty() ? "" : text + "; ";
    text += fmt::format("{} {} reserved until the run inside ends", to_gpu_names(left),
                        left.size() == 1 ? "stays" : "stay");
  }
  if (const auto& free = released.not_reserved; !free.empty()) {
    text += fmt::format("{} {} {} not reserved", gpus.empty() ? ":" : ";", to_gpu_names(free),
                        free.size() == 1 ? "is" : "are");
  }
  print(text + "\n", kOutputHintOfChange);
  return 0;
}

}  // namespace

Command release_command() {
  return {.name = "release",
          .help = "Give back what you reserved by hand",
          .examples =
              "  canhazgpu release                       all of it\n"
              "  canhazgpu release --gpu-ids 1,3         only these\n"
              "  canhazgpu release --kill --gpu-ids 2    also end the run on GPU 2",
          .options = {{"-G,--gpu-ids", "IDS", "Only these GPUs: 1,3 or 0-3"},
                      {"--kill", "", "End live runs too: SIGINT, SIGTERM, after 10s SIGKILL"},
                      {"-u,--user", "LABEL", "Only what has this label", "release.user"}},
          .execute = execute_release};
}

}  // namespace chg
