// SPDX-License-Identifier: Apache-2.0
// ConfigJson: a config.json of Hugging Face, of which every field is either understood or refused.
//
//   ConfigJson json("folder/config.json", {});
//   config.set_hidden_size(json.RequiredInteger("hidden_size"));
//   json.MustBe("mlp_bias", false);
//   json.Finish();
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

// All members throw kCheckpoint, naming file and field, for a value of another type.
class ConfigJson {
 public:
  // `ignored` fields are taken as absent. Throws kCheckpoint, with line and column, for a file that
  // is no JSON object; kConfig for an ignored field that is not there.
  ConfigJson(const std::filesystem::path& path, std::span<const std::string> ignored);
  ConfigJson(const ConfigJson&) = delete;
  ConfigJson& operator=(const ConfigJson&) = delete;
  ~ConfigJson();

  // The value of a field, "rope_scaling.factor" of one in another, which counts as read from then
  // on; none where it is null or absent.
  std::optional<int64_t> Integer(std::string_view name);
  std::optional<double> Number(std::string_view name);
  std::optional<bool> Bool(std::string_view name);
  std::optional<std::string> Text(std::string_view name);
  std::optional<std::vector<std::string>> Texts(std::string_view name);
  // Whether it is there and not null; does not count as read.
  bool Has(std::string_view name) const;
  // Whether it is there, be it null.
  bool Mentions(std::string_view name) const;

  // 1, with a difference for Finish, where it is null or absent.
  int64_t RequiredInteger(std::string_view name);
  double RequiredNumber(std::string_view name);
  // A difference for Finish where it is there with another value.
  void MustBe(std::string_view name, bool value);
  void MustBe(std::string_view name, double value);
  void MustBe(std::string_view name, const char* value);
  // Fields that change nothing that is computed.
  void HasNoEffect(std::span<const std::string_view> names);
  // Notes what cannot be represented; the field, if it is one, should have been read.
  void Differs(std::string what);

  // Throws kCheckpoint with all differences, fields that nobody has read among them.
  void Finish() const;

 private:
  struct Fields;
  std::unique_ptr<Fields> fields_;
};

}  // namespace cadmus
