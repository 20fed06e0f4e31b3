// What is made of the keys of the Go program, and of those of canhazgpu 0.1.0.
#include "store/import/go_pool.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr WallTime kStart{seconds(1795526708)};  // 2026-11-24T13:25:08Z

std::optional<std::uint32_t> uid_of(const std::string& account) {
  if (account == "alice") return 1000;
  if (account == "bob") return 1001;
  return std::nullopt;
}

GoImage image_of(const std::string& count) {
  GoImage image;
  image.gpu_count = count;
  return image;
}

GoPool read(const GoImage& image) { return read_go_pool(image, uid_of); }

TEST(GoPool, TakesGpusAndProvider) {
  GoImage image = image_of("2");
  image.provider = "amd";
  image.gpus[1] = R"({"last_released":"2026-11-24T13:25:08.259536358Z"})";
  const GoPool found = read(image);
  ASSERT_EQ(found.pool.gpus.size(), 2U);
  EXPECT_EQ(found.pool.provider, "amd");
  EXPECT_EQ(found.pool.gpus[1].index, 1);
  EXPECT_FALSE(found.pool.gpus[0].last_released);
  EXPECT_EQ(found.pool.gpus[1].last_released->wall, kStart + nanoseconds(259536358));
  EXPECT_TRUE(found.unread.empty());
}

TEST(GoPool, TakesNvidiaForWantOfAProvider) {
  EXPECT_EQ(read(image_of("1")).pool.provider, "nvidia");
}

TEST(GoPool, RefusesWhatIsNoNumberOfGpus) {
  for (const char* text : {"", "0", "-1", "10001", "8 ", "eight", "99999999999999"}) {
    expect_error(ErrorKind::Failed, "no number of GPUs", [&] { read(image_of(text)); });
  }
}

TEST(GoPool, JoinsTheGpusOfARun) {
  GoImage image = image_of("4");
  // As it is written first, and after a heartbeat.
  image.gpus[0] = R"({"type":"run","user":"alice","actual_user":"alice","start_time":1795526708,)"
                  R"("last_heartbeat":1795526709})";
  image.gpus[2] =
      R"({"user":"alice","actual_user":"alice","start_time":"2026-11-24T14:25:08+01:00",)"
      R"("last_heartbeat":"2026-11-24T13:25:09.07Z","type":"run","expiry_time":null,)"
      R"("last_released":null,"note":"train"})";
  image.gpus[3] = R"({"type":"run","user":"bob","actual_user":"bob","start_time":1795526708,)"
                  R"("last_heartbeat":1795526709})";
  const GoPool found = read(image);
  EXPECT_TRUE(found.pool.reservations.empty());
  ASSERT_EQ(found.runs.size(), 2U);
  const bool is_first = found.runs[0].account.name == "alice";
  const Reservation& run = found.runs[is_first ? 0 : 1];
  EXPECT_EQ(run.gpus, (std::vector<int>{0, 2}));
  EXPECT_EQ(run.account, (Account{1000, "alice"}));
  EXPECT_EQ(run.label, "");
  EXPECT_EQ(run.kind, ReservationKind::Run);
  EXPECT_EQ(run.started.wall, kStart);
  EXPECT_EQ(run.last_heartbeat.wall, kStart + seconds(1));
  EXPECT_FALSE(run.ends);
  EXPECT_FALSE(run.holder);
}

TEST(GoPool, TakesManualReservations) {
  GoImage image = image_of("2");
  image.gpus[1] = R"({"type":"manual","user":"bob","actual_user":"alice","start_time":1795526708,)"
                  R"("expiry_time":1795530308,"note":"debugging"})";
  const GoPool found = read(image);
  EXPECT_TRUE(found.runs.empty());
  ASSERT_EQ(found.pool.reservations.size(), 1U);
  const Reservation& reservation = found.pool.reservations[0];
  EXPECT_EQ(reservation.kind, ReservationKind::Manual);
  EXPECT_EQ(reservation.account, (Account{1000, "alice"}));
  EXPECT_EQ(reservation.label, "bob");
  EXPECT_EQ(reservation.note, "debugging");
  EXPECT_EQ(reservation.ends, kStart + seconds(3600));
  EXPECT_EQ(reservation.gpus, std::vector<int>{1});
}

