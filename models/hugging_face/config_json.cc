// SPDX-License-Identifier: Apache-2.0
#include "models/hugging_face/config_json.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/formats/require_json.h"

namespace cadmus {
namespace {

using nlohmann::json;

constexpr uintmax_t kMaxBytes = uintmax_t{16} << 20;

// Objects whose fields are read one by one, as "object.field".
constexpr std::string_view kNested[] = {"rope_scaling", "rope_parameters"};

std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr size_t kLongest = 60;
  return text.size() <= kLongest ? text : StrCat(text.substr(0, kLongest), " …");
}

}  // namespace

struct ConfigJson::Fields {
  std::filesystem::path path;
  std::map<std::string, json, std::less<>> values;
  std::set<std::string, std::less<>> read;
  std::vector<std::string> differences;

  // Null if it is null or absent.
  const json* Read(std::string_view name) {
    read.emplace(name);
    const auto found = values.find(name);
    return found == values.end() || found->second.is_null() ? nullptr : &found->second;
  }
  [[noreturn]] void Refuse(std::string_view name, const json& value, std::string_view type) const {
    throw Error(Kind::kCheckpoint,
                StrCat(path.string(), ": ", name, " is ", Shown(value), ", which is not ", type));
  }
  void CheckSame(std::string_view name, const json* value, const json& wanted) {
    if (value == nullptr || *value == wanted) return;
    differences.push_back(
        StrCat(name, " is ", Shown(*value), "; only ", Shown(wanted), " can be represented"));
  }
};

ConfigJson::ConfigJson(const std::filesystem::path& path, std::span<const std::string> ignored)
    : fields_(std::make_unique<Fields>()) {
  fields_->path = path;
  std::error_code code;
  if (std::filesystem::file_size(path, code) > kMaxBytes && !code) {
    throw Error(Kind::kCheckpoint,
                StrCat(path.string(), ": more than ", kMaxBytes,
                       " bytes are too many for a config; is this another file?"));
  }
  const std::string text = ReadFile(path, Kind::kCheckpoint);
  RequireJson(path, text, Kind::kCheckpoint);
  const json document = json::parse(text);
  if (!document.is_object()) {
    throw Error(Kind::kCheckpoint, StrCat(path.string(), ": is no JSON object"));
  }
  for (const auto& [name, value] : document.items()) {
    const bool nested = std::ranges::find(kNested, name) != std::end(kNested) && value.is_object();
    fields_->values.emplace(name, value);
    if (!nested) continue;
    fields_->read.insert(name);
    for (const auto& [inner, inner_value] : value.items()) {
      fields_->values.emplace(StrCat(name, ".", inner), inner_value);
    }
  }
  for (const std::string& name : ignored) {
    if (fields_->values.erase(name) == 0) {
      throw Error(Kind::kConfig,
                  StrCat("--ignore ", name, ": ", path.string(), " has no field of this name"));
    }
  }
}

ConfigJson::~ConfigJson() = default;

std::optional<int64_t> ConfigJson::Integer(std::string_view name) {
  const json* value = fields_->Read(name);
  if (value == nullptr) return std::nullopt;
  // Numbers above 2^63 do not fit either.
  if (!value->is_number_integer() ||
      (value->is_number_unsigned() && value->get<uint64_t>() >> 63)) {
    fields_->Refuse(name, *value, "an integer");
  }
  return value->get<int64_t>();
}

std::optional<double> ConfigJson::Number(std::string_view name) {
  const json* value = fields_->Read(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fields_->Refuse(name, *value, "a number");
  return value->get<double>();
}

std::optional<bool> ConfigJson::Bool(std::string_view name) {
  const json* value = fields_->Read(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fields_->Refuse(name, *value, "true or false");
  return value->get<bool>();
}

std::optional<std::string> ConfigJson::Text(std::string_view name) {
  const json* value = fields_->Read(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fields_->Refuse(name, *value, "a string");
  return value->get<std::string>();
}

std::optional<std::vector<std::string>> ConfigJson::Texts(std::string_view name) {
  const json* value = fields_->Read(name);
  if (value == nullptr) return std::nullopt;
  const bool is_list = value->is_array() && std::ranges::all_of(*value, [](const json& item) {
                         return item.is_string();
                       });
  if (!is_list) fields_->Refuse(name, *value, "a list of strings");
  return value->get<std::vector<std::string>>();
}

bool ConfigJson::Has(std::string_view name) const {
  const auto found = fields_->values.find(name);
  return found != fields_->values.end() && !found->second.is_null();
}

bool ConfigJson::Mentions(std::string_view name) const { return fields_->values.contains(name); }

int64_t ConfigJson::RequiredInteger(std::string_view name) {
  const std::optional<int64_t> value = Integer(name);
  if (!value) Differs(StrCat(name, " is missing"));
  return value.value_or(1);
}

double ConfigJson::RequiredNumber(std::string_view name) {
  const std::optional<double> value = Number(name);
  if (!value) Differs(StrCat(name, " is missing"));
  return value.value_or(1);
}

void ConfigJson::MustBe(std::string_view name, bool value) {
  fields_->CheckSame(name, fields_->Read(name), value);
}

void ConfigJson::MustBe(std::string_view name, double value) {
  fields_->CheckSame(name, fields_->Read(name), value);
}

void ConfigJson::MustBe(std::string_view name, const char* value) {
  fields_->CheckSame(name, fields_->Read(name), value);
}

void ConfigJson::HasNoEffect(std::span<const std::string_view> names) {
  for (const std::string_view name : names) fields_->read.emplace(name);
}

void ConfigJson::Differs(std::string what) { fields_->differences.push_back(std::move(what)); }

void ConfigJson::Finish() const {
  std::string text;
  for (const std::string& difference : fields_->differences) text += StrCat("\n  ", difference);
  bool has_unknown = false;
  for (const auto& [name, value] : fields_->values) {
    if (value.is_null() || fields_->read.contains(name)) continue;
    has_unknown = true;
    text += StrCat("\n  ", name, " is ", Shown(value), "; this field is not known");
  }
  if (text.empty()) return;
  throw Error(Kind::kCheckpoint,
              StrCat(fields_->path.string(),
                     " describes a model that differs from what can be "
                     "represented:",
                     text, "\ntake another model",
                     has_unknown ? ", or say --ignore FIELD for a field of which you know that it "
                                   "changes nothing"
                                 : ""));
}

}  // namespace cadmus
