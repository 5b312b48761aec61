// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/step_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

std::string Fixed(double value, int digits) {
  std::array<char, 400> text;  // the largest double has 309 digits before the point
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), value,
                                         std::chars_format::fixed, digits);
  (void)code;
  return std::string(text.data(), end);
}

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

// Three figures at most, with a letter for the thousands: "980", "1.53k", "41.2k", "412k", "3.07M".
std::string Compact(double value) {
  constexpr std::array<std::string_view, 5> kUnits = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return StrCat(Fixed(value, digits), kUnits[unit]);
}

// "71.2GiB"
std::string Memory(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return StrCat(Fixed(value, unit == 0 ? 0 : 1), kUnits[unit]);
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
  return StrCat("step ", m.step, "/", m.total_steps, " loss ", Fixed(m.loss, 4), " gnorm ",
                Fixed(m.gradient_norm, 2), " lr ", Scientific(m.learning_rate), " tok/s ",
                Compact(m.tokens_per_second()), " mfu ",
                m.mfu ? StrCat(Fixed(*m.mfu * 100, 1), "%") : std::string("n/a"), " mem ",
                Memory(m.memory_bytes), " eta ", Duration(remaining));
}

}  // namespace cadmus
