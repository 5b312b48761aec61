// SPDX-License-Identifier: Apache-2.0
// ConfigJsonWriter: the text of a config.json, field by field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace cadmus {

using ConfigValue = std::variant<std::nullptr_t, bool, int64_t, double, std::string>;

class ConfigJsonWriter {
 public:
  ConfigJsonWriter();
  ConfigJsonWriter(const ConfigJsonWriter&) = delete;
  ConfigJsonWriter& operator=(const ConfigJsonWriter&) = delete;
  ~ConfigJsonWriter();

  // Fields keep the order of their first Set; "rope_scaling.factor" is a field in another.
  void Set(std::string_view name, const ConfigValue& value);
  // A list of one.
  void SetList(std::string_view name, const std::string& item);
  // Takes over those of `names` that the JSON object `text` has, whatever they are.
  void TakeFrom(const std::string& text, std::initializer_list<const char*> names);

  std::string Text() const;

 private:
  struct Object;
  std::unique_ptr<Object> object_;
};

}  // namespace cadmus
