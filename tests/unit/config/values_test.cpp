#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using namespace std::chrono_literals;

const Key& key(std::string_view name) { return keys()[find_key(name).value()]; }

const Origin kFlag{Source::Flag, "--flag"};
const Origin kFile{Source::UserFile, "/home/x/.canhazgpu.yaml:3"};

template <typename T>
T read(std::string_view name, const RawValue& raw, const Origin& origin = kFlag) {
  return std::get<T>(parse_value(key(name), raw, origin));
}

std::string refusal(std::string_view name, const RawValue& raw, const Origin& origin = kFlag) {
  try {
    parse_value(key(name), raw, origin);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    return error.what();
  }
  return "no error";
}

using Texts = std::vector<std::string>;

TEST(Value, ErrorNamesKeyValueOriginAndExpectation) {
  EXPECT_EQ(refusal("report.days", "soon", kFile),
            "invalid report.days 'soon' (from /home/x/.canhazgpu.yaml:3): expected a whole number "
            "from 1 to 3650");
}

TEST(Value, NumberIsWholeAndWithinItsBounds) {
  EXPECT_EQ(read<std::int64_t>("report.days", "1"), 1);
  EXPECT_EQ(read<std::int64_t>("report.days", "3650"), 3650);
  EXPECT_EQ(read<std::int64_t>("memory.threshold", "0"), 0);
  for (const char* text : {"", "0", "3651", "-1", "+1", "1.0", "1e2", "0x10", " 1", "1 ", "7d",
                           "99999999999999999999", "one"}) {
    EXPECT_NE(refusal("report.days", text), "no error") << text;
  }
  EXPECT_NE(refusal("run.gpus", "0"), "no error");
  EXPECT_NE(refusal("memory.threshold", "-1"), "no error");
}

TEST(Value, DurationNeedsAUnit) {
  EXPECT_EQ(read<Duration>("run.timeout", "1h30m"), 90min);
  for (const char* text : {"", "90", "0s", "-1h", "2 h", "99999d", "never"}) {
    EXPECT_EQ(refusal("run.timeout", text),
              std::string("invalid run.timeout '") + text +
                  "' (from --flag): expected a duration longer than zero and up to 3650d, such as "
                  "90s, 30m, 2h, 1d, 0.5h or 1h30m");
  }
}

TEST(Value, BoolTakesTheUsualWords) {
  for (const char* text : {"true", "yes", "on", "1", "True", "YES"}) {
    EXPECT_TRUE(read<bool>("run.nonblock", text)) << text;
  }
  for (const char* text : {"false", "no", "off", "0", "False"}) {
    EXPECT_FALSE(read<bool>("run.nonblock", text)) << text;
  }
  for (const char* text : {"", "2", "maybe", " true"}) {
    EXPECT_EQ(refusal("run.nonblock", text), std::string("invalid run.nonblock '") + text +
                                                 "' (from --flag): expected true or false");
  }
}

TEST(Value, ChoiceIsOneOfItsWords) {
  EXPECT_EQ(read<std::string>("color", "never"), "never");
  EXPECT_EQ(refusal("color", "Never"),
            "invalid color 'Never' (from --flag): expected one of auto, always, never");
}

TEST(Value, ProbeIsOneOfThoseThatThereAre) {
  for (const char* word : {"auto", "nvml", "nvidia-smi", "amd", "fake"}) {
    EXPECT_EQ(read<std::string>("probe", word), word);
  }
  EXPECT_EQ(refusal("probe", "intel"),
            "invalid probe 'intel' (from --flag): expected one of auto, nvml, nvidia-smi, amd, "
            "fake");
}

TEST(Value, GpuIdsComeAsATextOrAList) {
  EXPECT_EQ(read<std::vector<int>>("run.gpu_ids", "3,0-1"), (std::vector{0, 1, 3}));
  EXPECT_EQ(read<std::vector<int>>("run.gpu_ids", Texts{"3", "0-1"}), (std::vector{0, 1, 3}));
  EXPECT_EQ(read<std::vector<int>>("run.gpu_ids", "5"), (std::vector{5}));
}

