// SPDX-License-Identifier: Apache-2.0
#include "models/decoder/config_fields.h"

#include <cmath>

#include "kernels/base/error.h"

namespace cadmus {

int64_t ConfigFields::RequirePositive(bool is_set, int64_t value, const std::string& field) const {
  if (!is_set) Refuse(field, "is missing; set it");
  if (value <= 0) Refuse(field, StrCat("is ", value, "; it must be positive"));
  return value;
}

double ConfigFields::RequirePositive(double value, const std::string& field) const {
  if (!(value > 0) || !std::isfinite(value))
    Refuse(field, StrCat("is ", value, "; it must be positive and finite"));
  return value;
}

double ConfigFields::RequireProbability(double value, const std::string& field) const {
  if (!(value >= 0 && value < 1)) Refuse(field, StrCat("is ", value, "; it must be in [0, 1)"));
  return value;
}

void ConfigFields::RequireDivides(int64_t divisor, const char* divisor_field, int64_t value,
                                  const char* field) const {
  if (value % divisor == 0) return;
  Refuse(divisor_field, StrCat("= ", divisor, " does not divide ", field, " = ", value,
                               "; take a divisor of ", value));
}

void ConfigFields::Refuse(const std::string& field, const std::string& what) const {
  throw Error(Kind::kConfig, StrCat("model.", family_, ".", field, " ", what));
}

}  // namespace cadmus
