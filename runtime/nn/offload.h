// SPDX-License-Identifier: Apache-2.0
// Offload: what a module saves goes to host memory after its forward pass and comes back before its
// backward pass. Copies run on a stream of their own, beside the compute stream, one module apart
// from it: a module's tensors leave the device while the next module runs forward, and come back
// while that module runs backward. Not a bit changes.
//
//   ActivationOffload offload(copies);   // one per rank
//   modules.push_back(MakeOffloaded(std::move(block), offload));
//
// Recomputed modules can be offloaded (MakeOffloaded(MakeRecomputed(…))): then their inputs are all
// that is copied.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/nn/module.h"

namespace cadmus {

struct OffloadedSaved;

// What the offloaded modules of one rank share. Must outlive them and their Saved objects.
class ActivationOffload {
 public:
  // `copies` should be a communication stream that nothing else uses.
  explicit ActivationOffload(Stream& copies) : copies_(copies) {}
  ActivationOffload(const ActivationOffload&) = delete;
  ActivationOffload& operator=(const ActivationOffload&) = delete;

  // Host memory taken so far: in the first step, one piece per saved tensor, reused in every step.
  int64_t host_bytes() const { return host_bytes_; }

 private:
  friend struct OffloadedSaved;

  Stream& copies_;
  // The module whose tensors were copied last. They stay on the device until the next module's have
  // been given to the copying stream: so the next forward pass does not wait for their memory, and
  // a backward pass that follows at once finds them in place.
  OffloadedSaved* latest_ = nullptr;
  int64_t host_bytes_ = 0;
};

// Adds a forward segment "offload" and an input-backward segment "fetch". The tensors are those of
// Saved::VisitTensors; making Saved throws kInternal for a module that names none.
std::unique_ptr<Module> MakeOffloaded(std::unique_ptr<Module> module, ActivationOffload& offload);

}  // namespace cadmus
