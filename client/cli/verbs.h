// The list of verbs. A new one is a file, a line here and a line in verbs.cc.
#ifndef NACRE_CLIENT_CLI_VERBS_H_
#define NACRE_CLIENT_CLI_VERBS_H_

#include <memory>
#include <vector>

#include "client/cli/verb.h"

namespace nacre::cli {

std::unique_ptr<Verb> MakeAttach();
std::unique_ptr<Verb> MakeCat();
std::unique_ptr<Verb> MakeCp();
std::unique_ptr<Verb> MakeDrain();
std::unique_ptr<Verb> MakeEnd();
std::unique_ptr<Verb> MakeExec();
std::unique_ptr<Verb> MakeKill();
std::unique_ptr<Verb> MakeLogs();
std::unique_ptr<Verb> MakeLs();
std::unique_ptr<Verb> MakeMkdir();
std::unique_ptr<Verb> MakeMv();
std::unique_ptr<Verb> MakePing();
std::unique_ptr<Verb> MakePs();
std::unique_ptr<Verb> MakeRm();
std::unique_ptr<Verb> MakeShell();
std::unique_ptr<Verb> MakeStart();
std::unique_ptr<Verb> MakeStat();
std::unique_ptr<Verb> MakeStatus();
std::unique_ptr<Verb> MakeWait();
std::unique_ptr<Verb> MakeWatch();

// In the order in which help shows them.
std::vector<std::unique_ptr<Verb>> MakeVerbs();

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_VERBS_H_
