// SPDX-License-Identifier: Apache-2.0
// PipelineLinks: how activations and gradients travel between the pipeline ranks: sends that nobody
// awaits, each destination and payload on a stream of its own, and receives that the computation
// awaits only where it needs them. Tensors that travel have one shape and dtype.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/tensor.h"
#include "runtime/parallel/pipeline/payload.h"

namespace cadmus {

class PipelineLinks {
 public:
  struct Spec {
    Shape shape;
    DType dtype = DType::kNone;
    int max_messages = 0;  // sent and not yet released, or received and not yet taken, at one time
  };

  // The ranks of the pp axis, twice: messages of one group arrive in the order in which they were
  // sent, and two ranks may exchange both payloads in different orders. All must outlive the links.
  struct Groups {
    Communicator& activations;
    Communicator& gradients;
  };
  PipelineLinks(const Groups& groups, const Spec& spec, Stream& compute);

  int rank() const { return groups_.activations.rank(); }

  // Both start behind the computation issued so far and return a message: a place in a pool.
  int Send(Tensor tensor, int peer, Payload payload);
  int Receive(int peer, Payload payload);

  // Frees what was sent, once the computation has waited for the send: to be called when the peer
  // has surely received it (SendReleases), or this rank may wait for one that waits for it.
  void Release(int message);
  // What was received, once the computation has waited for it.
  Tensor Take(int message);

 private:
  struct Outgoing {
    int peer = 0;
    Payload payload = Payload::kActivation;
    std::unique_ptr<Stream> stream;
  };
  // Its memory is ordered by `over`, not by RecordUse: that would wait for later messages too.
  struct Message {
    Tensor tensor;
    std::unique_ptr<Event> over;
  };

  Stream& OutgoingStream(int peer, Payload payload);
  Communicator& GroupOf(Payload payload) const;
  int NewMessage(Tensor tensor);

  Groups groups_;
  Spec spec_;
  Stream& compute_;
  std::vector<Outgoing> outgoing_;
  std::unique_ptr<Stream> receiving_;
  std::unique_ptr<Event> computed_;
  std::vector<Message> messages_;
  std::vector<int> free_messages_;
};

}  // namespace cadmus