TEST(Value, GpuIdsAreRefusedWhenEmptyRepeatedOrWrong) {
  EXPECT_EQ(refusal("run.gpu_ids", "1,1"),
            "invalid run.gpu_ids '1,1' (from --flag): expected the ids of GPUs, each once, such as "
            "1,3 or 0-3");
  for (const char* text : {"", "a", "-1", "3-1", "1,", "0x1"}) {
    EXPECT_NE(refusal("run.gpu_ids", text), "no error") << text;
  }
  EXPECT_EQ(refusal("run.gpu_ids", Texts{"1", "x"}),
            "invalid run.gpu_ids '[1, x]' (from --flag): found a list, expected the ids of GPUs, "
            "each once, such as 1,3 or 0-3");
  EXPECT_NE(refusal("run.gpu_ids", Texts{}), "no error");
}

TEST(Value, ListComesAsATextWithCommasOrAList) {
  EXPECT_EQ(read<Texts>("ignore_processes", "Xorg, a b,,sway "), (Texts{"Xorg", "a b", "sway"}));
  EXPECT_EQ(read<Texts>("ignore_processes", ""), Texts{});
  EXPECT_EQ(read<Texts>("ignore_processes", Texts{"Xorg", "a,b"}), (Texts{"Xorg", "a,b"}));
  EXPECT_EQ(read<Texts>("ignore_processes", Texts{}), Texts{});
}

TEST(Value, ListHoldsNoEmptyTextsAndNoLists) {
  EXPECT_NE(refusal("ignore_processes", Texts{"Xorg", ""}), "no error");
  EXPECT_EQ(refusal("ignore_processes", NestedList{}, kFile),
            "invalid ignore_processes '[…]' (from /home/x/.canhazgpu.yaml:3): found lists or "
            "sections in a list, expected names, separated by commas or in a list");
}

TEST(Value, OtherTypesTakeNoList) {
  for (const char* name :
       {"store", "probe", "fake.file", "run.note", "run.timeout", "run.gpus", "run.nonblock"}) {
    EXPECT_NE(refusal(name, Texts{"1"}), "no error") << name;
    EXPECT_NE(refusal(name, NestedList{}), "no error") << name;
  }
}

TEST(Value, TextIsAnyText) {
  EXPECT_EQ(read<std::string>("run.note", ""), "");
  EXPECT_EQ(read<std::string>("run.note", "a: \x1b\n 学"), "a: \x1b\n 学");
}

TEST(Value, NoTextHoldsANulByte) {
  EXPECT_EQ(refusal("run.note", std::string("a\0b", 3)),
            R"(invalid run.note 'a\x00b' (from --flag): expected a text)");
  EXPECT_NE(refusal("ignore_processes", Texts{std::string("\0", 1)}), "no error");
}

TEST(Value, StoreIsASqliteFileOrARedis) {
  for (const char* text : {"sqlite:/var/x.db", "redis://h:1/2", "redis+unix:///run/s", "unix:///s",
                           "redis-sentinel://a,b/m"}) {
    EXPECT_EQ(read<std::string>("store", text), text);
    EXPECT_EQ(read<std::string>("store", text, kFile), text);
  }
  for (const char* text : {"", "sqlite:", "/var/x.db", "postgres://h", "sqlite:~/x.db"}) {
    EXPECT_NE(refusal("store", text), "no error") << text;
  }
}

TEST(Value, RedisWithTlsIsForALaterVersion) {
  EXPECT_EQ(refusal("store", "rediss://host:6379"),
            "invalid store 'rediss://…' (from --flag): TLS is not available in this version, "
            "expected sqlite: and a path, or redis://HOST:PORT/DB");
}

