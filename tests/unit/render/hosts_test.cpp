#include "render/hosts.h"

#include <gtest/gtest.h>

#include "unit/render/schema.h"

namespace chg {
namespace {

using Source = HostPart::Source;

std::vector<HostPart> three_hosts(const std::string& first, const std::string& second) {
  return {{"alpha", Source::Here, first},
          {"beta", Source::Store, second},
          {"evil\x1b[31m", Source::Ssh, "", "Permission\ndenied", "try it"}};
}

TEST(Hosts, StandSideBySide) {
  EXPECT_EQ(hosts_text(three_hosts("GPU 0: AVAILABLE\n", "GPU 0: IN USE\n")),
            "alpha:\nGPU 0: AVAILABLE\n"
            "\nbeta (from its pool, not looked at):\nGPU 0: IN USE\n"
            "\nevil\\x1b[31m: error: Permission\\ndenied\nhint: try it\n");
}

TEST(Hosts, TakeALineEach) {
  EXPECT_EQ(hosts_lines(three_hosts("1 GPU\n", "2 GPUs\n")),
            "alpha: 1 GPU\nbeta: 2 GPUs\nevil\\x1b[31m: error: Permission\\ndenied\n");
}

TEST(Hosts, AreAnObjectEach) {
  const std::string text =
      hosts_json(three_hosts("[]\n", "[\n  {\n    \"a\": \"\\n\"\n  }\n]\n"), "gpus");
  samples::expect_documented(hosts_json(three_hosts("[]\n", "[]\n"), "gpus"), "hosts");
  EXPECT_EQ(text, R"([
  {
    "host": "alpha",
    "source": "here",
    "gpus": []
  },
  {
    "host": "beta",
    "source": "store",
    "gpus": [
      {
        "a": "\n"
      }
    ]
  },
  {
    "host": "evil\u001b[31m",
    "source": "ssh",
    "error": "Permission\ndenied",
    "hint": "try it"
  }
]
)");
  EXPECT_EQ(hosts_json({}, "gpus"), "[]\n");
}

}  // namespace
}  // namespace chg
