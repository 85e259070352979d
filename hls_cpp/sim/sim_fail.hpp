/// How C simulation stops: one line on stderr and an exit code of its own.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace rmsmp {
namespace sim {

/// Exit code of a simulation that broke a rule of the hardware.
enum { kFailureExit = 70 };

/// Report a broken rule and end the program.
inline void Fail(const char* rule, const char* where, long long value) {
  std::fflush(stdout);
  std::fprintf(stderr, "rmsmp simulation error: %s (%s: %lld)\n", rule, where, value);
  std::exit(kFailureExit);
}

/// Fail unless `holds`.
inline void Require(bool holds, const char* rule, const char* where, long long value) {
  if (!holds) Fail(rule, where, value);
}

}  // namespace sim
}  // namespace rmsmp
