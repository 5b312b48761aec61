// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/draw_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/str_cat.h"
#include "runtime/schedule/passes.h"
#include "runtime/schedule/schedule_words.h"

namespace cadmus {
namespace {

// Calls function(rank, action, its time) for every pass that takes time.
template <class Function>
void ForEachPass(const Schedule& schedule, const ScheduleTimes& times, Function function) {
  for (size_t rank = 0; rank < schedule.actions.size(); ++rank) {
    for (size_t i = 0; i < schedule.actions[rank].size(); ++i) {
      const TimeSpan span = times.spans[rank][i];
      if (IsPass(schedule.actions[rank][i].kind) && span.end > span.begin)
        function(rank, schedule.actions[rank][i], span);
    }
  }
}

double ShortestPass(const Schedule& schedule, const ScheduleTimes& times) {
  double shortest = std::numeric_limits<double>::max();
  ForEachPass(schedule, times, [&](size_t, const Action&, TimeSpan span) {
    shortest = std::min(shortest, span.end - span.begin);
  });
  return shortest;
}

// ---- Text.

// The columns of a pass: at least one.
struct Columns {
  size_t begin = 0;
  size_t count = 1;
};

Columns ColumnsOf(TimeSpan span, double column) {
  const auto begin = static_cast<size_t>(std::lround(span.begin / column));
  const auto end = static_cast<size_t>(std::lround(span.end / column));
  return {begin, std::max(end, begin + 1) - begin};
}

// ---- SVG. Lengths in pixels.

constexpr double kRowHeight = 28;
constexpr double kColumnWidth = 28;  // of the shortest pass
constexpr double kLeft = 64;         // in front of the rows
constexpr double kLegendHeight = 30;

std::string_view ColourOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return "#4c8bd0";
    case ActionKind::kBackwardInput:
      return "#5ab3a4";
    case ActionKind::kBackwardWeight:
      return "#d99a3d";
    default:
      return "#5fa55a";
  }
}

// A box with the number of its micro-batch.
std::string Box(const Pass& pass, double x, double y, double width, double height) {
  const double shade = std::min(0.12 * pass.chunk, 0.6);
  std::string box = StrCat("<rect x=\"", x, "\" y=\"", y, "\" width=\"", width, "\" height=\"",
                           height, "\" fill=\"", ColourOf(pass.kind), "\" stroke=\"#fff\"/>");
  if (shade > 0) {
    box += StrCat("<rect x=\"", x, "\" y=\"", y, "\" width=\"", width, "\" height=\"", height,
                  "\" fill-opacity=\"", shade, "\"/>");
  }
  return box + StrCat("<text x=\"", x + width / 2, "\" y=\"", y + height / 2 + 4,
                      "\" text-anchor=\"middle\" fill=\"#fff\">", pass.micro_batch, "</text>");
}

std::string Legend(double y) {
  std::string legend;
  double x = kLeft;
  for (const ActionKind kind : {ActionKind::kForward, ActionKind::kBackward,
                                ActionKind::kBackwardInput, ActionKind::kBackwardWeight}) {
    legend += StrCat("<rect x=\"", x, "\" y=\"", y + 9, "\" width=\"12\" height=\"12\" fill=\"",
                     ColourOf(kind), "\"/><text x=\"", x + 17, "\" y=\"", y + 19, "\">", Name(kind),
                     "</text>\n");
    x += 125;
  }
  return legend;
}

}  // namespace

std::string DrawText(const Schedule& schedule, const PassTimes& pass_times) {
  const ScheduleTimes times = SimulateTimes(schedule, pass_times);
  const double column = ShortestPass(schedule, times);
  // Wide enough that each word fits the columns of its pass; a space stands between columns.
  size_t width = 1;
  size_t num_columns = 0;
  ForEachPass(schedule, times, [&](size_t, const Action& action, TimeSpan span) {
    const Columns columns = ColumnsOf(span, column);
    const size_t length = ToWord(action, schedule.size.num_chunks).size() + 1;
    width = std::max(width, (length + columns.count - 1) / columns.count - 1);
    num_columns = std::max(num_columns, columns.begin + columns.count);
  });
  std::string idle;
  for (size_t i = 0; i < num_columns; ++i)
    idle += StrCat(i > 0 ? " " : "", ".", std::string(width - 1, ' '));
  std::vector<std::string> rows(schedule.actions.size(), idle);
  ForEachPass(schedule, times, [&](size_t rank, const Action& action, TimeSpan span) {
    const Columns columns = ColumnsOf(span, column);
    std::string cell = ToWord(action, schedule.size.num_chunks);
    cell.resize(columns.count * (width + 1) - 1, columns.count > 1 ? '-' : ' ');
    rows[rank].replace(columns.begin * (width + 1), cell.size(), cell);
  });
  const size_t digits = StrCat(rows.size() - 1).size();
  std::string text;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    const std::string number = StrCat(rank);
    rows[rank].erase(rows[rank].find_last_not_of(' ') + 1);
    text +=
        StrCat("rank ", std::string(digits - number.size(), ' '), number, " | ", rows[rank], "\n");
  }
  return text;
}

std::string DrawSvg(const Schedule& schedule, const PassTimes& pass_times) {
  const ScheduleTimes times = SimulateTimes(schedule, pass_times);
  const double scale = kColumnWidth / ShortestPass(schedule, times);
  const double bottom = kRowHeight * static_cast<double>(schedule.actions.size());
  const double right = std::max(kLeft + times.makespan * scale, kLeft + 500) + 8;
  std::string svg =
      StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", right, "\" height=\"",
             bottom + kLegendHeight, "\" font-family=\"sans-serif\" font-size=\"12\">\n");
  for (size_t rank = 0; rank < schedule.actions.size(); ++rank) {
    const double y = kRowHeight * static_cast<double>(rank);
    svg += StrCat("<text x=\"6\" y=\"", y + kRowHeight / 2 + 4, "\">rank ", rank,
                  "</text><rect x=\"", kLeft, "\" y=\"", y, "\" width=\"", times.makespan * scale,
                  "\" height=\"", kRowHeight, "\" fill=\"#eee\"/>\n");
  }
  ForEachPass(schedule, times, [&](size_t rank, const Action& action, TimeSpan span) {
    svg += StrCat("<g><title>rank ", rank, ": ", ToString(action), ", ", span.begin, " to ",
                  span.end, "</title>");
    // An overlap: its forward above its backward.
    const bool both = action.kind == ActionKind::kOverlap;
    const double height = both ? kRowHeight / 2 : kRowHeight;
    double y = kRowHeight * static_cast<double>(rank);
    for (const Pass& pass : PassesOf(action)) {
      svg += Box(pass, kLeft + span.begin * scale, y, (span.end - span.begin) * scale, height);
      y += height;
    }
    svg += "</g>\n";
  });
  return svg + Legend(bottom) + "</svg>\n";
}

}  // namespace cadmus
