#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace chg {

/// A folder of one test, removed with all that is in it. Everybody may look into it.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(::testing::TempDir() + "chg-test-XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    EXPECT_EQ(::chmod(path_.c_str(), 0755), 0);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

  /// Writes a file, in folders that are made where they are missing, and returns its path.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    EXPECT_EQ(::chmod(path(name).c_str(), mode), 0);
    return path(name);
  }

  /// Writes a shell script that can be run.
  std::string write_script(const std::string& name, const std::string& body) const {
    return write(name, "#!/bin/sh\n" + body, 0755);
  }

 private:
  std::string path_;
};

}  // namespace chg
