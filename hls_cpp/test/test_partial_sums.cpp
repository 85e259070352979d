/// partial_sums.hpp: words of groups, accumulation by plane, the drain's holding register.
#include "arrays.hpp"
#include "check.hpp"
#include "partial_sums.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
typedef rmsmp::PartialSums<U> S;

int main() {
  static S::Half half;
  S::Word word, sums, other;
  S::Front front;
  rmsmp::Registers<U>::Dots dots;
  const int lanes = S::kLanes, drained = S::kDrained, groups = U::kGroups;

  // Steps of one group: the first replaces what an older block left, planes weigh 1 and 16.
  for (int g = 0; g < groups; ++g) {
    for (int m = 0; m < lanes; ++m) word[m] = 12345;
    rmsmp::WriteGroup<U>(half, g, word);
    for (int step = 0; step < 4; ++step) {
      for (int m = 0; m < lanes; ++m) {
        dots[m] = static_cast<rmsmp::Registers<U>::Dot>((g + 1) * (m - 7) * (step + 1));
      }
      rmsmp::ReadGroup<U>(half, g, word);
      rmsmp::Accumulate<U>(word, dots, step == 0, step % 2 == 1, sums);
      rmsmp::WriteGroup<U>(half, g, sums);
    }
  }
  for (int g = 0; g < groups; ++g) {
    rmsmp::ReadGroup<U>(half, g, word);
    for (int m = 0; m < lanes; ++m) {
      CHECK_EQUAL(word[m], (g + 1) * (m - 7) * (1 + 16 * 2 + 3 + 16 * 4));
    }
  }

  // Every row leaves once, in order; a held group stays while its rows repeat.
  S::Word hold;
  for (int g = 0; g < 2; ++g) {
    for (int m = 0; m < lanes; ++m) word[m] = static_cast<U::Acc>(100 * g + m);
    for (int rows = 0; rows < U::kDrainSteps; ++rows) {
      for (int repeat = 0; repeat < 3; ++repeat) {
        const bool refill = rows == 0 && repeat == 0;
        for (int m = 0; m < lanes && !refill; ++m) word[m] = -1;
        rmsmp::HoldRows<U>(word, refill, repeat == 2, hold, front);
        for (int m = 0; m < drained; ++m) CHECK_EQUAL(front[m], 100 * g + rows * drained + m);
      }
    }
  }

  for (int m = 0; m < lanes; ++m) {
    word[m] = static_cast<U::Acc>(m);
    other[m] = static_cast<U::Acc>(-m);
  }
  rmsmp::SelectWord<U>(false, word, other, sums);
  CHECK_EQUAL(sums[3], 3);
  rmsmp::SelectWord<U>(true, word, other, sums);
  CHECK_EQUAL(sums[3], -3);
  return check::Finish();
}
