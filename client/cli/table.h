// Tables for people.
#ifndef NACRE_CLIENT_CLI_TABLE_H_
#define NACRE_CLIENT_CLI_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

namespace nacre::cli {

// The text with everything escaped that could do something to a terminal: control characters, C1
// ones included, marks that turn the direction of writing, and bytes that are no UTF-8.
std::string Printable(std::string_view text);

// At most `characters` of it, the last one an ellipsis if it was longer.
std::string Shortened(const std::string& printable, size_t characters);

// Lines of columns that line up; the first row is the heading. Cells are printable.
std::string Table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_TABLE_H_
