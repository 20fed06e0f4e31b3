// Configuration files, from their text to the settings.
#include <filesystem>
#include <fstream>

#include "config/config.h"
#include "fuzz/fuzz.h"
#include "fuzz/scratch.h"

namespace chg {
namespace {

void load(const std::string& ending, std::string_view bytes) {
  static const fuzz::Scratch scratch;
  const std::string file = scratch.write("config" + ending, bytes);
  ConfigInputs inputs;
  inputs.file = file;
  inputs.system_directory = scratch.path("none");
  const Config config = load_config(inputs);
  config.view();
  config.leftovers();
  config.effective();
}

}  // namespace

CHG_FUZZ_TARGET(config, yaml) { load(".yaml", bytes); }
CHG_FUZZ_TARGET(config, json) { load(".json", bytes); }

}  // namespace chg
