#include "app/new_store.h"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"

namespace chg {

bool store_exists(const Context& context) {
  if (!context.store_is_file()) return true;
  struct stat file {};
  return stat(context.options().store_path.c_str(), &file) == 0 && file.st_size > 0;
}

std::optional<Sharing> sharing_of_new(const Context& context) {
  if (!context.store_is_file()) return std::nullopt;
  const bool exists = access(context.options().store_path.c_str(), F_OK) == 0;
  if (exists || !context.caller().is_admin) return std::nullopt;
  return Sharing{0666, -1};
}

void require_may_create(const Context& context, const Caller& caller) {
  // Whoever is let into an empty Redis may set a pool up there.
  if (caller.is_admin || !context.store_is_file()) return;
  struct stat file {};
  const bool exists = stat(context.options().store_path.c_str(), &file) == 0;
  if (!exists || file.st_uid == caller.uid_here) return;
  refuse_stranger();
}

void make_state_directory(const Context& context) {
  if (context.store_is_file()) return;
  const std::filesystem::path directory =
      std::filesystem::path(context.reading_file()).parent_path();
  make_directories(directory, 0755);
  context.world().create_reading_file(context.reading_file());
}

}  // namespace chg
