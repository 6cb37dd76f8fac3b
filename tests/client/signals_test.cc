#include "client/cli/signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace nacre::cli {
namespace {

TEST(ParseSignal, TakesNumbersAndNamesInEveryCustomaryForm) {
  for (const char* text : {"15", "TERM", "term", "SIGTERM"}) {
    EXPECT_EQ(ParseSignal(text), SIGTERM) << text;
  }
  EXPECT_EQ(ParseSignal("RTMIN"), SIGRTMIN);
  EXPECT_EQ(ParseSignal("SIGRTMIN+2"), SIGRTMIN + 2);
  EXPECT_EQ(ParseSignal("rtmax-1"), SIGRTMAX - 1);
  EXPECT_EQ(ParseSignal("64"), 64);
}

TEST(ParseSignal, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "65", "-1", "NOPE", "SIG", "RTMIN+", "RTMIN-1", "RTMAX+1",
                           "RTMIN+31", "RTMIN+x", "RTMIN+-1"}) {
    EXPECT_FALSE(ParseSignal(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace nacre::cli
