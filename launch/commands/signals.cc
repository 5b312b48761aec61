// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

sigset_t ListenedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

}  // namespace

SignalListener::SignalListener() {
  const sigset_t set = ListenedSignals();
  CADMUS_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "cannot block signals");
}

SignalListener::~SignalListener() {
  if (!thread_.joinable()) return;
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
}

void SignalListener::Start(std::function<void()> dump) {
  dump_ = std::move(dump);
  thread_ = std::thread([this, label = RankLabel()] {
    SetRankLabel(label);
    Listen();
  });
}

void SignalListener::Listen() {
  const sigset_t set = ListenedSignals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (closing_) return;
    if (signal == SIGUSR2) {
      dump_();
      continue;
    }
    if (stop_requested_.exchange(true) && signal != SIGUSR1) _exit(128 + signal);
    LogInfo("asked to stop: all ranks save after this step; SIGTERM again stops without saving");
  }
}

}  // namespace cadmus
