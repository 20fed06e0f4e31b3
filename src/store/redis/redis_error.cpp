#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "store/redis/redis_connection.h"

namespace chg {
namespace {

struct Translation {
  std::string_view code;
  ErrorKind kind;
  bool is_transient;
  std::string_view what;
  std::string_view hint;
};

using enum ErrorKind;

constexpr auto kTranslations = std::to_array<Translation>({
    {"NOAUTH", NotPermitted, false, "asks for a password",
     "give it in the configuration as redis.password, or as CANHAZGPU_REDIS_PASSWORD"},
    {"WRONGPASS", NotPermitted, false, "refuses the user name or the password",
     "check redis.username and redis.password"},
    {"invalid password", NotPermitted, false, "refuses the password", "check redis.password"},
    {"without any password configured", NotPermitted, false, "knows no password, but one was given",
     "remove redis.password from the configuration"},
    {"NOPERM", NotPermitted, false, "does not permit it",
     "its administrator has to give this user the keys and channels of the pool (ACL SETUSER … "
     "~canhazgpu:* &canhazgpu:* +@all)"},
    {"The user executing the script can't", NotPermitted, false, "does not permit it",
     "its administrator has to give this user the keys and channels of the pool (ACL SETUSER … "
     "~canhazgpu:* &canhazgpu:* +@all)"},
    {"DENIED", NotPermitted, false, "is in protected mode",
     "its administrator has to set a password, or protected-mode no"},
    {"READONLY", Failed, true, "is a read-only replica",
     "name its master in redis.host, or its Sentinels (redis-sentinel://HOST,HOST/MASTER)"},
    {"OOM command", Failed, true, "has no memory left",
     "nothing was changed; its administrator has to raise maxmemory or make room"},
    {"MISCONF", Failed, true, "cannot save to its disk, and takes no changes",
     "its administrator has to make room there, or look into its log"},
    {"LOADING", Failed, true, "is still loading its data", "try again in a moment"},
    {"MASTERDOWN", Failed, true, "is a replica whose master is away", "is the master running?"},
    {"NOREPLICAS", Failed, true, "has too few replicas to take changes",
     "its administrator has to bring them back (min-replicas-to-write)"},
    {"CLUSTERDOWN", Failed, true, "belongs to a cluster that is down", "try again in a moment"},
    {"MOVED", Failed, false, "is one of a cluster, and does not have the pool's keys",
     "name the node that has them; all keys of a pool share one hash tag: "
     "?prefix={canhazgpu}"},
    {"CROSSSLOT", Failed, false, "is one of a cluster, and would keep the pool's keys apart",
     "all keys of a pool have to share one hash tag: ?prefix={canhazgpu}, or redis.prefix"},
    {"unknown command", Failed, false, "lacks a command that canhazgpu needs",
     "its administrator has to allow EVAL and EVALSHA, and all that they call (rename-command)"},
    {"BUSY ", Failed, true, "is busy with a script that does not end",
     "its administrator can stop it: SCRIPT KILL"},
    {"max number of clients", Failed, true, "has too many connections",
     "its administrator has to raise maxclients"},
    {"DB index is out of range", Failed, false, "has no such database",
     "check redis.db, or its setting 'databases'"},
    {"WRONGTYPE", Failed, false, "holds something else under a key of the pool",
     "give the pool keys of its own: redis.prefix"},
});

}  // namespace

Error redis_error(std::string_view reply, std::string_view where) {
  // An error inside of a script may come wrapped in words about the script, so the code is looked
  // for anywhere.
  for (const Translation& known : kTranslations) {
    if (reply.find(known.code) == std::string_view::npos) continue;
    const Error error(known.kind,
                      fmt::format("the Redis '{}' {}", printable(where, 100), known.what),
                      std::string(known.hint));
    return known.is_transient ? error.with(Retry::Later) : error;
  }
  return Error(
      ErrorKind::Failed,
      fmt::format("the Redis '{}' failed: {}", printable(where, 100), printable(reply, 200)),
      "its administrator finds more in its log");
}

}  // namespace chg
