/// Iterations of the pipelined loops, one count per operation; C simulation only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmsmp {
namespace sim {

/// Iterations of every operation run since `ResetCounters`, in the order of running.
inline std::vector<uint64_t>& IterationCounts() {
  static std::vector<uint64_t> counts;
  return counts;
}

/// Forget all counts.
inline void ResetCounters() { IterationCounts().clear(); }

/// Start the count of the next operation.
inline void BeginCount() { IterationCounts().push_back(0); }

/// Count iterations of the running operation.
inline void CountIterations(uint64_t iterations) {
  if (IterationCounts().empty()) BeginCount();
  IterationCounts().back() += iterations;
}

}  // namespace sim
}  // namespace rmsmp
