// A home and a system directory of the test's own, and the inputs that point to them.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "config/config.h"

namespace chg {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "chg-config-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    inputs.home = root_ + "/home";
    inputs.uid = getuid();
    inputs.system_directory = root_ + "/etc";
  }
  ~ConfigTest() override { std::filesystem::remove_all(root_); }

  /// Writes a file below the test's own directory and returns its path: "home/.canhazgpu.yaml".
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = root_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  /// The user's file in YAML.
  std::string write_user(const std::string& text) const {
    return write("home/.canhazgpu.yaml", text);
  }

  void set_flag(const std::string& key, const std::string& value, const std::string& origin) {
    inputs.flags.push_back({key, value, origin});
  }

  Config load() const { return load_config(inputs); }

  /// The failure of loading. Fails the test where there is none.
  Error failure() const {
    try {
      load();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "loads without an error";
    return Error(ErrorKind::Failed, "no error");
  }

  std::string root_;
  ConfigInputs inputs;
};

}  // namespace chg
