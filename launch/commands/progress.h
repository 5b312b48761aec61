// SPDX-License-Identifier: Apache-2.0
// Progress: how far a long command is: a bar on a terminal, elsewhere a log line every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace cadmus {

class Progress {
 public:
  // `total_bytes` is what the command has to read.
  Progress(std::string what, int64_t total_bytes);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { Clear(); }

  // Cheap: it writes when it is time to.
  void Show(int64_t bytes, std::string_view detail);

  // Takes the bar away, so that lines can follow.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  int64_t total_bytes_;
  bool is_terminal_;
  bool has_color_;
  bool is_shown_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
};

}  // namespace cadmus
