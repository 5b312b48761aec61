// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/evaluation_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

const std::vector<DocumentLoss> kDocuments = {
    {.loss = 6, .tokens = 2, .bytes = 10}, {}, {.loss = 12, .tokens = 6, .bytes = 20}};

TEST(EvaluationMetrics, AreRatiosOfSums) {
  const EvaluationMetrics metrics = Summarize(kDocuments);
  EXPECT_EQ(metrics.tokens, 8);
  EXPECT_EQ(metrics.bytes, 30);
  EXPECT_EQ(metrics.documents, 2);  // one without a token is none
  EXPECT_DOUBLE_EQ(metrics.loss.value, 18.0 / 8);
  EXPECT_DOUBLE_EQ(metrics.perplexity.value, std::exp(2.25));
  EXPECT_DOUBLE_EQ(metrics.bits_per_byte->value, 18 / std::log(2.0) / 30);
}

TEST(EvaluationMetrics, HaveStandardErrorsOverDocuments) {
  const EvaluationMetrics metrics = Summarize(kDocuments);
  // Rests 6 − 2.25 · 2 = 1.5 and 12 − 2.25 · 6 = −1.5; √(2/1 · 4.5) / 8.
  EXPECT_DOUBLE_EQ(*metrics.loss.standard_error, 3.0 / 8);
  EXPECT_DOUBLE_EQ(*metrics.perplexity.standard_error, std::exp(2.25) * 3 / 8);
  // Rests 6 − 0.6 · 10 = 0 and 12 − 0.6 · 20 = 0.
  EXPECT_NEAR(*metrics.bits_per_byte->standard_error, 0, 1e-15);
}

TEST(EvaluationMetrics, OfDocumentsOfOneLengthHaveTheErrorOfAMean) {
  const std::vector<DocumentLoss> documents = {
      {.loss = 10, .tokens = 5}, {.loss = 20, .tokens = 5}, {.loss = 24, .tokens = 5}};
  // Of 2, 4 and 4.8: mean 3.6, variance (2.56 + 0.16 + 1.44) / 2.
  EXPECT_DOUBLE_EQ(*Summarize(documents).loss.standard_error, std::sqrt(2.08 / 3));
}

// The error that is stated is the spread that is seen when all is drawn again.
TEST(EvaluationMetrics, ErrorsAreTheSpreadOverSamplesOfDocuments) {
  std::mt19937_64 random(7);  // its output is fixed by the standard
  const auto uniform = [&random] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  constexpr int kSamples = 2000, kDocumentsOfSample = 60;
  double sum = 0, squares = 0, stated = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<DocumentLoss> documents;
    for (int i = 0; i < kDocumentsOfSample; ++i) {
      const auto tokens = static_cast<int64_t>(1 + 200 * uniform() * uniform());
      const double of_document = 2 + 2 * uniform() + 0.005 * static_cast<double>(tokens);
      documents.push_back({.loss = of_document * static_cast<double>(tokens), .tokens = tokens});
    }
    const Estimate loss = Summarize(documents).loss;
    sum += loss.value;
    squares += loss.value * loss.value;
    stated += *loss.standard_error;
  }
  const double mean = sum / kSamples;
  const double spread = std::sqrt(squares / kSamples - mean * mean);
  // The spread of so many is itself known to 1/√(2 · 2000) = 1.6 %; the first-order formula is
  // short by some 1/60.
  EXPECT_NEAR(stated / kSamples / spread, 1, 0.06);
}

TEST(EvaluationMetrics, WithoutASecondDocumentOrBytesSayLess) {
  const EvaluationMetrics metrics = Summarize(std::vector<DocumentLoss>{{.loss = 3, .tokens = 2}});
  EXPECT_FALSE(metrics.loss.standard_error.has_value());
  EXPECT_FALSE(metrics.bits_per_byte.has_value());
  EXPECT_EQ(FormatEvaluation(metrics), "loss 1.5000 ± n/a ppl 4.48 bpb n/a");
  EXPECT_EQ(EvaluationLine(3, metrics, 0.5),
            StrCat(R"({"step":3,"eval_loss":1.5,"eval_ppl":)", std::exp(1.5),
                   R"(,"eval_tokens":2,"eval_documents":1,"eval_seconds":0.5})"));
}

TEST(EvaluationMetrics, AreALineForPeopleAndOneForPrograms) {
  const EvaluationMetrics metrics = Summarize(kDocuments);
  EXPECT_EQ(FormatEvaluation(metrics), "loss 2.2500 ± 0.3750 ppl 9.49 bpb 0.8656");
  const auto json = nlohmann::json::parse(EvaluationLine(120, metrics, 1));
  EXPECT_EQ(json.at("step"), 120);
  EXPECT_EQ(json.at("eval_loss").get<double>(), metrics.loss.value);
  EXPECT_EQ(json.at("eval_loss_se").get<double>(), *metrics.loss.standard_error);
  EXPECT_EQ(json.at("eval_bpb").get<double>(), metrics.bits_per_byte->value);
  EXPECT_EQ(json.at("eval_documents"), 2);
}

}  // namespace
}  // namespace cadmus
