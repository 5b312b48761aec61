// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/evaluation_metrics.h"

#include <cmath>
#include <numbers>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "runtime/metrics/json_number.h"

namespace cadmus {
namespace {

// Σ loss / Σ unit over documents, and its standard error.
Estimate Ratio(std::span<const DocumentLoss> documents, int64_t DocumentLoss::*unit) {
  double loss = 0, units = 0, num_documents = 0;
  for (const DocumentLoss& document : documents) {
    if (document.tokens == 0) continue;
    loss += document.loss;
    units += static_cast<double>(document.*unit);
    ++num_documents;
  }
  Estimate ratio = {.value = loss / units};
  if (num_documents < 2) return ratio;
  double squares = 0;
  for (const DocumentLoss& document : documents) {
    if (document.tokens == 0) continue;
    const double rest = document.loss - ratio.value * static_cast<double>(document.*unit);
    squares += rest * rest;
  }
  ratio.standard_error = std::sqrt(num_documents / (num_documents - 1) * squares) / units;
  return ratio;
}

Estimate Times(const Estimate& estimate, double factor) {
  Estimate product = {.value = estimate.value * factor};
  if (estimate.standard_error) product.standard_error = *estimate.standard_error * factor;
  return product;
}

std::string Field(const char* name, const Estimate& estimate) {
  std::string text = StrCat(",\"eval_", name, "\":", JsonNumber(estimate.value));
  if (estimate.standard_error)
    text += StrCat(",\"eval_", name, "_se\":", JsonNumber(*estimate.standard_error));
  return text;
}

}  // namespace

EvaluationMetrics Summarize(std::span<const DocumentLoss> documents) {
  EvaluationMetrics metrics;
  for (const DocumentLoss& document : documents) {
    metrics.tokens += document.tokens;
    metrics.bytes += document.bytes;
    metrics.documents += document.tokens > 0 ? 1 : 0;
  }
  metrics.loss = Ratio(documents, &DocumentLoss::tokens);
  const double perplexity = std::exp(metrics.loss.value);
  metrics.perplexity = {.value = perplexity};
  if (metrics.loss.standard_error)
    metrics.perplexity.standard_error = perplexity * *metrics.loss.standard_error;
  if (metrics.bytes > 0)
    metrics.bits_per_byte = Times(Ratio(documents, &DocumentLoss::bytes), 1 / std::numbers::ln2);
  return metrics;
}

std::string FormatEvaluation(const EvaluationMetrics& metrics) {
  const auto fixed = [](const std::optional<double>& value) {
    return value ? FixedText(*value, 4) : std::string("n/a");
  };
  const std::optional<double> bits =
      metrics.bits_per_byte ? std::optional(metrics.bits_per_byte->value) : std::nullopt;
  return StrCat("loss ", fixed(metrics.loss.value), " ± ", fixed(metrics.loss.standard_error),
                " ppl ", FixedText(metrics.perplexity.value, 2), " bpb ", fixed(bits));
}

std::string EvaluationLine(int64_t step, const EvaluationMetrics& metrics, double seconds) {
  return StrCat("{\"step\":", step, Field("loss", metrics.loss), Field("ppl", metrics.perplexity),
                metrics.bits_per_byte ? Field("bpb", *metrics.bits_per_byte) : std::string(),
                ",\"eval_tokens\":", metrics.tokens, ",\"eval_documents\":", metrics.documents,
                ",\"eval_seconds\":", JsonNumber(seconds), "}");
}

}  // namespace cadmus
