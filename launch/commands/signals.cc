// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/signals.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

constexpr int kListenedSignals[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};

sigset_t ListenedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kListenedSignals) sigaddset(&set, signal);
  return set;
}

// Only threads that libraries have started before main get here: theirs alone do not block these
// signals. Blocks the signal there from now on and sends it again, for the listener.
void PassOn(int signal, siginfo_t*, void* context) {
  sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, signal);
  ::kill(::getpid(), signal);
}

}  // namespace

SignalListener::SignalListener() {
  const sigset_t set = ListenedSignals();
  struct sigaction action = {};
  action.sa_sigaction = &PassOn;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (int signal : kListenedSignals)
    CADMUS_CHECK(::sigaction(signal, &action, nullptr) == 0, "cannot handle signals");
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
