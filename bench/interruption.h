#pragma once

// Ending in order when a signal asks us to, so that peers and directories go with us.
namespace nacre::bench {

// From now on SIGHUP, SIGINT and SIGTERM only make measurements fail; the second one ends us at
// once. Those that are ignored stay so. Once, before other threads exist.
void CatchInterruptions();

// The signal that came; 0: none yet. Any thread.
int Interrupted();

// Ends us by the signal that came, if one did.
void EndIfInterrupted();

}  // namespace nacre::bench
