// SPDX-License-Identifier: Apache-2.0
// Embedding and head, one right behind the other, over ranks that split the vocabulary: the passes
// are those of one rank.
#include "models/layers/split_vocabulary.h"

#include <map>
#include <numeric>
#include <set>

#include "collectives/local/local_world.h"
#include "models/layers/embedding.h"
#include "models/layers/language_model_head.h"
#include "runtime/parallel/tensor/place.h"
#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kBatch = 2, kLength = 6, kTokens = kBatch * kLength, kWidth = 5;
constexpr double kBound = 1e-12;

struct Case {
  int64_t vocab_size = 13;
  bool tied = false;
  double dropout = 0;
  bool sequence_parallel = true;

  std::string Name() const {
    return StrCat("vocabulary of ", vocab_size, tied ? ", tied" : "",
                  dropout > 0 ? ", dropout" : "", sequence_parallel ? ", sequence parallel" : "");
  }
};

constexpr NormSpec kNorm = {.width = kWidth};

// The first contribution to a gradient is written, later ones are added.
class Gradients final : public GradientSink {
 public:
  GradMode Begin(Parameter& parameter) override {
    return begun_.insert(&parameter).second ? GradMode::kOverwrite : GradMode::kAccumulate;
  }
  void End(Parameter& /*parameter*/) override {}

 private:
  std::set<const Parameter*> begun_;
};

// What a rank sees of one training pass.
struct Passes {
  double loss = 0;
  std::vector<double> y, dy;  // of the embedding's output: outer rows
  std::map<std::string, std::vector<double>> gradients;
};