TEST(GoPool, MakesTheSameIdsEachTime) {
  GoImage image = image_of("1");
  image.gpus[0] = R"({"type":"manual","user":"bob","start_time":1795526708})";
  const std::string id = read(image).pool.reservations.at(0).id;
  EXPECT_EQ(id, read(image).pool.reservations.at(0).id);
  image.gpus[0] = R"({"type":"manual","user":"bob","start_time":1795526709})";
  EXPECT_NE(id, read(image).pool.reservations.at(0).id);
}

TEST(GoPool, GivesUnknownAccountsToNobody) {
  GoImage image = image_of("1");
  image.gpus[0] = R"({"type":"manual","user":"carol","actual_user":"carol","start_time":1})";
  EXPECT_EQ(read(image).pool.reservations.at(0).account, (Account{kUnknownUid, "carol"}));
}

TEST(GoPool, NamesADamagedGpuAndGoesOn) {
  GoImage image = image_of("3");
  image.gpus[0] = R"({"type":"manual","user":"bob","start_time":1)";
  image.gpus[1] = "[]";
  image.gpus[2] = R"({"type":"manual","user":"bob","start_time":1})";
  const GoPool found = read(image);
  EXPECT_EQ(found.unread, (std::vector<std::string>{"canhazgpu:gpu:0", "canhazgpu:gpu:1"}));
  EXPECT_EQ(found.pool.gpus.size(), 3U);
  ASSERT_EQ(found.pool.reservations.size(), 1U);
  EXPECT_EQ(found.pool.reservations[0].gpus, std::vector<int>{2});
}

TEST(GoPool, LeavesOutWhatIsCollectedForAWaiter) {
  GoImage image = image_of("1");
  image.gpus[0] =
      R"({"type":"run","user":"erin","start_time":1795526708,"partial_queue_id":"dc2d"})";
  const GoPool found = read(image);
  EXPECT_TRUE(found.runs.empty());
  EXPECT_TRUE(found.unread.empty());
}

TEST(GoPool, NamesWhoWaits) {
  GoImage image = image_of("8");
  image.queue = {{"dc2d", R"({"id":"dc2d","user":"alice","actual_user":"alice",)"
                          R"("requested_count":6,"reservation_type":"run","note":"big"})"},
                 {"aa01", R"({"user":"bob","requested_count":1,"requested_ids":[7,3],)"
                          R"("reservation_type":"manual"})"},
                 {"bb02", "nonsense"}};
  const GoPool found = read(image);
  ASSERT_EQ(found.waiting.size(), 2U);
  EXPECT_EQ(found.waiting[0].account.name, "alice");
  EXPECT_EQ(found.waiting[0].count, 6);
  EXPECT_EQ(found.waiting[1].count, 2);
  EXPECT_EQ(found.waiting[1].gpu_ids, (std::vector<int>{7, 3}));
  EXPECT_EQ(found.unread, std::vector<std::string>{"canhazgpu:queue:entry:bb02"});
}

