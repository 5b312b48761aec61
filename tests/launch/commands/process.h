// SPDX-License-Identifier: Apache-2.0
// Process: a command that a test starts, signals and waits for, never longer than a limit.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

struct CommandResult {
  int exit_code = 0;  // 128 + n if signal n ended it
  std::string out, err;
};

class Process {
 public:
  // Starts `command`, a path and its arguments, with an empty stdin. Everything below takes
  // `limit` together: when it has passed, the command is ended and std::runtime_error thrown.
  explicit Process(const std::vector<std::string>& command,
                   std::chrono::seconds limit = std::chrono::seconds(60));
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  // Ends the command and everything that it has started.
  ~Process();

  pid_t pid() const { return pid_; }
  // Reads on until stderr holds `text`. Throws std::runtime_error if the command ends before.
  void AwaitError(std::string_view text);
  CommandResult Wait();

  // The processes named `name` that the command has started, directly or not, by the rank that
  // mpirun has given them.
  std::vector<pid_t> Ranks(std::string_view name) const;

 private:
  // Reads what there is, waiting for it if need be; false at the end of both streams.
  bool ReadMore();
  void KillAll() const;

  pid_t pid_ = -1;
  bool is_reaped_ = false;
  int out_fd_ = -1, err_fd_ = -1;
  std::string what_;
  std::chrono::steady_clock::time_point deadline_;
  CommandResult result_;
};

CommandResult RunCommand(const std::vector<std::string>& command);

}  // namespace cadmus
