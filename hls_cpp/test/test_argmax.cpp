/// argmax.hpp: the largest result, the lowest channel at ties, any order of arrival.
#include "check.hpp"
#include "arrays.hpp"
#include "argmax.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
typedef rmsmp::Argmax<U> Search;

int main() {
  check::Random random(3);
  for (int trial = 0; trial < 3000; ++trial) {
    Search search;
    search.Reset();
    const int count = static_cast<int>(random.In(1, 12));
    const int range = trial % 3 == 0 ? 1 : 1 << 30;  // many ties in every third trial
    long long best = -(1ll << 40);
    long long best_channel = -1;
    for (int i = 0; i < count; ++i) {
      const bool valid = i == 0 || random.In(0, 3) != 0;
      long long y = random.In(-range, range - 1);
      if (trial % 7 == 0) y = INT32_MIN;
      const long long channel = (i * 7 + 5) % 12 + (trial % 5 == 0 ? 65520 : 0);
      search.Offer(valid, static_cast<U::Bound>(y), static_cast<Search::Channel>(channel));
      if (valid && (y > best || (y == best && channel < best_channel))) {
        best = y;
        best_channel = channel;
      }
    }
    CHECK_EQUAL(search.Winner(), best_channel);
  }
  return check::Finish();
}
