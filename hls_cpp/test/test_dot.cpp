/// dot.hpp: words of a weight tile to registers to TM x TP dot products of all lane kinds.
#include "check.hpp"
#include "arrays.hpp"
#include "dot.hpp"
#include "words.hpp"

template <typename Config>
void TestArray() {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  typedef rmsmp::Registers<U> R;
  const int tn = U::kChannels, tp = U::kPixels, rows = U::kRows;
  const int lut = U::kShiftAddLanes, fixed4 = U::kFixed4Lanes;
  check::Random random(11);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<uint8_t> bytes(static_cast<std::size_t>(U::kWeightBeats * U::kBeatBits / 8), 0);
    std::vector<int> nibbles(static_cast<std::size_t>(U::kTileNibbles));
    for (std::size_t i = 0; i < nibbles.size(); ++i) {
      nibbles[i] = static_cast<int>(random.In(0, 15));
      if (static_cast<int>(i) < lut * tn && Config::kTerm1Used < 128 && (nibbles[i] & 7) == 7) {
        nibbles[i] = 0;  // SP2-4 has no magnitude index 7
      }
      bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] | (nibbles[i] << (4 * (i % 2))));
    }
    typename R::Shadow shadow;
    typename R::Shift1 shift1;
    typename R::Shift2 shift2;
    typename R::Mask used1, used2, sign;
    typename R::Carry carry;
    typename R::Fixed fixed;
    typename R::Buses buses;
    typename R::Dots dots;
    const auto beats = rmsmp::sim::WordsFromBytes<rmsmp::Types, U::kBeatBits>(bytes);
    for (int b = 0; b < U::kWeightBeats; ++b) rmsmp::StoreShadow<U>(beats[b], b, shadow);
    rmsmp::Activate<U>(shadow, shift1, shift2, used1, used2, sign, carry, fixed);
    const bool window = U::kWindowTaps > 1 && random.In(0, 1) == 1;
    for (int b = 0; b < (window ? int(U::kWindowTaps) : 1); ++b) {
      for (int p = 0; p < tp; ++p) {
        for (int n = 0; n < tn; ++n) {
          buses[b][p][n] = static_cast<typename U::Signed4>(random.In(-8, 7));
        }
      }
    }
    rmsmp::AllDots<U>(shift1, shift2, used1, used2, sign, carry, fixed, buses, window, dots);
    for (int row = 0; row < rows; ++row) {
      // Shift-add lanes in turn, then pairs in turn: two fixed-4 lanes or one fixed-8 lane.
      const int number = row < lut ? row
                         : row < lut + fixed4 ? (row - lut) / 2
                                              : row - lut - fixed4 + fixed4 / 2;
      const int bus = window ? number % U::kWindowTaps : 0;
      for (int p = 0; p < tp; ++p) {
        int expected = 0;
        for (int n = 0; n < tn; ++n) {
          int weight;
          if (row < lut) {
            const int code = nibbles[row * tn + n], m = code & 7;
            const int first = (Config::kTerm1Used >> m) & 1
                                  ? 1 << ((unsigned(Config::kTerm1Shifts) >> (4 * m)) & 15) : 0;
            const int second = (Config::kTerm2Used >> m) & 1
                                   ? 1 << ((unsigned(Config::kTerm2Shifts) >> (4 * m)) & 15) : 0;
            weight = code & 8 ? -(first + second) : first + second;
          } else if (row < lut + fixed4) {
            weight = (nibbles[row * tn + n] ^ 8) - 8;
          } else {
            const int low_row = lut + fixed4 + 2 * (row - lut - fixed4);
            weight = (nibbles[low_row * tn + n] ^ 8) - 8 +
                     16 * ((nibbles[(low_row + 1) * tn + n] ^ 8) - 8);
          }
          expected += weight * static_cast<int>(buses[bus][p][n]);
        }
        CHECK_EQUAL(dots[row * tp + p], expected);
      }
    }
  }
}

int main() {
  TestArray<RmsmpConfig>();
  TestArray<arrays::PotE1>();
  TestArray<arrays::ApotE2>();
  TestArray<arrays::LutOnly>();
  TestArray<arrays::DspOnly>();
  return check::Finish();
}
