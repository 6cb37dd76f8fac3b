// A command's output, made safe for our terminal.
#ifndef NACRE_CLIENT_CLI_TERMINAL_FILTER_H_
#define NACRE_CLIENT_CLI_TERMINAL_FILTER_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace nacre::cli {

// Lets through what only shows text, and shows the rest instead of obeying it. Not thread-safe.
//
//   passes    text in any encoding but C1; BEL, BS, TAB, LF, VT, FF, CR; of CSI sequences colours
//             (m), cursor motion (A to H, d, f, s, u), erasing (J, K), scrolling (S, T), and
//             showing and hiding the cursor (?25h, ?25l)
//   is shown  all other control characters and sequences, such as those that write the clipboard
//             (OSC 52) or the title, ask the terminal for an answer, which would come as our
//             input, change its modes or character sets, or reset it
//
// Control characters are shown as ^X, and bytes from 0x80 on as \xNN: "^[]52;c;aGk=^G". The bytes
// 0x80 to 0x9F are C1 controls unless they are part of a UTF-8 character, and so are U+0080 to
// U+009F in UTF-8. Syntax of sequences: ECMA-48, 5.4 and 5.6; meanings: "XTerm Control Sequences".
//
// However the output is cut into pieces, what comes out is the same.
class TerminalFilter {
 public:
  // A longer sequence is shown: colours take some 40 bytes at most.
  static constexpr size_t kLongestSequence = 64;

  // Returns what the terminal may have of `data` and of what was held back before. Holds back the
  // beginning of a sequence or of a character at its end, less than kLongestSequence bytes. The
  // result is valid until the next call, and as long as `data`.
  std::string_view Filter(std::string_view data);

  // Returns what was held back: nothing follows. Valid until the next call.
  std::string_view Finish();

 private:
  size_t Scan(std::string_view data, bool last);
  bool MayPass(std::string_view element);
  void Show(std::string_view bytes);

  std::string held_;
  std::string out_;
  bool in_string_ = false;  // Of a control string (OSC, …), so that its BEL does not ring.
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_TERMINAL_FILTER_H_
