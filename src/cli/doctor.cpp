#include "app/doctor.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/command.h"
#include "render/findings.h"

namespace chg {
namespace {

std::string account_text(const Caller& caller) {
  switch (caller.user_namespace) {
    case UserNamespace::First:
      break;
    case UserNamespace::Other:
      return fmt::format("uid {} (uid {} of another user namespace)", caller.account.uid,
                         caller.uid_here);
    case UserNamespace::Untold:
      return fmt::format("uid {} of another user namespace, which does not tell whose it is",
                         caller.uid_here);
  }
  return fmt::format("uid {}", caller.account.uid);
}

int execute_doctor(Session& session, const Arguments&) {
  const Facts facts = gather_facts(session.context());
  std::vector<Finding> findings = diagnose(facts);
  // A Redis that does not answer is not asked once more.
  const bool answers = facts.reading_store.failure.empty() || session.context().store_is_file();
  const auto missed = answers ? session.missed_import() : std::nullopt;
  if (missed) {
    findings.push_back({Finding::Health::Bad, "other pool", missed->what(), missed->hint()});
  }
  const auto bad = std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.health == Finding::Health::Bad;
  });
  std::string text =
      fmt::format("canhazgpu {}, as {}\n", CANHAZGPU_VERSION, account_text(session.caller()));
  text += findings_text(findings, session.style());
  text += bad == 0 ? "nothing is wrong\n" : fmt::format("{} to mend\n", bad);
  print(text);
  return bad == 0 ? 0 : 1;
}

}  // namespace

Command doctor_command() {
  return {.name = "doctor",
          .help = "Examine the host: what is found, what is wrong, what to do",
          .examples =
              "  canhazgpu doctor                what to paste into a bug report\n"
              "  sudo canhazgpu doctor           the same, with the rights of root\n"
              "\n"
              "The exit status is 1 when something is wrong.",
          .execute = execute_doctor};
}

}  // namespace chg
