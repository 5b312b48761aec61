// SPDX-License-Identifier: Apache-2.0
// Endpoint: this rank's end of all wires: what its groups share. A bootstrap owns it.
#pragma once

#include <atomic>
#include <cstdint>

#include "collectives/ordered/communication_worker.h"
#include "collectives/ordered/exchange.h"
#include "collectives/ordered/sends_in_flight.h"
#include "collectives/ordered/transport.h"
#include "collectives/recorder/recorder.h"

namespace cadmus {

struct Endpoint {
  Endpoint(Transport& wires, CommunicationWorker& thread, Recorder& record)
      : transport(wires),
        worker(thread),
        recorder(record),
        sends(wires, thread),
        exchange(wires, sends) {
    worker.SetBackground(&sends);
  }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() { worker.SetBackground(nullptr); }

  Transport& transport;
  CommunicationWorker& worker;
  Recorder& recorder;
  SendsInFlight sends;  // used on the worker only, as are the following two
  Exchange exchange;
  int64_t next_context = 1;                 // 0 is where the world meets
  std::atomic<int> num_sending_groups = 0;  // that have issued a send: they need room for them
};

}  // namespace cadmus
