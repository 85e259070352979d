/// fixed_lane.hpp: every product, and full cascades at the extremes, both DSP families.
#include "check.hpp"
#include "arrays.hpp"
#include "fixed_lane.hpp"

template <typename Config>
struct Lane {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  typename U::Signed4 w0[U::kChannels], w1[U::kChannels];
  int a0[U::kChannels], a1[U::kChannels];

  void Set(int n, int weight0, int weight1, int activation0, int activation1) {
    w0[n] = static_cast<typename U::Signed4>(weight0);
    w1[n] = static_cast<typename U::Signed4>(weight1);
    a0[n] = activation0;
    a1[n] = activation1;
  }

  void Check() const {
    typename rmsmp::Packed<U>::B packed[U::kChannels];
    typename rmsmp::Packed<U>::Sum dot[2][2];
    int expected[2][2] = {{0, 0}, {0, 0}};
    for (int n = 0; n < U::kChannels; ++n) {
      packed[n] = rmsmp::PackActivations<U>(static_cast<typename U::Signed4>(a0[n]),
                                            static_cast<typename U::Signed4>(a1[n]));
      expected[0][0] += static_cast<int>(w0[n]) * a0[n];
      expected[0][1] += static_cast<int>(w0[n]) * a1[n];
      expected[1][0] += static_cast<int>(w1[n]) * a0[n];
      expected[1][1] += static_cast<int>(w1[n]) * a1[n];
    }
    rmsmp::PackedDot<U>(w0, w1, packed, dot);
    for (int row = 0; row < 2; ++row) {
      for (int pixel = 0; pixel < 2; ++pixel) CHECK_EQUAL(dot[row][pixel], expected[row][pixel]);
    }
  }
};

template <typename Config>
void TestFamily() {
  Lane<Config> lane;
  const int channels = rmsmp::Units<Config, rmsmp::Types>::kChannels;
  const int ends[] = {-8, -7, 0, 7};
  for (int w0 = -8; w0 < 8; ++w0) {
    for (int w1 = -8; w1 < 8; ++w1) {
      for (int a0 = -8; a0 < 8; ++a0) {
        for (int a1 = -8; a1 < 8; ++a1) {
          for (int n = 0; n < channels; ++n) lane.Set(n, 0, 0, n & 7, -n & 7);
          lane.Set((w0 + 8) % channels, w0, w1, a0, a1);
          lane.Check();
        }
      }
    }
  }
  for (int w0 : ends) {
    for (int w1 : ends) {
      for (int a0 : ends) {
        for (int a1 : ends) {
          for (int n = 0; n < channels; ++n) lane.Set(n, w0, w1, a0, a1);
          lane.Check();
        }
      }
    }
  }
  check::Random random(7);
  for (int trial = 0; trial < 3000; ++trial) {
    for (int n = 0; n < channels; ++n) {
      lane.Set(n, static_cast<int>(random.In(-8, 7)), static_cast<int>(random.In(-8, 7)),
               static_cast<int>(random.In(-8, 7)), static_cast<int>(random.In(-8, 7)));
    }
    lane.Check();
  }
}

/// 16 channels on DSP48E2 fill one cascade to its bound.
struct FullE2 : arrays::PotE1 {
  enum { kDspFieldBits = 11, kDspCascade = 16, kDspOffset = 960, kDspPortBits = 27 };
};

int main() {
  TestFamily<FullE2>();
  TestFamily<arrays::PotE1>();
  TestFamily<arrays::ApotE2>();
  TestFamily<arrays::DspOnly>();
  return check::Finish();
}
