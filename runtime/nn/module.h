// SPDX-License-Identifier: Apache-2.0
// Module: a piece of a model with hand-written passes, each an ordered list of segments that either
// compute or communicate. The schedule's engine may interleave the segments of two modules to hide
// communication.
//
//   forward:          x → y, filling Saved
//   backward, input:  dy → dx, using up what Saved holds until the input-backward
//   backward, weight: adds to the parameters' gradients what Saved still holds: after the
//   input-backward, Saved is the
//                     work that is left for the weights
//
// Saved objects are made in set-up, one per micro-batch in flight, and reused in every step.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernels/device/tensor.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

// Base of what a module keeps between passes. `activation` carries x in and y out of a forward
// pass, dy in and dx out of an input-backward pass.
struct Saved {
  virtual ~Saved() = default;

  // Visits, in a fixed order, every tensor that may live from the forward to the backward pass,
  // empty or not: those that may leave the device in between (offload.h). The tensors keep their
  // places as long as this lives.
  virtual void VisitTensors(const std::function<void(Tensor&)>& /*visit*/) {}

  Tensor activation;
};

class Module;

enum class SegmentKind { kCompute, kCommunicate };

template <class Context>
struct Segment {
  SegmentKind kind = SegmentKind::kCompute;
  const char* name = "";
  void (*run)(Module&, Context&, Saved&) = nullptr;
};
using ForwardSegment = Segment<ForwardContext>;
using BackwardSegment = Segment<BackwardContext>;

class Module {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  // In a fixed order, the order of the forward pass.
  virtual void VisitParameters(const std::function<void(Parameter&)>& visit) = 0;
  virtual std::unique_ptr<Saved> NewSaved() const = 0;

  virtual std::span<const ForwardSegment> forward_segments() const = 0;
  virtual std::span<const BackwardSegment> backward_input_segments() const = 0;
  virtual std::span<const BackwardSegment> backward_weight_segments() const = 0;

  // Starts what the input-backward needs of the host or of other ranks, and that takes time. Called
  // one module ahead where that is possible, and again, without effect, before the pass itself; or
  // not at all.
  virtual void PrepareBackward(BackwardContext& /*context*/, Saved& /*saved*/) {}
};

// Runs all segments of a pass in order. x and dx are empty where the module starts from tokens, y
// and dy where it ends in the loss.
Tensor Forward(Module& module, ForwardContext& context, Saved& saved, Tensor x);
Tensor BackwardInput(Module& module, BackwardContext& context, Saved& saved, Tensor dy);
void BackwardWeight(Module& module, BackwardContext& context, Saved& saved);

}  // namespace cadmus
