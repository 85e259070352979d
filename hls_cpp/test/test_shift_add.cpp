/// shift_add.hpp: every codebook, every code, every activation nibble, and whole rows.
#include "check.hpp"
#include "arrays.hpp"
#include "shift_add.hpp"

/// Magnitudes of docs/numerics.md.
static const int kSp2[] = {0, 1, 2, 4, 5, 6, 8};
static const int kPot[] = {0, 1, 2, 4, 8, 16, 32, 64};
static const int kApot[] = {0, 1, 2, 3, 4, 6, 8, 10};

template <typename Config>
void TestCodebook(const int* magnitudes, int count) {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  typedef rmsmp::ShiftAdd<U> L;
  typename U::Nibble codes[U::kChannels];
  typename L::Shift1 shift1[U::kChannels];
  typename L::Shift2 shift2[U::kChannels];
  typename L::Mask used1[U::kChannels], used2[U::kChannels], sign[U::kChannels];
  typename L::Carry carry;
  typename U::Signed4 activations[U::kChannels];
  const int channels = U::kChannels;

  // One weight, all others 0; the activations of zero weights must not matter.
  for (int m = 0; m < 2 * count; ++m) {
    const int index = m % count;
    const bool negative = m >= count;
    const int weight = negative ? -magnitudes[index] : magnitudes[index];
    for (int a = -8; a < 8; ++a) {
      for (int at = 0; at < channels; at += channels - 1) {
        for (int n = 0; n < channels; ++n) {
          codes[n] = static_cast<typename U::Nibble>(n == at ? index + (negative ? 8 : 0) : 0);
          activations[n] = static_cast<typename U::Signed4>(n == at ? a : -8);
        }
        rmsmp::DecodeShiftAdd<U>(codes, shift1, shift2, used1, used2, sign, carry);
        CHECK_EQUAL(rmsmp::ShiftAddDot<U>(shift1, shift2, used1, used2, sign, carry, activations),
                    weight * a);
      }
    }
  }

  // Rows at both extremes, then random rows.
  check::Random random(static_cast<uint64_t>(count));
  for (int trial = 0; trial < 2000; ++trial) {
    int expected = 0;
    for (int n = 0; n < channels; ++n) {
      const int index = trial < 4 ? count - 1 : static_cast<int>(random.In(0, count - 1));
      const bool negative = trial < 4 ? trial & 1 : random.In(0, 1) != 0;
      const int a = trial < 4 ? (trial & 2 ? 7 : -8) : static_cast<int>(random.In(-8, 7));
      codes[n] = static_cast<typename U::Nibble>(index + (negative ? 8 : 0));
      activations[n] = static_cast<typename U::Signed4>(a);
      expected += (negative ? -magnitudes[index] : magnitudes[index]) * a;
    }
    rmsmp::DecodeShiftAdd<U>(codes, shift1, shift2, used1, used2, sign, carry);
    CHECK_EQUAL(rmsmp::ShiftAddDot<U>(shift1, shift2, used1, used2, sign, carry, activations),
                expected);
  }
}

int main() {
  TestCodebook<RmsmpConfig>(kSp2, 7);
  TestCodebook<arrays::LutOnly>(kSp2, 7);
  TestCodebook<arrays::PotE1>(kPot, 8);
  TestCodebook<arrays::ApotE2>(kApot, 8);
  return check::Finish();
}
