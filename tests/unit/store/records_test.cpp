#include "store/records.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/full_pool.h"

namespace chg {
namespace {

Pool read(const std::vector<records::Write>& writes) {
  Pool pool;
  for (const auto& [field, record] : writes) {
    if (record) records::add(pool, field, *record);
  }
  records::put_in_order(pool);
  return pool;
}

TEST(Records, KeepAllOfAPool) { EXPECT_EQ(read(records::writes(full_pool())), full_pool()); }

TEST(Records, KeepNothingOfAnEmptyPool) { EXPECT_TRUE(records::writes(Pool{}).empty()); }

TEST(Records, AreWrittenForWhatDiffers) {
  const Pool before = full_pool();
  Pool after = before;
  after.gpus[1].model = "other";
  after.queue.erase(after.queue.begin());
  const std::vector<records::Write> writes = records::writes(after, difference(before, after));
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_EQ(writes[0].field, "gpu:1");
  EXPECT_TRUE(writes[0].record);
  EXPECT_EQ(writes[1].field, "request:bare");
  EXPECT_FALSE(writes[1].record);
}

// Whatever changed: who takes out what was written and adds it again has the pool as it is.
TEST(Records, BringAnotherPoolUpToDate) {
  const Pool before = full_pool();
  Pool after = before;
  after.provider = "other";
  after.host.name = "elsewhere";
  after.cancelled.clear();
  ++after.next_arrival;
  after.gpus.erase(after.gpus.begin());
  after.reservations.erase(after.reservations.begin() + 1);
  after.reservations[0].note = "new";
  after.queue.pop_back();
  Pool known = before;
  for (const auto& [field, record] : records::writes(after, difference(before, after))) {
    records::remove(known, field);
    if (record) records::add(known, field, *record);
  }
  records::put_in_order(known);
  EXPECT_EQ(known, after);
}

TEST(Records, PassOverFieldsOfALaterVersion) {
  Pool pool;
  records::add(pool, "calendar:7", "{}");
  records::remove(pool, "calendar:7");
  EXPECT_EQ(pool, Pool{});
}

TEST(Records, OfALaterVersionAreRefused) {
  Pool pool;
  expect_error(ErrorKind::Failed, "newer canhazgpu", [&] {
    records::add(pool, "settings",
                 R"({"version":2,"admin_group":"","creator_uid":0,"next_arrival":1})");
  });
}

TEST(Records, OfAGpuThatAreDamagedTakeItOutOfServiceAndHideNoOther) {
  Pool pool;
  records::add(pool, "gpu:1", "{\"uuid\":");
  for (const auto& [field, record] : records::writes(full_pool())) {
    if (field == "gpu:0") records::add(pool, field, *record);
  }
  records::put_in_order(pool);
  ASSERT_EQ(pool.gpus.size(), 2U);
  EXPECT_EQ(pool.gpus[0], full_pool().gpus[0]);
  EXPECT_EQ(pool.gpus[1].index, 1);
  EXPECT_EQ(pool.gpus[1].out_of_service, "its record in the store was damaged");
}

TEST(Records, WhoseGpusCannotBeAreDamaged) {
  for (const std::string gpus : {"[-1]", "[1,0]", "[2,2]", "[0,10000]"}) {
    for (const std::string field : {"reservation:full", "request:full"}) {
      for (auto& [name, record] : records::writes(full_pool())) {
        if (!record || !name.starts_with(field.substr(0, field.find(':') + 1))) continue;
        const std::size_t begin = record->find("\"gpus\":[") + 7;
        record->replace(begin, record->find(']', begin) + 1 - begin, gpus);
        Pool pool;
        expect_error(ErrorKind::Failed, "damaged",
                     [&, &text = *record] { records::add(pool, field, text); });
      }
    }
  }
  Pool pool;
  expect_error(ErrorKind::Failed, "damaged", [&] { records::add(pool, "gpu:10000", "{}"); });
}

TEST(Records, ThatAreDamagedAreNamed) {
  for (const char* field :
       {"reservation:abc", "request:abc", "settings", "cancelled", "gpu:x", "gpu:-1", "gpu:"}) {
    Pool pool;
    expect_error(ErrorKind::Failed, "'" + std::string(field) + "'",
                 [&] { records::add(pool, field, "nonsense"); });
  }
}

}  // namespace
}  // namespace chg
