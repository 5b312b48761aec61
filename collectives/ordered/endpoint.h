// SPDX-License-Identifier: Apache-2.0
// Endpoint: this rank's end of all wires: what its groups share. A bootstrap owns it.
#pragma once

#include <cstdint>

#include "collectives/ordered/communication_worker.h"
#include "collectives/ordered/exchange.h"
#include "collectives/ordered/transport.h"
#include "collectives/recorder/recorder.h"

namespace cadmus {

struct Endpoint {
  Endpoint(Transport& wires, CommunicationWorker& thread, Recorder& record)
      : transport(wires), worker(thread), recorder(record), exchange(wires) {}

  Transport& transport;
  CommunicationWorker& worker;
  Recorder& recorder;
  Exchange exchange;         // used on the worker only, as is next_context
  int64_t next_context = 1;  // 0 is where the world meets
};

}  // namespace cadmus
