// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedule_file.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "runtime/schedule/complete_schedule.h"
#include "runtime/schedule/schedule.pb.h"
#include "runtime/schedule/schedule_words.h"

namespace cadmus {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;

bool IsTransfer(const Action& action) {
  return action.kind == ActionKind::kSend || action.kind == ActionKind::kReceive;
}

bool IsReduction(const Action& action) {
  return action.kind == ActionKind::kReduceGradients || action.kind == ActionKind::kTieReduce ||
         action.kind == ActionKind::kOptimizer;
}

bool HasAny(const Schedule& schedule, bool (*is)(const Action&)) {
  return std::any_of(schedule.actions.begin(), schedule.actions.end(),
                     [is](const auto& list) { return std::any_of(list.begin(), list.end(), is); });
}

// Adds the kinds of which no rank has any.
void Complete(Schedule& schedule) {
  const bool has_transfers = HasAny(schedule, IsTransfer);
  if (!HasAny(schedule, IsReduction)) AddReductions(schedule);
  if (!has_transfers) AddTransfers(schedule);
}

// ---- Reading.

// Keeps the first complaint of Protobuf's parser, whose lines and columns count from 0.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) text_ = StrCat(line + 1, ":", column + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class Reader {
 public:
  Reader(std::string_view source, const std::string& text) : source_(source) {
    FirstError error;
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&error);
    parser.WriteLocationsTo(&locations_);
    if (!parser.ParseFromString(text, &file_))
      throw Error(Kind::kConfig, StrCat(source, ":", error.text()));
  }

  Schedule Read() {
    ReadSize();
    ReadStages();
    for (int rank = 0; rank < file_.rank_size(); ++rank) ReadActions(rank);
    Complete(schedule_);
    return std::move(schedule_);
  }

 private:
  void ReadSize() {
    if (!file_.has_micro_batches())
      Refuse(1, "the number of micro-batches is missing; write micro_batches: 8");
    if (file_.micro_batches() < 1) {
      Refuse(LineOf(locations_, Field(file_, "micro_batches"), -1),
             StrCat("micro_batches: ", file_.micro_batches(), "; give at least 1"));
    }
    if (file_.rank_size() == 0)
      Refuse(1, "no rank; write rank { stages: 0 actions: \"F0 B0\" } for each");
    // Stages may be left out altogether: one for each rank, in order.
    const int chunks = std::max(1, file_.rank(0).stages_size());
    schedule_.size = {.num_ranks = file_.rank_size(),
                      .num_chunks = chunks,
                      .num_micro_batches = file_.micro_batches()};
  }

  void ReadStages() {
    const bool in_order = std::all_of(file_.rank().begin(), file_.rank().end(),
                                      [](const auto& rank) { return rank.stages_size() == 0; });
    std::vector<int> holder(static_cast<size_t>(schedule_.size.num_stages()), -1);
    for (int rank = 0; rank < file_.rank_size(); ++rank) {
      const auto& stages = file_.rank(rank).stages();
      schedule_.stage_of.emplace_back(stages.begin(), stages.end());
      if (in_order) schedule_.stage_of.back() = {rank};
      if (static_cast<int>(schedule_.stage_of.back().size()) != schedule_.size.num_chunks) {
        Refuse(LineOfRank(rank),
               StrCat("rank ", rank, " has ", stages.size(), " stages and rank 0 has ",
                      schedule_.size.num_chunks, "; give each rank as many"));
      }
      for (int chunk = 0; chunk < stages.size(); ++chunk) CheckStage(rank, chunk, holder);
    }
  }

  void CheckStage(int rank, int chunk, std::vector<int>& holder) const {
    const int stage = file_.rank(rank).stages(chunk);
    const int line = LineOf(*RankTree(rank), Field(file_.rank(rank), "stages"), chunk);
    if (stage < 0 || stage >= schedule_.size.num_stages()) {
      Refuse(line, StrCat("stage ", stage, " of rank ", rank, "; ", schedule_.size.num_ranks,
                          " ranks with ", schedule_.size.num_chunks, " stages each have 0 … ",
                          schedule_.size.num_stages() - 1));
    }
    int& first = holder[static_cast<size_t>(stage)];
    if (first >= 0) {
      Refuse(line, StrCat("stage ", stage, " of rank ", rank, " lies on rank ", first,
                          " already; give each stage one place"));
    }
    first = rank;
  }

  void ReadActions(int rank) {
    std::vector<Action>& actions = schedule_.actions.emplace_back();
    const auto& texts = file_.rank(rank).actions();
    for (int i = 0; i < texts.size(); ++i) {
      std::string_view left = texts[i];
      for (;;) {
        constexpr std::string_view kSpace = " \t\r\n";
        const size_t begin = left.find_first_not_of(kSpace);
        if (begin == std::string_view::npos) break;
        left.remove_prefix(begin);
        const std::string_view word = left.substr(0, left.find_first_of(kSpace));
        left.remove_prefix(word.size());
        ParsedWord parsed = ParseWord(word, schedule_.size);
        if (!parsed.problem.empty()) {
          Refuse(LineOf(*RankTree(rank), Field(file_.rank(rank), "actions"), i),
                 StrCat("rank ", rank, ": ", parsed.problem));
        }
        actions.push_back(parsed.action);
      }
    }
  }

  // ---- Where things stand.

  static const FieldDescriptor* Field(const google::protobuf::Message& message,
                                      const std::string& name) {
    return message.GetDescriptor()->FindFieldByName(name);
  }

  TextFormat::ParseInfoTree* RankTree(int rank) const {
    return locations_.GetTreeForNested(Field(file_, "rank"), rank);
  }

  // From 1. Of a value in brackets only the place of its list is known.
  static int LineOf(const TextFormat::ParseInfoTree& tree, const FieldDescriptor* field,
                    int index) {
    while (index > 0 && tree.GetLocation(field, index).line < 0) --index;
    return tree.GetLocation(field, index).line + 1;
  }

  int LineOfRank(int rank) const { return LineOf(locations_, Field(file_, "rank"), rank); }

  [[noreturn]] void Refuse(int line, std::string_view problem) const {
    throw Error(Kind::kConfig, StrCat(source_, ":", line, ": ", problem));
  }

  std::string_view source_;
  PipelineSchedule file_;
  TextFormat::ParseInfoTree locations_;
  Schedule schedule_;
};

