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
  // Of measured ÷ floor. None: shown without one.
  enum class Goal { kNone, kAtMost, kAtLeast } goal = Goal::kNone;
  double bound = 0;
  std::vector<double> measured = {};
  std::vector<double> floor = {};
};

// Adds what one round gave.
void Add(Row* row, double measured, double floor);

// Writes the rows that have something as a Markdown table. Figures are medians over the rounds. The
// ratio is the median of the ratios within each round, since a noisy machine slows both sides of a
// round alike; the least and the greatest of them follow in brackets.
void PrintTable(const std::vector<Row>& rows, std::ostream& out);

}  // namespace nacre::bench
