// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/step_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

// "3.0e-4", "0"
std::string Scientific(double value) {
  if (value == 0) return "0";
  std::array<char, 64> buffer;
  const auto [end, code] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                         std::chars_format::scientific, 1);
  (void)code;
  std::string text(buffer.data(), end);
  // "3.0e-04" and "3.0e+04" are longer than need be.
  if (const size_t plus = text.find("e+"); plus != std::string::npos) text.erase(plus + 1, 1);
  const size_t digit = text.find_first_of("0123456789", text.find('e'));
  if (digit != std::string::npos && text[digit] == '0' && digit + 1 < text.size()) {
    text.erase(digit, 1);
  }
  return text;
}

std::string TwoDigits(int64_t value) { return StrCat(value < 10 ? "0" : "", value); }

// "42s", "12m05s", "1h02m", "3d04h"
std::string Duration(double seconds) {
  constexpr double kMostSeconds = 1e15;
  if (!std::isfinite(seconds)) return "?";
  const auto s = static_cast<int64_t>(std::llround(std::clamp(seconds, 0.0, kMostSeconds)));
  if (s < 60) return StrCat(s, "s");
  if (s < 3600) return StrCat(s / 60, "m", TwoDigits(s % 60), "s");
  if (s < 86400) return StrCat(s / 3600, "h", TwoDigits(s % 3600 / 60), "m");
  return StrCat(s / 86400, "d", TwoDigits(s % 86400 / 3600), "h");
}

}  // namespace

std::string FormatStepLine(const StepMetrics& m) {
  const double per_step = m.recent_seconds > 0 ? m.recent_seconds : m.seconds;
  const double remaining = static_cast<double>(m.total_steps - m.step) * per_step;
  return StrCat("step ", m.step, "/", m.total_steps, " loss ", FixedText(m.loss, 4), " gnorm ",
                FixedText(m.gradient_norm, 2), " lr ", Scientific(m.learning_rate), " tok/s ",
                CompactText(m.tokens_per_second()), " mfu ",
                m.mfu ? StrCat(FixedText(*m.mfu * 100, 1), "%") : std::string("n/a"), " mem ",
                BytesText(m.memory_bytes), " eta ", Duration(remaining));
}

}  // namespace cadmus
