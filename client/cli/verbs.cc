#include "client/cli/verbs.h"

namespace nacre::cli {

std::vector<std::unique_ptr<Verb>> MakeVerbs() {
  std::vector<std::unique_ptr<Verb>> verbs;
  for (const auto make : {MakeExec,  MakeShell, MakeStart, MakeAttach, MakeLogs,  MakePs,  MakeWait,
                          MakeEnd,   MakeKill,  MakeRm,    MakeCp,     MakeLs,    MakeCat, MakeStat,
                          MakeMkdir, MakeMv,    MakeWatch, MakeStatus, MakeDrain, MakePing}) {
    verbs.push_back(make());
  }
  return verbs;
}

}  // namespace nacre::cli
