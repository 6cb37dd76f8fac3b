#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace nacre::bench {

// One comparison: what each round gave.
struct Row {
  std::string what;
  std::string unit;
  int decimals = 0;
  // Of Nacre ÷ floor. None: shown without one.
  enum class Goal { kNone, kAtMost, kAtLeast } goal = Goal::kNone;
  double bound = 0;
  std::vector<double> nacre = {};
  std::vector<double> floor = {};
};

// Writes the rows as a Markdown table. Figures are medians over the rounds. The ratio is the median
// of the ratios within each round, since a noisy machine slows both sides of a round alike; the
// least and the greatest of them follow in brackets.
void PrintTable(const std::vector<Row>& rows, std::ostream& out);

}  // namespace nacre::bench
