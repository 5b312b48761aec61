// SPDX-License-Identifier: Apache-2.0
#include "models/hugging_face/config_json_writer.h"

#include <nlohmann/json.hpp>

namespace cadmus {

using nlohmann::ordered_json;

struct ConfigJsonWriter::Object {
  ordered_json root = ordered_json::object();

  ordered_json& At(std::string_view name) {
    ordered_json* place = &root;
    for (size_t dot; (dot = name.find('.')) != std::string_view::npos;
         name.remove_prefix(dot + 1)) {
      place = &(*place)[std::string(name.substr(0, dot))];
    }
    return (*place)[std::string(name)];
  }
};

ConfigJsonWriter::ConfigJsonWriter() : object_(std::make_unique<Object>()) {}
ConfigJsonWriter::~ConfigJsonWriter() = default;

void ConfigJsonWriter::Set(std::string_view name, const ConfigValue& value) {
  std::visit([&](const auto& held) { object_->At(name) = held; }, value);
}

void ConfigJsonWriter::SetList(std::string_view name, const std::string& item) {
  object_->At(name) = ordered_json::array({item});
}

void ConfigJsonWriter::TakeFrom(const std::string& text, std::initializer_list<const char*> names) {
  const ordered_json other = ordered_json::parse(text);
  for (const char* name : names) {
    if (other.contains(name)) object_->At(name) = other[name];
  }
}

std::string ConfigJsonWriter::Text() const { return object_->root.dump(2) + "\n"; }

}  // namespace cadmus
