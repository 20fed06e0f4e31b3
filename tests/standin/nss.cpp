// A stand-in for the module of a directory service: libnss_standin.so.2, which glibc loads for the
// word "standin" in /etc/nsswitch.conf. It knows the account zoe with the uid 54321, and the group
// zoo; where the variable STANDIN_NSS is "stuck", it never answers.
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <unistd.h>

namespace {

constexpr unsigned kUid = 54321;
char name[] = "zoe";
char group_name[] = "zoo";
char nothing[] = "";
char home[] = "/";

void hang_if_told() {
  const char* how = std::getenv("STANDIN_NSS");
  while (how != nullptr && std::strcmp(how, "stuck") == 0) pause();
}

nss_status tell(passwd* result) {
  *result = {name, nothing, kUid, kUid, nothing, home, nothing};
  return NSS_STATUS_SUCCESS;
}

nss_status none(int* error) {
  *error = ENOENT;
  return NSS_STATUS_NOTFOUND;
}

}  // namespace

extern "C" {

nss_status _nss_standin_getpwuid_r(uid_t uid, passwd* result, char*, std::size_t, int* error) {
  hang_if_told();
  return uid == kUid ? tell(result) : none(error);
}

nss_status _nss_standin_getpwnam_r(const char* asked, passwd* result, char*, std::size_t,
                                   int* error) {
  hang_if_told();
  return std::strcmp(asked, name) == 0 ? tell(result) : none(error);
}

nss_status _nss_standin_getgrnam_r(const char* asked, group* result, char*, std::size_t,
                                   int* error) {
  hang_if_told();
  if (std::strcmp(asked, group_name) != 0) return none(error);
  static char* members[] = {nullptr};
  *result = {group_name, nothing, kUid, members};
  return NSS_STATUS_SUCCESS;
}
}
