/// Checks that report: file, line, what was compared. No framework.
#pragma once

#include <cstdint>
#include <cstdio>

namespace check {

struct Tally {
  long checks;
  long failures;
};

inline Tally& Total() {
  static Tally tally = {0, 0};
  return tally;
}

inline void Equal(long long actual, long long expected, const char* text, const char* file,
                  int line) {
  ++Total().checks;
  if (actual == expected) return;
  if (++Total().failures <= 20) {
    std::printf("%s:%d: %s is %lld, expected %lld\n", file, line, text, actual, expected);
  }
}

/// Print the tally; the exit code of main. A test without checks fails.
inline int Finish() {
  std::printf("%ld checks, %ld failures\n", Total().checks, Total().failures);
  return Total().checks > 0 && Total().failures == 0 ? 0 : 1;
}

/// Fixed-seed generator of the same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2862933555777941757ull + 3037000493ull) {}

  /// Uniform in low .. high.
  long long In(long long low, long long high) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return low + static_cast<long long>((state_ >> 11) % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t state_;
};

}  // namespace check

#define CHECK_EQUAL(actual, expected)                                                       \
  check::Equal(static_cast<long long>(actual), static_cast<long long>(expected), #actual, \
               __FILE__, __LINE__)
#define CHECK(condition) CHECK_EQUAL((condition) ? 1 : 0, 1)
