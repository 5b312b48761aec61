// SPDX-License-Identifier: Apache-2.0
// ConfigFields: what every family asks of the fields of its config. A field that does not hold
// throws kConfig: "model.llama.hidden_size is 0; it must be positive".
#pragma once

#include <cstdint>
#include <string>

namespace cadmus {

class ConfigFields {
 public:
  explicit ConfigFields(const char* family) : family_(family) {}

  // Return the value.
  int64_t RequirePositive(bool is_set, int64_t value, const std::string& field) const;
  double RequirePositive(double value, const std::string& field) const;
  double RequireProbability(double value, const std::string& field) const;

  void RequireDivides(int64_t divisor, const char* divisor_field, int64_t value,
                      const char* field) const;

  // Throws "model.<family>.<field> <what>".
  [[noreturn]] void Refuse(const std::string& field, const std::string& what) const;

 private:
  const char* family_;
};

}  // namespace cadmus
