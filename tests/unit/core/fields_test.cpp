// Every type that is stored or sent comes back from JSON as it was: no field of it is missing in
// its list.
#include "core/fields.h"

#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/json.h"
#include "support/fill.h"

namespace chg {
namespace {

// How many members an aggregate has: as many values as its braces take.
struct Anything {
  template <typename Type>
  operator Type() const;  // never called
};

template <typename Type, typename... Values>
constexpr std::size_t member_count(Values... values) {
  if constexpr (requires { Type{values..., Anything{}}; }) {
    return member_count<Type>(values..., Anything{});
  } else {
    return sizeof...(values);
  }
}

template <typename Type>
constexpr std::size_t kListed =
    std::tuple_size_v<decltype(fields_of(static_cast<const Type*>(nullptr)))>;

// "" where the member is empty.
template <typename Member>
std::string text_of(const Member& member) {
  std::string text;
  if (!json_codec::is_empty(member)) json_codec::append(text, member);
  return text;
}

template <typename Type>
class Fields : public ::testing::Test {};

using AllTypes =
    ::testing::Types<Instant, ProcessIdentity, HostIdentity, Account, Unavailability, Gpu, Limits,
                     Policy, Request, Reservation, Cancelled, Event, UsageRecord, Container, Ancestor,
                     GpuProcess, MigDevice, GpuReading, Observation>;
TYPED_TEST_SUITE(Fields, AllTypes);

TYPED_TEST(Fields, AreAllListed) { EXPECT_EQ(kListed<TypeParam>, member_count<TypeParam>()); }

TYPED_TEST(Fields, AreNotEmptyWhenFilled) {
  const TypeParam empty;
  const TypeParam value = filled<TypeParam>();
  std::vector<std::string> texts;
  for_each_field(
      empty, [&](std::string_view, const auto& member, bool) { texts.push_back(text_of(member)); });
  std::size_t place = 0;
  for_each_field(value, [&](std::string_view name, const auto& member, bool) {
    EXPECT_NE(text_of(member), texts.at(place++)) << name;
  });
}

TYPED_TEST(Fields, ComeBackFromJson) {
  const TypeParam value = filled<TypeParam>();
  const std::string text = write_json(value);
  EXPECT_EQ(write_json(read_json<TypeParam>(text)), text);
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TYPED_TEST(Fields, ComeBackFromJsonWhenEmpty) {
  const TypeParam value;
  EXPECT_EQ(write_json(read_json<TypeParam>(write_json(value))), write_json(value));
}

TYPED_TEST(Fields, AreRefusedWhenTheirJsonBreaksOff) {
  const std::string text = write_json(filled<TypeParam>());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THROW(read_json<TypeParam>(text.substr(0, size)), std::invalid_argument) << size;
  }
  EXPECT_THROW(read_json<TypeParam>(text + "x"), std::invalid_argument);
}

// What JSON may leave out, and what not.

TEST(RecordFields, MayBeMissingWhereMostValuesAreEmpty) {
  Reservation reservation;
  const std::string text = write_json(reservation);
  for (const char* name : {"note", "label", "lost", "leftovers", "holder", "ends"}) {
    EXPECT_EQ(text.find(name), std::string::npos) << text;
  }
  EXPECT_EQ(read_json<Reservation>(text), reservation);
}

TEST(RecordFields, AreRequiredElse) {
  std::string text = write_json(filled<Reservation>());
  text.replace(text.find("\"gpus\""), 6, "\"GPUs\"");
  EXPECT_THROW(read_json<Reservation>(text), std::invalid_argument);
}

TEST(RecordFields, OfALaterVersionArePassedOver) {
  const Reservation reservation = filled<Reservation>();
  const std::string text = write_json(reservation);
  EXPECT_EQ(read_json<Reservation>(R"({"later":{"a":["}"]},)" + text.substr(1)), reservation);
}

TEST(RecordFields, OfAnAccountStandAmongThoseOfItsOwner) {
  EXPECT_NE(write_json(filled<Request>()).find(R"("uid":3,"account":"text-4")"), std::string::npos);
}

TEST(RecordFields, KeepAnyBytes) {
  Reservation reservation;
  for (int byte = 0; byte < 256; ++byte) reservation.note += static_cast<char>(byte);
  reservation.label = "\"quoted\" \\ caf\xc3\xa9 \xf0\x9f\x98\x80 \n\t\x01";
  EXPECT_EQ(read_json<Reservation>(write_json(reservation)), reservation);
}

TEST(RecordFields, KeepTheLargestNumbers) {
  Request request;
  request.arrival = std::numeric_limits<std::uint64_t>::max();
  request.count = std::numeric_limits<int>::min();
  request.duration = Duration::min();
  request.enqueued.wall = WallTime::max();
  EXPECT_EQ(read_json<Request>(write_json(request)), request);
}

TEST(RecordFields, ReadEscapesAsOthersWriteThem) {
  const std::string text = R"({"uid":1,"account":"\u00e9\ud83d\ude00\/\b"})";
  EXPECT_EQ(read_json<Account>(text).name, "\xc3\xa9\xf0\x9f\x98\x80/\b");
  for (const char* bad :
       {R"("\ud83d")", R"("\ude00")", R"("\u12")", R"("\x")", R"("\ud83d\u0041")"}) {
    EXPECT_THROW(read_json<Account>(R"({"uid":1,"account":)" + std::string(bad) + "}"),
                 std::invalid_argument)
        << bad;
  }
}

TEST(RecordFields, RefuseValuesOfOtherTypes) {
  for (const char* text :
       {R"({"uid":-1,"account":"a"})", R"({"uid":4294967296,"account":"a"})",
        R"({"uid":"1","account":"a"})", R"({"uid":1.5,"account":"a"})", R"({"uid":1,"account":2})",
        R"({"uid":1,"account":{"hex":"6"}})", R"({"uid":1,"account":{"hex":"zz"}})", "[]", "", "{}",
        R"({"uid":1 "account":"a"})"}) {
    EXPECT_THROW(read_json<Account>(text), std::invalid_argument) << text;
  }
}

TEST(RecordFields, RefuseUnknownWords) {
  std::string text = write_json(filled<Reservation>());
  text.replace(text.find("\"manual\""), 8, "\"forever\"");
  EXPECT_THROW(read_json<Reservation>(text), std::invalid_argument);
}

}  // namespace
}  // namespace chg
