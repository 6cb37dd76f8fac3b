#include "bench/table.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/measure.h"

namespace nacre::bench {
namespace {

using Line = std::array<std::string, 5>;

std::string Figure(const Row& row, const std::vector<double>& values) {
  return absl::StrFormat("%.*f %s", row.decimals, Median(values), row.unit);
}

std::vector<double> Ratios(const Row& row) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(row.measured.size(), row.floor.size()); ++i) {
    ratios.push_back(row.measured[i] / row.floor[i]);
  }
  return ratios;
}

std::string RatioText(const std::vector<double>& ratios) {
  std::string text = absl::StrFormat("%.2f", Median(ratios));
  if (ratios.size() > 1) {
    absl::StrAppendFormat(&text, " (%.2f–%.2f)", Quantile(ratios, 0), Quantile(ratios, 1));
  }
  return text;
}

std::string GoalText(const Row& row, double ratio) {
  if (row.goal == Row::Goal::kNone) return "";
  const bool at_most = row.goal == Row::Goal::kAtMost;
  const bool met = at_most ? ratio <= row.bound : ratio >= row.bound;
  return absl::StrFormat("%s %.2f %s", at_most ? "≤" : "≥", row.bound, met ? "met" : "MISSED");
}

Line ToLine(const Row& row) {
  const std::vector<double> ratios = Ratios(row);
  return {row.what, Figure(row, row.measured), Figure(row, row.floor), RatioText(ratios),
          GoalText(row, Median(ratios))};
}

// Characters, not bytes, of UTF-8.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

void Add(Row* row, double measured, double floor) {
  row->measured.push_back(measured);
  row->floor.push_back(floor);
}

void PrintTable(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<Line> lines = {{"what", "measured", "floor", "ratio", "goal"}};
  for (const Row& row : rows) {
    if (!row.measured.empty()) lines.push_back(ToLine(row));
  }
  Line rule;
  for (size_t column = 0; column < rule.size(); ++column) {
    size_t width = 0;
    for (const Line& line : lines) width = std::max(width, Width(line[column]));
    for (Line& line : lines) line[column].append(width - Width(line[column]), ' ');
    rule[column].assign(width, '-');
  }
  lines.insert(lines.begin() + 1, rule);
  for (const Line& line : lines) {
    for (const std::string& cell : line) out << "| " << cell << " ";
    out << "|\n";
  }
}

}  // namespace nacre::bench
