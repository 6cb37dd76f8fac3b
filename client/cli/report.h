// What nacre itself says, always on standard error and as "nacre: …".
#ifndef NACRE_CLIENT_CLI_REPORT_H_
#define NACRE_CLIENT_CLI_REPORT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nacre/client.h"

namespace nacre::cli {

// One line, whatever the message is: part of it may be a node's, so nothing in it acts on a
// terminal.
void Report(std::string_view message);

// The status's message.
void Report(const absl::Status& status);

// That the verb was used wrongly. Returns the exit status for it.
int ReportUsage(std::string_view verb, std::string_view message);
int ReportUsage(std::string_view verb, const absl::Status& status);

// Output that is not there any more.
void Report(const client::Gap& gap);

// How it ended, e.g. "exited, status 5".
std::string Ending(const client::Termination& end);

// What -v says of an end.
std::string Summary(const std::string& session_id, const client::Termination& end);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_REPORT_H_