TEST(GoPool, TakesTheHistoryOldestFirst) {
  GoImage image = image_of("1");
  image.history = {R"({"user":"bob","gpu_id":3,"start_time":"2026-11-24T13:25:08Z",)"
                   R"("end_time":"2026-11-24T13:26:08.5Z","duration_seconds":60.5,)"
                   R"("reservation_type":"manual"})",
                   R"({"user":"alice","gpu_id":0,"start_time":"2026-11-24T13:25:08Z",)"
                   R"("end_time":"2026-11-24T13:25:08.756318575Z",)"
                   R"("duration_seconds":0.756318575,"reservation_type":"run"})",
                   R"({"user":"alice","gpu_id":-1})", "nonsense"};
  const GoPool found = read(image);
  ASSERT_EQ(found.history.size(), 2U);
  EXPECT_EQ(found.history[0].account, (Account{1000, "alice"}));
  EXPECT_EQ(found.history[0].started, kStart);
  EXPECT_EQ(found.history[0].ended, kStart + nanoseconds(756318575));
  EXPECT_EQ(found.history[0].end, EndReason::Finished);
  EXPECT_EQ(found.history[1].gpu, 3);
  EXPECT_EQ(found.history[1].end, EndReason::Released);
  EXPECT_EQ(found.unread,
            std::vector<std::string>{"canhazgpu:usage_history_sorted (2 of 4 records)"});
}

TEST(GoPool, GivesTheRecordOfARunTheIdOfTheRun) {
  GoImage image = image_of("1");
  image.gpus[0] = R"({"type":"run","user":"lab","actual_user":"alice","start_time":1795526708})";
  image.history = {R"({"user":"lab","gpu_id":0,"start_time":"2026-11-24T13:25:08Z",)"
                   R"("end_time":"2026-11-24T13:26:08Z","reservation_type":"run"})"};
  const GoPool found = read(image);
  EXPECT_EQ(found.runs.at(0).id, found.history.at(0).reservation_id);
}

TEST(GoPool, ReadsTimesOfManyShapes) {
  const auto start = [](const std::string& value) {
    GoImage image = image_of("1");
    image.gpus[0] = R"({"type":"manual","user":"bob","start_time":)" + value + "}";
    return read(image).pool.reservations.at(0).started.wall;
  };
  EXPECT_EQ(start("1795526708"), kStart);
  EXPECT_EQ(start("1795526708.5"), kStart + nanoseconds(500'000'000));
  EXPECT_EQ(start(R"("1795526708")"), kStart);
  EXPECT_EQ(start(R"("2026-11-24T13:25:08Z")"), kStart);
  EXPECT_EQ(start(R"("2026-11-24T18:55:08.000000001+05:30")"), kStart + nanoseconds(1));
  EXPECT_EQ(start(R"("2026-11-24T05:25:08-08:00")"), kStart);
  for (const char* bad : {R"("yesterday")", R"("2026-11-24T13:25:08")", R"("9999-01-01T00:00:00Z")",
                          R"("2026-11-24T13:25:08Zulu")", "1e300", "null", "[]"}) {
    EXPECT_EQ(start(bad), WallTime{}) << bad;
  }
}

TEST(GoPool, SurvivesOddMembers) {
  for (const char* value :
       {R"({"user":7})", R"({"user":null,"last_released":null})", R"({"last_released":{}})", "{}",
        R"({"type":[],"user":"bob","note":1,"expiry_time":"soon","start_time":true})",
        R"({"user":"bob","type":"manual","reservation_ids":[]})"}) {
    GoImage image = image_of("1");
    image.gpus[0] = value;
    EXPECT_EQ(read(image).pool.gpus.size(), 1U) << value;
  }
}

// Keys as canhazgpu 0.1.0 has written them.
GoImage image_of_0_1_0() {
  GoImage image = image_of("2");
  image.provider = "fake";
  image.host = {
      {"settings",
       R"({"admin_group":"gpu-admins","creator_uid":1000,"gpus":[0,1],"next_arrival":5,"version":1})"},
      {"identity", "boot-1 gpu1"},
      {"gpu:0", R"({"last_used_by":"","model":"H100","uuid":"GPU-0"})"},
      {"gpu:1", R"({"last_used_by":"1000:1795526700000000000","model":"H100",)"
                R"("out_of_service":"fan","uuid":"GPU-1"})"},
      {"reservation:r1",
       R"({"account":"alice","gpus":[0],"holder":"100 5 4026531836 boot-1 gpu1","kind":"run",)"
       R"("last_heartbeat":"1795526708000000000 6000 boot-1","started":"1795526708000000000 6000 )"
       R"(boot-1","supervisor":"101 6 4026531836 boot-1 gpu1","uid":1000})"},
  };
  image.gpus[0] = R"({"actual_user":"alice","last_heartbeat":1795526708,"reservation_ids":["r1"],)"
                  R"("start_time":1795526708,"type":"run","user":"alice"})";
  return image;
}

