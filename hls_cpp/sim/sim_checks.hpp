/// The promises that the synthesis pragmas rest on, checked in C simulation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim_fail.hpp"

namespace rmsmp {
namespace sim {

/// Last operation that wrote each word (bank, address) of the activation memory.
struct ActivationUse {
  std::vector<uint32_t> writer;
  uint32_t operation;
  ActivationUse() : operation(1) {}
};

inline ActivationUse& Activations() {
  static ActivationUse use;
  return use;
}

/// Start a new operation: what earlier ones wrote may now be read.
inline void BeginOperation() { ++Activations().operation; }

inline std::size_t ActivationWord(long long bank, long long address, long long banks,
                                  long long depth) {
  Require(address >= 0 && address < depth, "activation address out of bounds", "address", address);
  Require(bank >= 0 && bank < banks, "activation bank out of bounds", "bank", bank);
  std::vector<uint32_t>& writer = Activations().writer;
  if (writer.size() < static_cast<std::size_t>(banks * depth)) {
    writer.resize(static_cast<std::size_t>(banks * depth), 0);
  }
  return static_cast<std::size_t>(bank * depth + address);
}

/// A read: inside the memory, and not of a word that the same operation writes
/// (DEPENDENCE inter false on the activation memory).
inline void CheckRead(long long bank, long long address, long long banks, long long depth) {
  const std::size_t word = ActivationWord(bank, address, banks, depth);
  Require(Activations().writer[word] != Activations().operation,
          "an operation reads activations that it wrote itself", "address", address);
}

/// A write: inside the memory.
inline void CheckWrite(long long bank, long long address, long long banks, long long depth) {
  const std::size_t word = ActivationWord(bank, address, banks, depth);
  Activations().writer[word] = Activations().operation;
}

/// Words of the spill port that the running program may use: word 7 of its header.
inline long long& SpillWords() {
  static long long words = 0;
  return words;
}

/// An access to `count` words of the spill port from `first` on: inside what was allocated.
inline void CheckSpill(long long first, long long count) {
  Require(first >= 0 && count <= SpillWords() - first, "spilled words out of bounds", "first word",
          first);
}

/// Iteration of the last write to each address of a memory that is read again at a distance.
class DistanceCheck {
 public:
  DistanceCheck(std::size_t depth, uint64_t distance) : last_(depth, 0), distance_(distance) {}

  /// `iteration` starts at 0; a read must be `distance` iterations after the last write.
  void Read(std::size_t address, uint64_t iteration) const {
    Require(last_[address] == 0 || iteration + 1 >= last_[address] + distance_,
            "partial sums are read too soon after their write", "address",
            static_cast<long long>(address));
  }
  void Write(std::size_t address, uint64_t iteration) { last_[address] = iteration + 1; }
  void Clear() { last_.assign(last_.size(), 0); }

 private:
  std::vector<uint64_t> last_;
  uint64_t distance_;
};

}  // namespace sim
}  // namespace rmsmp