TEST(Value, SecretsAreNotShown) {
  const Key& store = keys()[find_key("store").value()];
  const Key& password = keys()[find_key("redis.password").value()];
  const auto shown = [](const Key& key, const char* text) {
    return to_public_text(key, Value(std::string(text)));
  };
  EXPECT_EQ(shown(store, "redis://al:se@cret@h:1/2"), "redis://al:…@h:1/2");
  EXPECT_EQ(shown(store, "redis+unix://:secret@/run/s"), "redis+unix://:…@/run/s");
  EXPECT_EQ(shown(store, "redis://al@h"), "redis://al@h");
  EXPECT_EQ(shown(store, "redis://[::1]:3"), "redis://[::1]:3");
  EXPECT_EQ(shown(store, "sqlite:/a:b@c"), "sqlite:/a:b@c");
  EXPECT_EQ(shown(password, "secret"), "…");
  EXPECT_EQ(shown(password, ""), "");
}

TEST(Value, ThePasswordInAStoresAddressIsNotShown) {
  for (const char* text : {"rediss://:secret@h", "rediss://me:secret@h", "x://secret"}) {
    EXPECT_EQ(refusal("store", text).find("secret"), std::string::npos) << text;
  }
}

TEST(Value, PathsInFilesAreAbsolute) {
  EXPECT_EQ(read<std::string>("store", "sqlite:x.db", kFlag), "sqlite:x.db");
  EXPECT_EQ(read<std::string>("fake.file", "gpus.json", kFlag), "gpus.json");
  EXPECT_EQ(read<std::string>("fake.file", "/x/gpus.json", kFile), "/x/gpus.json");
  EXPECT_EQ(refusal("fake.file", "gpus.json", kFile),
            "invalid fake.file 'gpus.json' (from /home/x/.canhazgpu.yaml:3): expected an absolute "
            "path");
  EXPECT_EQ(refusal("store", "sqlite:x.db", kFile),
            "invalid store 'sqlite:x.db' (from /home/x/.canhazgpu.yaml:3): expected sqlite: and "
            "an absolute path, or redis://HOST:PORT/DB");
}

TEST(Value, PathsAreNotEmptyAndHaveNoTilde) {
  EXPECT_NE(refusal("fake.file", ""), "no error");
  EXPECT_NE(refusal("fake.file", "~/gpus.json"), "no error");
}

TEST(Value, StrangeBytesAreShownHarmlessly) {
  EXPECT_EQ(
      refusal("color", "\x1b[2J\n\xff", kFile),
      R"(invalid color '\x1b[2J\n\xff' (from /home/x/.canhazgpu.yaml:3): expected one of auto, always, never)");
  EXPECT_EQ(refusal("run.gpus", Texts{"\x1b"}),
            R"(invalid run.gpus '[\x1b]' (from --flag): found a list, )"
            "expected a whole number from 1 to 1000000");
  EXPECT_LT(refusal("color", std::string(10'000, 'x')).size(), 400U);
}

TEST(Value, HasOneTextForm) {
  const auto form = [](std::string_view name, const RawValue& raw) {
    return to_text(parse_value(key(name), raw, kFlag));
  };
  EXPECT_EQ(form("run.timeout", "90m"), "1h30m");
  EXPECT_EQ(form("run.nonblock", "ON"), "true");
  EXPECT_EQ(form("run.gpus", "007"), "7");
  EXPECT_EQ(form("run.gpu_ids", "3, 0-1"), "0,1,3");
  EXPECT_EQ(form("ignore_processes", Texts{"a", "b c"}), "a,b c");
  EXPECT_EQ(form("run.note", "x"), "x");
  EXPECT_EQ(to_text(Value()), "");
}

TEST(Value, RemoteHostsAreAList) {
  EXPECT_EQ(read<Texts>("remote_hosts", Texts{"gpu1", "a@gpu2"}), (Texts{"gpu1", "a@gpu2"}));
  EXPECT_EQ(read<Texts>("remote_hosts", "gpu3, gpu4"), (Texts{"gpu3", "gpu4"}));
}

TEST(Value, NobodyIsARemoteHostUnlessNamed) {
  EXPECT_TRUE(read<Texts>("remote_hosts", key("remote_hosts").default_text.value()).empty());
}

}  // namespace
}  // namespace chg
