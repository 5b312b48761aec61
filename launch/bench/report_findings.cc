// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/report_findings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

std::string Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
  }
  CADMUS_UNREACHABLE("every verdict is named above");
}

int64_t Count(const std::vector<Finding>& findings, Verdict verdict) {
  return std::ranges::count(findings, verdict, &Finding::verdict);
}

std::string Padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

}  // namespace

Verdict WorstOf(const std::vector<Finding>& findings) {
  Verdict worst = Verdict::kOk;
  for (const Finding& finding : findings) worst = std::max(worst, finding.verdict);
  return worst;
}

std::string FindingsToText(const std::vector<Finding>& findings) {
  constexpr size_t kVerdictWidth = 6;
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.name.size() + 2);
  std::string text;
  for (const Finding& finding : findings) {
    text += StrCat(Padded(Name(finding.verdict), kVerdictWidth), Padded(finding.name, width),
                   finding.value, "\n");
    if (!finding.remedy.empty()) {
      text += StrCat(std::string(kVerdictWidth + width, ' '), finding.remedy, "\n");
    }
  }
  return text + StrCat(Count(findings, Verdict::kOk), " ok, ", Count(findings, Verdict::kWarn),
                       " warn, ", Count(findings, Verdict::kFail), " fail\n");
}

std::string FindingsToJson(const std::vector<Finding>& findings) {
  using Json = nlohmann::ordered_json;
  Json checks = Json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"name", finding.name},
                      {"verdict", Name(finding.verdict)},
                      {"value", finding.value},
                      {"remedy", finding.remedy}});
  }
  const Json json = {{"verdict", Name(WorstOf(findings))},
                     {"ok", Count(findings, Verdict::kOk)},
                     {"warn", Count(findings, Verdict::kWarn)},
                     {"fail", Count(findings, Verdict::kFail)},
                     {"checks", std::move(checks)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cadmus
