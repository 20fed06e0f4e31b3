// The fields of a type, listed once. JSON (base/json.h) and its tests are made from that list.
//
// A type is listed by a function `fields_of(const Type*)` beside it, which returns a tuple of
// field(), maybe() and inlined(). An enum has its words in `words_of(const Enum*)`, an array in the
// order of its values, which begin at 0.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace chg {

template <typename Class, typename Value>
struct Field {
  std::string_view name;
  Value Class::*member;
  bool may_be_missing;
};

/// A field that JSON always has. A text that lacks it is refused.
template <typename Class, typename Value>
constexpr Field<Class, Value> field(std::string_view name, Value Class::*member) {
  return {name, member, false};
}

/// A field that JSON leaves out while it is empty (`Value{}`), and that is empty where JSON lacks
/// it. For fields that are usually empty, or newer than some of the stored data.
template <typename Class, typename Value>
constexpr Field<Class, Value> maybe(std::string_view name, Value Class::*member) {
  return {name, member, true};
}

/// An optional is left out of JSON while it is empty, always.
template <typename Class, typename Value>
constexpr Field<Class, std::optional<Value>> field(std::string_view name,
                                                   std::optional<Value> Class::*member) {
  return {name, member, true};
}

/// A member whose own fields stand among those of its owner.
template <typename Class, typename Value>
struct Inlined {
  Value Class::*member;
};

template <typename Class, typename Value>
constexpr Inlined<Class, Value> inlined(Value Class::*member) {
  return {member};
}

template <typename Type>
concept Listed = requires {
  fields_of(static_cast<const Type*>(nullptr));
};

template <typename Type>
concept Worded = std::is_enum_v<Type> && requires {
  words_of(static_cast<const Type*>(nullptr));
};

/// Whether JSON holds the type as one short text, with its fields parted by spaces. Only the last
/// field may contain spaces.
template <typename Type>
inline constexpr bool kIsOneText = false;

/// Calls visit(name, value of the field, may_be_missing) for each field, in their order. `value`
/// may be const.
template <typename Type, typename Visit>
constexpr void for_each_field(Type& value, Visit&& visit) {
  const auto visit_one = [&]<typename Class, typename Member>(const Field<Class, Member>& one) {
    visit(one.name, value.*one.member, one.may_be_missing);
  };
  const auto visit_inlined =
      [&]<typename Class, typename Member>(const Inlined<Class, Member>& one) {
        for_each_field(value.*one.member, visit);
      };
  const auto visit_any = [&](const auto& one) {
    if constexpr (requires { visit_one(one); }) {
      visit_one(one);
    } else {
      visit_inlined(one);
    }
  };
  std::apply([&](const auto&... all) { (visit_any(all), ...); },
             fields_of(static_cast<const std::remove_const_t<Type>*>(nullptr)));
}

}  // namespace chg
