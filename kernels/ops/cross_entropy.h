// SPDX-License-Identifier: Apache-2.0
// Softmax cross-entropy over the vocabulary; the gradient is written over the logits, so no second
// buffer of their size ever exists.
//
//   loss[t] = logsumexp(logits[t]) - logits[t, label[t]]
//   logits[t, v] ← (softmax(logits[t])[v] - [v = label[t]]) · scalars.loss_scale
//
// Where label[t] < 0 (not supervised) both are 0. The logits are read in f32 or wider with the
// row's maximum subtracted; a NaN or +∞ among them gives a NaN loss. Labels come validated from the
// host: one that is ≥ V is a failed check before anything is written. Letters: T tokens, V
// vocabulary.
//
// CrossEntropy does it where all logits are here. Where each of R ranks has a part of the
// vocabulary, padded to equal size, logits are never gathered, but three numbers per token are:
//
//   LogitStatistics, on rank r:
//     m_r[t] = max_v logits[t, v]
//     s_r[t] = Σ_v exp(logits[t, v] − m_r[t])
//     l_r[t] = logits[t, label[t]] if that is here, else 0
//   The caller all-gathers these: [3, T] → [R, 3, T].
//   SplitCrossEntropy, with m = max_r m_r, s = Σ_r s_r · exp(m_r − m), l = Σ_r l_r:
//     loss[t] = log(s[t]) + m[t] − l[t], and the gradient over the local logits
//
// Sums over ranks are taken in rank order, so every rank has the same bits of the loss; with R = 1
// they are those of CrossEntropy. Padding counts nowhere and gets a gradient of 0. NaN and ∞ do
// what they do in CrossEntropy, on whichever rank they are: a rank whose logits are all −∞, or all
// padding, has m_r = −∞ and s_r = 0. Here "V" of labels is the part's vocab_size.
// Source of the method: Shoeybi et al., 1909.08053 §3 (the loss over a split vocabulary); Milakov
// and Gimelshein, 1805.02867 §3 (merging maxima and sums).
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"
#include "kernels/ops/vocabulary_part.h"

namespace cadmus {

enum class LogitGradient : uint8_t { kWriteOverLogits, kNone };

template <class V>
void VisitLogits(V& v, const TensorView& logits_TV, LogitGradient gradient) {
  if (gradient == LogitGradient::kWriteOverLogits) {
    v.ReadWrite("logits", logits_TV);
  } else {
    v.Read("logits", logits_TV);
  }
}

struct CrossEntropyArgs {
  static constexpr const char* kName = "CrossEntropy";
  TensorView logits_TV;
  ConstTensorView labels_T;  // I32 in [0, V), or negative
  ConstTensorView scalars;   // U8[kStepScalarsBytes]; absent with kNone
  TensorView loss_T;         // statistics dtype, unscaled
  LogitGradient gradient = LogitGradient::kWriteOverLogits;

  template <class V>
  void Visit(V& v) const {
    VisitLogits(v, logits_TV, gradient);
    v.Read("labels", labels_T);
    v.Read("scalars", scalars);
    v.Write("loss", loss_T);
  }
};

// Letter: V local logits, padding included.
struct LogitStatisticsArgs {
  static constexpr const char* kName = "LogitStatistics";
  ConstTensorView logits_TV;
  ConstTensorView labels_T;  // I32 in [0, part.vocab_size), or negative
  VocabularyPart part;
  // F64 for all logits, so that merging costs no precision: rows m_r, s_r, l_r. Zeros where the
  // token is not supervised.
  TensorView statistics_3T;

  template <class V>
  void Visit(V& v) const {
    v.Read("logits", logits_TV);
    v.Read("labels", labels_T);
    v.Write("statistics", statistics_3T);
  }
};

// Letters: R ranks, V local logits, padding included.
struct SplitCrossEntropyArgs {
  static constexpr const char* kName = "SplitCrossEntropy";
  TensorView logits_TV;
  ConstTensorView labels_T;        // those of LogitStatistics
  ConstTensorView statistics_R3T;  // F64, in rank order
  ConstTensorView scalars;         // U8[kStepScalarsBytes]; absent with kNone
  VocabularyPart part;
  TensorView loss_T;  // statistics dtype, unscaled; the same on all ranks
  LogitGradient gradient = LogitGradient::kWriteOverLogits;

  template <class V>
  void Visit(V& v) const {
    VisitLogits(v, logits_TV, gradient);
    v.Read("labels", labels_T);
    v.Read("statistics", statistics_R3T);
    v.Read("scalars", scalars);
    v.Write("loss", loss_T);
  }
};

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream);
void LogitStatistics(const LogitStatisticsArgs& args, Stream& stream);
void SplitCrossEntropy(const SplitCrossEntropyArgs& args, Stream& stream);
OpCost Cost(const CrossEntropyArgs& args);
OpCost Cost(const LogitStatisticsArgs& args);
OpCost Cost(const SplitCrossEntropyArgs& args);

}  // namespace cadmus
