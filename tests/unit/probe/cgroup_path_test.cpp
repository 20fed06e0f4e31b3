#include "probe/processes/cgroup_path.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

const std::string kId = "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4";

struct Case {
  std::string text;
  std::optional<Container> container;
  std::string unit;
  std::string session;
};

class ParseCgroup : public ::testing::TestWithParam<Case> {};

TEST_P(ParseCgroup, TellsContainerUnitAndSession) {
  const CgroupFacts facts = parse_cgroup(GetParam().text);
  EXPECT_EQ(facts.container, GetParam().container) << GetParam().text;
  EXPECT_EQ(facts.unit, GetParam().unit) << GetParam().text;
  EXPECT_EQ(facts.session, GetParam().session) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Systemd, ParseCgroup,
    ::testing::Values(Case{"0::/user.slice/user-1000.slice/session-12.scope\n", {}, "", "12"},
                      Case{"0::/user.slice/user-1000.slice/user@1000.service/tmux-spawn-1f.scope\n",
                           {},
                           "tmux-spawn-1f.scope",
                           ""},
                      Case{"0::/system.slice/ollama.service\n", {}, "ollama.service", ""},
                      Case{"0::/system.slice/system-getty.slice/getty@tty1.service",
                           {},
                           "getty@tty1.service",
                           ""},
                      Case{"0::/init.scope\n", {}, "", ""}, Case{"0::/\n", {}, "", ""},
                      Case{"12:cpu,cpuacct:/\n1:name=systemd:/system.slice/slurmd.service\n0::/\n",
                           {},
                           "slurmd.service",
                           ""}));

INSTANTIATE_TEST_SUITE_P(
    Containers, ParseCgroup,
    ::testing::Values(
        Case{"0::/system.slice/docker-" + kId + ".scope\n", Container{"docker", kId, ""}, "", ""},
        Case{"0::/../../docker-" + kId + ".scope\n", Container{"docker", kId, ""}, "", ""},
        Case{"5:devices:/docker/" + kId + "\n0::/\n", Container{"docker", kId, ""}, "", ""},
        Case{"0::/user.slice/user-7.slice/user@7.service/user.slice/libpod-" + kId +
                 ".scope/container\n",
             Container{"podman", kId, ""}, "", ""},
        Case{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/"
             "cri-containerd-" +
                 kId + ".scope\n",
             Container{"containerd", kId, ""}, "", ""},
        Case{"4:memory:/kubepods/besteffort/pod0f-1/" + kId + "\n",
             Container{"containerd", kId, ""}, "", ""},
        Case{"0::/kubepods.slice/crio-" + kId + ".scope\n", Container{"cri-o", kId, ""}, "", ""},
        Case{"0::/lxc.payload.lab-3/system.slice/ssh.service\n", Container{"lxc", "lab-3", "lab-3"},
             "ssh.service", ""},
        Case{"9:pids:/lxc/lab-3\n", Container{"lxc", "lab-3", "lab-3"}, "", ""},
        Case{"0::/machine.slice/machine-my\\x2dbox.scope/payload\n",
             Container{"nspawn", "my-box", "my-box"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(Strange, ParseCgroup,
                         ::testing::Values(Case{"", {}, "", ""}, Case{"\n\n", {}, "", ""},
                                           Case{"x", {}, "", ""}, Case{":", {}, "", ""},
                                           Case{"::", {}, "", ""}, Case{"0:", {}, "", ""},
                                           Case{"0::/docker-12.scope\n", {}, "docker-12.scope", ""},
                                           Case{"0::/docker/" + kId.substr(1) + "z\n", {}, "", ""},
                                           Case{"0::/machine-a\\x2.scope\n",
                                                Container{"nspawn", "a\\x2", "a\\x2"}, "", ""}));

}  // namespace
}  // namespace chg