// ---- Writing.

Schedule Without(const Schedule& schedule, bool (*is)(const Action&)) {
  Schedule left = schedule;
  for (std::vector<Action>& actions : left.actions)
    actions.erase(std::remove_if(actions.begin(), actions.end(), is), actions.end());
  return left;
}

// The shortest lists that reading completes to the whole schedule.
Schedule Shortest(const Schedule& schedule) {
  const auto completes = [&](Schedule shorter) {
    Complete(shorter);
    return shorter == schedule;
  };
  const Schedule without_transfers = Without(schedule, IsTransfer);
  Schedule passes = Without(without_transfers, IsReduction);
  if (completes(passes)) return passes;
  if (completes(without_transfers)) return without_transfers;
  Schedule without_reductions = Without(schedule, IsReduction);
  if (completes(without_reductions)) return without_reductions;
  return schedule;
}

}  // namespace

Schedule ParseSchedule(std::string_view source, const std::string& text) {
  return Reader(source, text).Read();
}

Schedule LoadSchedule(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path))
    throw Error(Kind::kConfig, StrCat(path.string(), ": cannot be read; give a schedule file"));
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return ParseSchedule(path.string(), text);
}

std::string ScheduleToText(const Schedule& schedule) {
  constexpr size_t kColumns = 100;
  const Schedule shortest = Shortest(schedule);
  std::string text = StrCat("micro_batches: ", schedule.size.num_micro_batches, "\n");
  for (size_t rank = 0; rank < shortest.actions.size(); ++rank) {
    text += "rank {\n  stages: [";
    for (const int stage : shortest.stage_of[rank])
      text += StrCat(text.back() == '[' ? "" : ", ", stage);
    text += ']';
    std::string line;
    const auto end_line = [&] {
      if (!line.empty()) text += StrCat("\n  actions: \"", line, "\"");
      line.clear();
    };
    for (const Action& action : shortest.actions[rank]) {
      const std::string word = ToWord(action, schedule.size.num_chunks);
      // 13 characters stand around the words of a line.
      if (line.size() + 1 + word.size() + 13 > kColumns) end_line();
      if (!line.empty()) line += ' ';
      line += word;
    }
    end_line();
    text += "\n}\n";
  }
  return text;
}

}  // namespace cadmus
