// Runs each target on the files of its folder: fuzz_corpus FOLDER [TARGET].
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fuzz_corpus FOLDER [TARGET]\n");
    return 2;
  }
  int files = 0;
  for (const auto& [name, target] : chg::fuzz::targets()) {
    if (argc > 2 && name != argv[2]) continue;
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / name;
    if (!std::filesystem::is_directory(folder)) {
      std::fprintf(stderr, "no folder %s\n", folder.c_str());
      return 1;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(file), {});
      std::printf("%s\n", entry.path().c_str());
      std::fflush(stdout);  // the last line tells the file that ended the process
      chg::fuzz::call(target, bytes);
      ++files;
    }
  }
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
