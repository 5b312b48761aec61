// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "kernels/base/log.h"
#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

constexpr std::chrono::milliseconds kBarInterval{200};
constexpr std::chrono::seconds kLineInterval{10};
constexpr int kBarWidth = 30;

std::string DurationText(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return whole < 60 ? StrCat(whole, "s") : StrCat(whole / 60, "m", whole % 60, "s");
}

// NO_COLOR: https://no-color.org
bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || *no_color == '\0';
}

}  // namespace

Progress::Progress(std::string what, int64_t total_bytes)
    : what_(std::move(what)),
      total_bytes_(std::max<int64_t>(1, total_bytes)),
      is_terminal_(::isatty(STDERR_FILENO) == 1),
      has_color_(WantsColor()),
      next_(start_ + (is_terminal_ ? Clock::duration(kBarInterval) : kLineInterval)) {}

void Progress::Show(int64_t bytes, std::string_view detail) {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + (is_terminal_ ? Clock::duration(kBarInterval) : kLineInterval);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double done =
      std::clamp(static_cast<double>(bytes) / static_cast<double>(total_bytes_), 1e-6, 1.0);
  const std::string text =
      StrCat(FixedText(100 * done, 1), " % of ", BytesText(total_bytes_), ", ",
             FixedText(static_cast<double>(bytes) / 1e6 / seconds, 1), " MB/s, ", detail, ", eta ",
             DurationText(seconds / done - seconds));
  if (!is_terminal_) {
    LogInfo(StrCat(what_, ": ", text));
    return;
  }
  const auto filled = static_cast<size_t>(done * kBarWidth);
  std::string bar(filled, '=');
  bar.resize(kBarWidth, ' ');
  std::cerr << "\r\x1b[K" << what_ << ' ' << (has_color_ ? "\x1b[32m" : "") << '[' << bar << ']'
            << (has_color_ ? "\x1b[0m" : "") << ' ' << text << std::flush;
  is_shown_ = true;
}

void Progress::Clear() {
  if (is_shown_) std::cerr << "\r\x1b[K" << std::flush;
  is_shown_ = false;
}

}  // namespace cadmus
