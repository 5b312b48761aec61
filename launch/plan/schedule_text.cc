// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/schedule_text.h"

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "launch/plan/text_table.h"
#include "runtime/schedule/activations.h"
#include "runtime/schedule/draw_schedule.h"
#include "runtime/schedule/schedule_times.h"

namespace cadmus {
namespace {

double BubbleFraction(const ScheduleTimes& times) {
  double idle = 0;
  for (const RankTimes& rank : times.ranks) idle += rank.bubble_fraction();
  return idle / static_cast<double>(times.ranks.size());
}

std::string Percent(double fraction) { return StrCat(FixedText(fraction * 100, 1), "%"); }

std::string Counted(int count, const char* one, const char* many) {
  return StrCat(count, " ", count == 1 ? one : many);
}

}  // namespace

double BubbleFraction(const Schedule& schedule) { return BubbleFraction(SimulateTimes(schedule)); }

std::string ScheduleToReport(const Schedule& schedule) {
  const ScheduleTimes times = SimulateTimes(schedule);
  const ScheduleSize& size = schedule.size;
  TextTable table(1);
  table.Add({"", "busy", "bubble", "act. input", "act. weight"});
  for (size_t rank = 0; rank < times.ranks.size(); ++rank) {
    const ActivationPeaks peaks = PeakActivations(schedule.actions[rank]);
    table.Add({StrCat("rank ", rank), StrCat(times.ranks[rank].busy),
               Percent(times.ranks[rank].bubble_fraction()), StrCat(peaks.until_backward_input),
               StrCat(peaks.until_backward_weight)});
  }
  return StrCat(Counted(size.num_ranks, "pipeline rank", "pipeline ranks"), " with ",
                Counted(size.num_chunks, "stage", "stages"), " each, ",
                Counted(size.num_micro_batches, "micro-batch", "micro-batches"), "\nbubble ",
                Percent(BubbleFraction(times)), ": a step takes ", times.makespan,
                " where forward, input-backward and weight-backward of a stage take 1 each\n\n",
                "passes, and peaks of activations that wait for an input- or a weight-backward "
                "pass, in micro-batches of a stage\n",
                table.ToString(), '\n', DrawText(schedule));
}

}  // namespace cadmus
