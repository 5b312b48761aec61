// SPDX-License-Identifier: Apache-2.0
// SignalListener: a thread that turns signals into requests. SIGTERM, SIGUSR1, SIGINT: set a flag
// that asks the run to save and stop; the second SIGTERM or SIGINT ends the process at once.
// SIGUSR2: calls `dump`.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace cadmus {

class SignalListener {
 public:
  // Blocks these signals in the calling thread and so in all threads that it starts later: make it
  // first.
  SignalListener();
  SignalListener(const SignalListener&) = delete;
  SignalListener& operator=(const SignalListener&) = delete;
  ~SignalListener();

  // Starts to listen.
  void Start(std::function<void()> dump);
  const std::atomic<bool>& stop_requested() const { return stop_requested_; }

 private:
  void Listen();

  std::atomic<bool> stop_requested_ = false;
  std::atomic<bool> closing_ = false;
  std::function<void()> dump_;
  std::thread thread_;
};

}  // namespace cadmus