// One rank: its device, its part of the two modules, and a micro-batch.
class Rank {
 public:
  // `bootstrap`: null for a rank alone.
  Rank(const Case& test_case, Bootstrap* bootstrap)
      : device_(OpenDevice({.memory_bytes = int64_t{16} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")),
        world_(bootstrap == nullptr ? nullptr : bootstrap->Connect(*device_)),
        parallel_(world_ == nullptr ? std::make_unique<TensorParallel>()
                                    : std::make_unique<TensorParallel>(
                                          *world_, nullptr,
                                          TensorParallelOptions{.sequence_parallel =
                                                                    test_case.sequence_parallel})),
        embedding_({.vocab_size = test_case.vocab_size,
                    .model_width = kWidth,
                    .initial_std = 1.0,
                    .dropout = test_case.dropout},
                   *parallel_) {
    const int64_t vocab_size = test_case.vocab_size;
    head_ = test_case.tied
                ? std::make_unique<LanguageModelHead>(embedding_.table(), kNorm, *parallel_)
                : std::make_unique<LanguageModelHead>(vocab_size, kNorm, 1.0, *parallel_);
    std::vector<int32_t> tokens, labels, positions(kTokens);
    std::vector<int64_t> samples;
    for (const double u : RandomValues<double>(kTokens, "tokens")) {
      tokens.push_back(static_cast<int32_t>((u + 1) / 2 * static_cast<double>(vocab_size)));
    }
    for (int32_t t = 0; t < kTokens; ++t) {
      labels.push_back(t % 5 == 3 ? -100 : static_cast<int32_t>((7 * t + 2) % vocab_size));
      positions[static_cast<size_t>(t)] = t % static_cast<int32_t>(kLength);
      samples.push_back(40 + t / kLength);
    }
    inputs_ = {.tokens_BS = Upload(tokens, {kBatch, kLength}),
               .labels_BS = Upload(labels, {kBatch, kLength}),
               .row_samples_T = Upload(samples, {kTokens}),
               .row_positions_T = Upload(positions, {kTokens})};
    const StepScalars scalars = {.loss_scale = 1.0 / 9, .seed = 3, .step = 2};
    std::vector<uint8_t> bytes(sizeof(scalars));
    std::memcpy(bytes.data(), &scalars, sizeof(scalars));
    scalars_ = Upload(bytes, {kStepScalarsBytes});
    loss_sum_ = Upload(std::vector<double>{0}, {1});
  }

  // Cuts table and weight over the ranks and gives all parameters values.
  void PlaceAndFill() {
    for (Parameter* parameter : Parameters()) {
      const int64_t num_rows = parameter->shape[0];
      if (parameter->shape.num_dims() == 2) {
        const Block rows = {.extent = num_rows, .padding = PaddingFor(num_rows, parallel_->size())};
        Place(*parameter,
              {.name = parameter->name,
               .dims = {{.axes = Axis::kTp, .blocks = {rows}}, Replicated(kWidth)}},
              *parallel_);
      }
      Fill(*parameter);
    }
  }

  // Values of the whole parameter, of which this rank takes its rows; what pads them is finite and
  // not 0.
  void Fill(Parameter& parameter) {
    std::vector<double> values =
        RandomValues<double>(parameter.shape.num_elements(), parameter.name, 2);
    if (parameter.shape.num_dims() == 2) {
      const int64_t size = parameter.LocalShape().num_elements();
      values.resize(static_cast<size_t>(size * parallel_->size()), 3.0);
      values = {values.begin() + size * parallel_->index(),
                values.begin() + size * (parallel_->index() + 1)};
    }
    parameter.weight = Upload(values, parameter.LocalShape());
    parameter.grad =
        Upload(std::vector<double>(values.size(), std::nan("")), parameter.LocalShape());
  }

  std::vector<Parameter*> Parameters() {
    std::vector<Parameter*> parameters;
    const auto collect = [&](Parameter& parameter) {
      if (std::find(parameters.begin(), parameters.end(), &parameter) == parameters.end())
        parameters.push_back(&parameter);
    };
    embedding_.VisitParameters(collect);
    head_->VisitParameters(collect);
    return parameters;
  }

  ForwardContext Forward(Mode mode) {
    return {.stream = *stream_,
            .mode = mode,
            .inputs = inputs_,
            .scalars = scalars_,
            .loss_sum = loss_sum_};
  }
  BackwardContext Backward() {
    return {.stream = *stream_, .inputs = inputs_, .scalars = scalars_, .gradients = gradients_};
  }

  Passes Run() {
    Passes out;
    ForwardContext forward = Forward(Mode::kTraining);
    const auto embedding_saved = embedding_.NewSaved(), head_saved = head_->NewSaved();
    Tensor x = cadmus::Forward(embedding_, forward, *embedding_saved, Tensor());
    out.y = Read(x);
    cadmus::Forward(*head_, forward, *head_saved, std::move(x));
    BackwardContext backward = Backward();
    Tensor dx = BackwardInput(*head_, backward, *head_saved, Tensor());
    BackwardWeight(*head_, backward, *head_saved);
    out.dy = Read(dx);
    BackwardInput(embedding_, backward, *embedding_saved, std::move(dx));
    BackwardWeight(embedding_, backward, *embedding_saved);
    out.loss = Read(loss_sum_)[0];
    for (const Parameter* parameter : Parameters())
      out.gradients[parameter->name] = Read(parameter->grad);
    return out;
  }

  Device& device() { return *device_; }
  EmbeddingModule& embedding() { return embedding_; }
  LanguageModelHead& head() { return *head_; }
  const TensorParallel& parallel() { return *parallel_; }

 private:
  template <class T>
  TensorView Upload(const std::vector<T>& values, const Shape& shape) {
    memory_.emplace_back(DTypeOf<T>, shape, MemoryCategory::kWorkspace, *stream_);
    device_->CopyToDevice(memory_.back(), ConstTensorView(values.data(), DTypeOf<T>, shape),
                          *stream_);
    stream_->Synchronize(device_->wait_limit());
    return memory_.back();
  }
  std::vector<double> Read(const ConstTensorView& tensor) {
    std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
    device_->CopyToHost(TensorView(values.data(), DType::kF64, tensor.shape()), tensor, *stream_);
    stream_->Synchronize(device_->wait_limit());
    return values;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> world_;
  std::unique_ptr<TensorParallel> parallel_;
  std::vector<Tensor> memory_;
  Gradients gradients_;
  EmbeddingModule embedding_;
  std::unique_ptr<LanguageModelHead> head_;
  MicroBatchInputs inputs_;
  TensorView scalars_, loss_sum_;
};

Passes RunOneRank(const Case& test_case) {
  Rank rank(test_case, nullptr);
  rank.PlaceAndFill();
  return rank.Run();
}

std::vector<Passes> RunRanks(const Case& test_case, int num_ranks) {
  std::vector<Passes> passes(static_cast<size_t>(num_ranks));
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    Rank rank(test_case, &bootstrap);
    rank.PlaceAndFill();
    passes[static_cast<size_t>(bootstrap.rank())] = rank.Run();
  });
  return passes;
}

void ExpectClose(const std::vector<double>& a, const std::vector<double>& b,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  EXPECT_LE(MaxError(a, b), kBound * MaxMagnitude(b)) << what;
}

std::vector<double> Concatenated(const std::vector<Passes>& ranks,
                                 const std::function<std::vector<double>(const Passes&)>& of) {
  std::vector<double> all;
  for (const Passes& rank : ranks) {
    const std::vector<double> part = of(rank);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void ExpectPassesOfOneRank(const Case& test_case, int num_ranks) {
  const std::string what = StrCat(test_case.Name(), ", over ", num_ranks);
  const Passes one = RunOneRank(test_case);
  const std::vector<Passes> ranks = RunRanks(test_case, num_ranks);
  for (const Passes& rank : ranks) {
    EXPECT_EQ(rank.loss, ranks[0].loss) << what;
    EXPECT_NEAR(rank.loss, one.loss, kBound * one.loss) << what;
  }
  // Sequence parallel: the rows and the addends of the norm's gradient lie on all ranks together.
  // Otherwise every rank has all of them.
  if (test_case.sequence_parallel) {
    EXPECT_EQ(Concatenated(ranks, [](const Passes& p) { return p.y; }), one.y) << what;
    ExpectClose(Concatenated(ranks, [](const Passes& p) { return p.dy; }), one.dy, what + ", dy");
    std::vector<double> sum(static_cast<size_t>(kWidth), 0);
    for (const Passes& rank : ranks) {
      const std::vector<double>& part = rank.gradients.at("final_norm.weight");
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    ExpectClose(sum, one.gradients.at("final_norm.weight"), what + ", norm");
  } else {
    for (const Passes& rank : ranks) {
      EXPECT_EQ(rank.y, one.y) << what;
      ExpectClose(rank.dy, one.dy, what + ", dy");
      ExpectClose(rank.gradients.at("final_norm.weight"), one.gradients.at("final_norm.weight"),
                  what + ", norm");
    }
  }
  for (const auto& [name, whole] : one.gradients) {
    if (name == "final_norm.weight") continue;
    std::vector<double> rows =
        Concatenated(ranks, [&, &key = name](const Passes& p) { return p.gradients.at(key); });
    ASSERT_GE(rows.size(), whole.size()) << what;
    EXPECT_EQ(std::vector<double>(rows.begin() + static_cast<int64_t>(whole.size()), rows.end()),
              std::vector<double>(rows.size() - whole.size(), 0))
        << what << ": the padding of " << name << " has a gradient";
    rows.resize(whole.size());
    ExpectClose(rows, whole, StrCat(what, ", ", name));
  }
}

TEST(SplitVocabulary, EmbeddingAndHeadAgreeWithOneRank) {
  // 5 over 4: two rows on each, the last rank holds nothing but padding.
  for (const int64_t vocab_size : {5, 13, 96}) {
    for (const bool tied : {false, true}) {
      for (const bool sequence_parallel : {false, true}) {
        for (const int num_ranks : {1, 2, 3, 4}) {
          ExpectPassesOfOneRank({.vocab_size = vocab_size,
                                 .tied = tied,
                                 .dropout = tied ? 0.4 : 0,
                                 .sequence_parallel = sequence_parallel},
                                num_ranks);
        }
      }
    }
  }
}

// The names of what `pass` issues.
template <class Pass>
std::vector<std::string> Issued(Rank& rank, const Pass& pass) {
  Trace trace;
  rank.device().set_trace(&trace);
  pass();
  rank.device().set_trace(nullptr);
  std::vector<std::string> names;
  for (const TraceEntry& entry : trace.entries()) names.push_back(entry.name);
  return names;
}

TEST(SplitVocabulary, OneRankIssuesNothingForTheSplit) {
  Rank rank({.dropout = 0.4}, nullptr);
  rank.PlaceAndFill();
  ForwardContext forward = rank.Forward(Mode::kTraining);
  BackwardContext backward = rank.Backward();
  const auto embedding_saved = rank.embedding().NewSaved(), head_saved = rank.head().NewSaved();
  EXPECT_THAT(
      Issued(rank,
             [&] {
               Forward(rank.head(), forward, *head_saved,
                       Forward(rank.embedding(), forward, *embedding_saved, Tensor()));
             }),
      ElementsAre("EmbeddingForward", "Dropout", "RmsNormForward", "Gemm", "CrossEntropy", "Sum"));
  EXPECT_THAT(Issued(rank,
                     [&] {
                       Tensor dx = BackwardInput(rank.head(), backward, *head_saved, Tensor());
                       BackwardWeight(rank.head(), backward, *head_saved);
                       BackwardInput(rank.embedding(), backward, *embedding_saved, std::move(dx));
                       BackwardWeight(rank.embedding(), backward, *embedding_saved);
                     }),
              ElementsAre("Gemm", "RmsNormBackward", "Gemm", "Dropout", "EmbeddingBackward"));
}

// Runs the segments of a pass; each issues collectives or ops, as its kind says.
template <class Segments, class Context>
int NumCollectives(Rank& rank, const Segments& segments, Module& module, Context& context,
                   Saved& saved) {
  int num_collectives = 0;
  for (const auto& segment : segments) {
    Trace trace;
    rank.device().set_trace(&trace);
    segment.run(module, context, saved);
    rank.device().set_trace(nullptr);
    for (const TraceEntry& entry : trace.entries()) {
      const bool communicates = entry.kind == TraceEntry::Kind::kCollective;
      EXPECT_EQ(communicates, segment.kind == SegmentKind::kCommunicate)
          << segment.name << " issues " << entry.name;
      num_collectives += communicates ? 1 : 0;
    }
  }
  return num_collectives;
}

TEST(SplitVocabulary, CollectivesStandInSegmentsOfTheirOwn) {
  for (const bool sequence_parallel : {false, true}) {
    const Case test_case = {.dropout = 0.4, .sequence_parallel = sequence_parallel};
    RunLocalRanks(2, [&](Bootstrap& bootstrap) {
      Rank rank(test_case, &bootstrap);
      rank.PlaceAndFill();
      EmbeddingModule& embedding = rank.embedding();
      LanguageModelHead& head = rank.head();
      ForwardContext forward = rank.Forward(Mode::kTraining);
      BackwardContext backward = rank.Backward();
      const auto below = embedding.NewSaved(), above = head.NewSaved();
      // The sum of what was looked up.
      EXPECT_EQ(NumCollectives(rank, embedding.forward_segments(), embedding, forward, *below), 1);
      above->activation = std::move(below->activation);
      // The rows of all ranks; the statistics.
      EXPECT_EQ(NumCollectives(rank, head.forward_segments(), head, forward, *above),
                sequence_parallel ? 2 : 1);
      EXPECT_EQ(NumCollectives(rank, head.backward_input_segments(), head, backward, *above), 1);
      EXPECT_EQ(NumCollectives(rank, head.backward_weight_segments(), head, backward, *above), 0);
      below->activation = std::move(above->activation);
      EXPECT_EQ(
          NumCollectives(rank, embedding.backward_input_segments(), embedding, backward, *below),
          0);
      EXPECT_EQ(
          NumCollectives(rank, embedding.backward_weight_segments(), embedding, backward, *below),
          sequence_parallel ? 1 : 0);
    });
  }
}

TEST(SplitVocabulary, InferenceOverSeveralRanksIsRefused) {
  RunLocalRanks(2, [](Bootstrap& bootstrap) {
    Rank rank({}, &bootstrap);
    rank.PlaceAndFill();
    ForwardContext inference = rank.Forward(Mode::kInference);
    const auto saved = rank.embedding().NewSaved(), head_saved = rank.head().NewSaved();
    EXPECT_THAT(ErrorOf([&] { Forward(rank.embedding(), inference, *saved, Tensor()); }),
                HasSubstr("inference over tp = 2"));
    EXPECT_THAT(ErrorOf([&] { Forward(rank.head(), inference, *head_saved, Tensor()); }),
                HasSubstr("parallel.tp: 1"));
  });
}

TEST(SplitVocabulary, ATableThatIsNotPlacedIsNamed) {
  RunLocalRanks(2, [](Bootstrap& bootstrap) {
    Rank rank({}, &bootstrap);
    EXPECT_THAT(ErrorOf([&] { PartOfTable(rank.embedding().table(), rank.parallel()); }),
                HasSubstr("embedding.weight [13, 5] is not placed as rows over tp 2"));
  });
}

}  // namespace
}  // namespace cadmus
