// SPDX-License-Identifier: Apache-2.0
// EvaluationMetrics: what an evaluation says of a model, with standard errors; as a line for people
// and for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace cadmus {

// Sums over the supervised tokens of one document.
struct DocumentLoss {
  double loss = 0;  // nats
  int64_t tokens = 0;
  int64_t bytes = 0;  // of UTF-8, of the text that the tokens stand for
};

struct Estimate {
  double value = 0;
  std::optional<double> standard_error;  // absent where there are fewer than two documents
};

struct EvaluationMetrics {
  int64_t tokens = 0;     // supervised
  int64_t documents = 0;  // with a supervised token
  int64_t bytes = 0;
  Estimate loss;                          // nats per token
  Estimate perplexity;                    // per token
  std::optional<Estimate> bits_per_byte;  // absent where the bytes are not known
};

// With L_d, n_d the loss and tokens of document d, D documents of at least one token, N = Σ n_d:
//
//   loss         R = Σ L_d / N
//     its error  √(D / (D − 1) · Σ (L_d − R · n_d)²) / N
//   perplexity   exp(R), error exp(R) times that of R (first order)
//   bits a byte  Σ L_d / (ln 2 · Σ b_d), b_d the bytes; its error as that of the loss, with
//                b_d in place of n_d
//
// The standard error is that of the mean over documents like these: what another sample of as many
// documents would change. Documents are the unit because tokens of one document are alike and
// documents are drawn independently; per token the error would come out too small. It is the error
// of a ratio whose parts both vary. Source: Cochran, "Sampling Techniques", 3rd edition, section
// 6.4; clustered errors of evaluations: Miller, 2411.00640, section 2.2.
EvaluationMetrics Summarize(std::span<const DocumentLoss> documents);

// "loss 3.2145 ± 0.0213 ppl 24.89 bpb 1.0412": "± n/a" and "bpb n/a" where absent.
std::string FormatEvaluation(const EvaluationMetrics& metrics);

// The object of metrics.jsonl, without the end of its line:
//   {"step":120,"eval_loss":3.2145,"eval_loss_se":0.0213,"eval_ppl":24.89,"eval_ppl_se":0.53,
//    "eval_bpb":1.0412,"eval_bpb_se":0.007,"eval_tokens":65536,"eval_documents":81,
//    "eval_seconds":1.5}
// What is absent has no key, what is not finite is null.
std::string EvaluationLine(int64_t step, const EvaluationMetrics& metrics, double seconds);

}  // namespace cadmus