TEST(GoPool, ReadsThePoolOfOurFirstVersionExactly) {
  const GoPool found = read(image_of_0_1_0());
  EXPECT_EQ(found.unread, std::vector<std::string>{});
  EXPECT_EQ(found.pool.admin_group, "gpu-admins");
  EXPECT_EQ(found.pool.creator_uid, 1000U);
  EXPECT_EQ(found.pool.host, (HostIdentity{"gpu1", "boot-1"}));
  EXPECT_EQ(found.pool.gpus.at(0).uuid, "GPU-0");
  EXPECT_EQ(found.pool.gpus.at(1).out_of_service, "fan");
  EXPECT_TRUE(found.runs.empty());
  ASSERT_EQ(found.pool.reservations.size(), 1U);
  const Reservation& run = found.pool.reservations[0];
  EXPECT_EQ(run.id, "r1");
  EXPECT_EQ(run.holder, (ProcessIdentity{"gpu1", "boot-1", 4026531836, 100, 5}));
  EXPECT_EQ(run.supervisor->pid, 101);
  EXPECT_EQ(run.gpus, std::vector<int>{0});
}

TEST(GoPool, LeavesOutARunOfOursWhoseGpuTheGoProgramTookAway) {
  GoImage image = image_of_0_1_0();
  image.gpus[0] = R"({"type":"run","user":"bob","actual_user":"bob","start_time":1795526800})";
  const GoPool found = read(image);
  EXPECT_TRUE(found.pool.reservations.empty());
  ASSERT_EQ(found.runs.size(), 1U);
  EXPECT_EQ(found.runs[0].account.name, "bob");
}

TEST(GoPool, NamesADamagedRecordOfOurs) {
  GoImage image = image_of_0_1_0();
  image.host["reservation:r2"] = R"({"gpus":[1]})";
  const GoPool found = read(image);
  EXPECT_EQ(found.unread, std::vector<std::string>{"canhazgpu:host reservation:r2"});
  EXPECT_EQ(found.pool.reservations.size(), 1U);
}

TEST(GoPool, TakesAGpuWithADamagedRecordOfOursOutOfService) {
  GoImage image = image_of_0_1_0();
  image.host["gpu:1"] = "nonsense";
  const GoPool found = read(image);
  ASSERT_EQ(found.pool.gpus.size(), 2U);
  EXPECT_TRUE(found.pool.gpus[1].out_of_service);
}

TEST(GoPool, FollowsTheGoProgramInTheNumberOfGpus) {
  GoImage image = image_of_0_1_0();
  image.gpu_count = "3";
  EXPECT_EQ(read(image).pool.gpus.size(), 3U);
}

TEST(GoPool, PrefersOurUsageRecordsToWhatStandsBesideThem) {
  GoImage image = image_of("1");
  image.history = {
      R"({"canhazgpu":{"account":"alice","commit":7,"ended":1795526709000000000,"gpu":0,)"
      R"("how":"killed","kind":"run","place":1,"reservation":"r1","started":1795526708000000000,)"
      R"("uid":1000},"user":"alice","gpu_id":0,"start_time":"2026-11-24T13:25:08Z",)"
      R"("end_time":"2026-11-24T13:25:09Z","reservation_type":"run"})"};
  const GoPool found = read(image);
  ASSERT_EQ(found.history.size(), 1U);
  EXPECT_EQ(found.history[0].reservation_id, "r1");
  EXPECT_EQ(found.history[0].end, EndReason::Killed);
}

}  // namespace
}  // namespace chg
