// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/plan_text.h"

#include <algorithm>
#include <functional>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "launch/plan/text_table.h"

namespace cadmus {
namespace {

// Neighbouring pipeline ranks with the same numbers: `first` stands for all of them.
struct Alike {
  std::string label;
  const PipelineRankPlan* first = nullptr;
};

using Same = std::function<bool(const RankRecord&, const RankRecord&)>;

std::vector<Alike> GroupAlike(const RunPlan& plan, const Same& same) {
  const auto& ranks = plan.pipeline_ranks;
  if (ranks.size() == 1) return {{"every rank", &ranks[0]}};
  std::vector<Alike> groups;
  for (size_t begin = 0, end = 0; begin < ranks.size(); begin = end) {
    while (end < ranks.size() && same(ranks[begin].record, ranks[end].record)) ++end;
    groups.push_back({end - begin == 1 ? StrCat("pp ", begin) : StrCat("pp ", begin, "–", end - 1),
                      &ranks[begin]});
  }
  return groups;
}

std::string LayoutLine(const RunPlan& plan) {
  std::string line = StrCat("layout      ", plan.world_size,
                            plan.world_size == 1 ? " rank" : " ranks", ": ", ToString(plan.layout));
  if (plan.zero > 0) line += StrCat("; zero ", plan.zero);
  if (!plan.schedule.empty()) line += StrCat("; schedule ", plan.schedule);
  return line + '\n';
}

std::string StepLine(const RunPlan& plan) {
  return StrCat("step        ", plan.samples_per_step, " samples of ", plan.sequence_length,
                " tokens: ", CompactText(static_cast<double>(plan.tokens_per_step())),
                " tokens; each rank runs ", plan.num_micro_batches,
                plan.num_micro_batches == 1 ? " micro-batch of " : " micro-batches of ",
                plan.micro_batch_size, '\n');
}

std::string FlopsLine(const RunPlan& plan) {
  const auto both = [&](double flops) {
    return StrCat(CompactText(flops), " (", CompactText(flops / plan.world_size), " a rank)");
  };
  return StrCat("FLOPs       model ", both(plan.model_flops), "; executed ",
                both(plan.executed_flops), '\n');
}

std::string BubbleLine(const RunPlan& plan) {
  if (plan.pipeline_ranks.size() == 1) return "";
  return StrCat(
      "bubble      ", FixedText(plan.bubble_fraction * 100, 1),
      "% of a step, where forward, input-backward and weight-backward of a stage take 1 each\n");
}

std::string MemoryTable(const RunPlan& plan) {
  TextTable table(1);
  std::vector<std::string> head = {
      "",           "parameters",  "weights",   "gradients",     "optimizer",
      "act. input", "act. weight", "workspace", "communication", "total",
      "high water"};
  const bool on_gpus = plan.gpu_bytes() > 0;
  if (on_gpus) head.push_back("context, libraries");
  table.Add(std::move(head));
  const auto groups = GroupAlike(plan, [](const RankRecord& a, const RankRecord& b) {
    return a.num_parameters == b.num_parameters && a.memory.peak_bytes == b.memory.peak_bytes &&
           a.memory.peak_total_bytes == b.memory.peak_total_bytes &&
           a.memory.high_water_bytes == b.memory.high_water_bytes && a.context == b.context;
  });
  for (const Alike& group : groups) {
    const RankRecord& record = group.first->record;
    std::vector<std::string> row = {group.label,
                                    CompactText(static_cast<double>(record.num_parameters))};
    for (int64_t bytes : record.memory.peak_bytes) row.push_back(BytesText(bytes));
    row.push_back(BytesText(record.memory.peak_total_bytes));
    row.push_back(BytesText(record.memory.high_water_bytes));
    if (on_gpus) row.push_back(BytesText(record.context.total_bytes()));
    table.Add(std::move(row));
  }
  return "peak memory per rank (categories each at their own peak; total at one moment; high water "
         "with the gaps between)\n" +
         table.ToString();
}

std::string CommunicationTable(const RunPlan& plan) {
  TextTable table(3);
  table.Add({"", "group", "operation", "calls", "bytes"});
  const auto groups = GroupAlike(plan, [](const RankRecord& a, const RankRecord& b) {
    return a.collectives == b.collectives;
  });
  for (const Alike& group : groups) {
    std::string label = group.label;
    for (const CollectiveTotal& total : group.first->record.collectives) {
      table.Add({label, total.group, total.operation, StrCat(total.calls), BytesText(total.bytes)});
      label.clear();
    }
  }
  if (plan.world_size == 1) return "communication: none\n";
  return "communication per step and rank (bytes of the larger of input and output)\n" +
         table.ToString();
}

std::string Verdict(const RunPlan& plan) {
  return StrCat(plan.fits() ? "fits" : "does not fit", ": needs ",
                BytesText(plan.largest_memory_bytes()),
                " of device.memory_gib = ", BytesText(plan.memory_limit_bytes), '\n');
}

std::string GpuLine(const RunPlan& plan) {
  if (plan.gpu_bytes() == 0) return "";
  return StrCat("GPU: a rank takes ", BytesText(plan.gpu_bytes()), ": ",
                BytesText(plan.memory_limit_bytes), " of device.memory_gib, and ",
                BytesText(plan.largest_context_bytes()),
                " of context and libraries (an estimate; with NCCL unless communication.transport = "
                "MPI)\n");
}

}  // namespace

std::string PlanToText(const RunPlan& plan) {
  return LayoutLine(plan) +
         StrCat("parameters  ", CompactText(static_cast<double>(plan.num_parameters)), " (",
                plan.num_parameters, ")\n") +
         StepLine(plan) + FlopsLine(plan) + BubbleLine(plan) + '\n' + MemoryTable(plan) + '\n' +
         CommunicationTable(plan) + '\n' + Verdict(plan) + GpuLine(plan);
}

}  // namespace cadmus
