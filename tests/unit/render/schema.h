// Holds JSON output to the schemas under docs/: the part of JSON Schema that they use for objects.
#pragma once

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace chg::samples {

using nlohmann::json;

inline json schema(const std::string& name) {
  std::ifstream file(FIXTURES "/../../docs/schema/" + name + ".schema.json");
  EXPECT_TRUE(file) << name;
  return json::parse(file);
}

inline bool has_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return value.type_name() == type;
}

/// Every key is documented, every required one is there, and each value has the type and is one of
/// the values that the schema names.
inline void expect_documented(const json& value, json rule, const json& root,
                              const std::string& where) {
  if (rule.contains("$ref")) {
    rule = root.at(json::json_pointer(rule["$ref"].get<std::string>().substr(1)));
  }
  if (rule.contains("type")) {
    EXPECT_TRUE(has_type(value, rule["type"].get<std::string>())) << where << ": " << value;
  }
  if (rule.contains("enum")) {
    const json& known = rule["enum"];
    EXPECT_NE(std::find(known.begin(), known.end(), value), known.end()) << where << ": " << value;
  }
  if (value.is_array()) {
    for (const json& item : value) expect_documented(item, rule.at("items"), root, where + "[]");
  }
  if (!value.is_object()) return;
  EXPECT_EQ(rule.at("additionalProperties"), false) << where;
  for (const auto& key : rule.value("required", json::array())) {
    EXPECT_TRUE(value.contains(key.get<std::string>())) << where << " lacks " << key;
  }
  for (const auto& [key, item] : value.items()) {
    const bool documented = rule.at("properties").contains(key);
    EXPECT_TRUE(documented) << where << "." << key << " is in no schema";
    if (documented) expect_documented(item, rule["properties"][key], root, where + "." + key);
  }
}

inline void expect_documented(const std::string& text, const std::string& name) {
  const json root = schema(name);
  expect_documented(json::parse(text), root, root, name);
}

}  // namespace chg::samples
