/// All row lanes for one cycle: the weight registers and TM x TP dot products over TN channels.
#pragma once

#include "fixed_lane.hpp"
#include "shift_add.hpp"

namespace rmsmp {

/// Types of the registers of the active weight tile. The arrays themselves are locals of
/// the matrix multiplication, which partitions them completely into flip-flops.
template <typename U>
struct Registers {
  typedef ShiftAdd<U> L;
  typedef typename U::Nibble Shadow[U::kNibbleRows][U::kChannels];
  typedef typename L::Shift1 Shift1[U::kShiftAddSize][U::kChannels];
  typedef typename L::Shift2 Shift2[U::kShiftAddSize][U::kChannels];
  typedef typename L::Mask Mask[U::kShiftAddSize][U::kChannels];
  typedef typename L::Carry Carry[U::kShiftAddSize];
  typedef typename U::Signed4 Fixed[2 * U::kPairSize][U::kChannels];
  typedef typename U::Signed4 Buses[U::kWindowTaps][U::kPixels][U::kChannels];

  /// One dot product: 13 bits of product at most (16 * high + low), summed over TN.
  typedef typename U::Storage::template Int<14 + BitsFor<U::kChannels>::kBits> Dot;
  typedef Dot Dots[U::kRows * U::kPixels];  // [row * TP + pixel]
};

/// Weight beat `number` of the coming tile goes to its shadow registers.
template <typename U>
void StoreShadow(typename U::WeightBeat beat, typename U::Count number,
                 typename Registers<U>::Shadow& shadow) {
#pragma HLS INLINE
ShadowBeat:
  for (int b = 0; b < U::kWeightBeats; ++b) {
#pragma HLS UNROLL
    if (number == b) {
    ShadowNibble:
      for (int i = 0; i < U::kNibblesPerBeat; ++i) {
#pragma HLS UNROLL
        const int nibble = b * U::kNibblesPerBeat + i;
        if (nibble < U::kTileNibbles) {
          shadow[nibble / U::kChannels][nibble % U::kChannels] =
              U::Storage::template GetBits<4>(beat, 4 * i);
        }
      }
    }
  }
}

/// The shadow registers become the active weight tile: codes are decoded here, once per tile.
template <typename U>
void Activate(const typename Registers<U>::Shadow& shadow,
              typename Registers<U>::Shift1& shift1, typename Registers<U>::Shift2& shift2,
              typename Registers<U>::Mask& used1, typename Registers<U>::Mask& used2,
              typename Registers<U>::Mask& sign, typename Registers<U>::Carry& carry,
              typename Registers<U>::Fixed& fixed) {
#pragma HLS INLINE
ShiftAddRow:
  for (int r = 0; r < U::kShiftAddLanes; ++r) {
#pragma HLS UNROLL
    DecodeShiftAdd<U>(shadow[r], shift1[r], shift2[r], used1[r], used2[r], sign[r], carry[r]);
  }
FixedRow:
  for (int r = 0; r < 2 * U::kPairs; ++r) {
#pragma HLS UNROLL
  FixedWeight:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      fixed[r][n] = U::Storage::template AsSigned<4>(shadow[U::kShiftAddLanes + r][n]);
    }
  }
}

/// Whether any weight is not 0, for C simulation only: it skips lanes without a row, whose
/// dot products are 0 all the same.
template <typename Value, int kCount>
bool AnyNonZero(const Value (&values)[kCount]) {
Element:
  for (int n = 0; n < kCount; ++n) {
    if (values[n] != 0) return true;
  }
  return false;
}

/// Bus of shift-add lane or pair `number`. In C simulation a dense layer fills only bus 0.
template <typename U>
int BusOf(int number, bool window) {
#pragma HLS INLINE
  return kSynthesis || window ? number % U::kWindowTaps : 0;
}

/// dots[row * TP + pixel] for all row lanes: pairs of nibble rows share a DSP cascade per
/// pair of pixels; a fixed-8 lane is 16 * high + low of its pair.
template <typename U>
void AllDots(const typename Registers<U>::Shift1& shift1,
             const typename Registers<U>::Shift2& shift2,
             const typename Registers<U>::Mask& used1, const typename Registers<U>::Mask& used2,
             const typename Registers<U>::Mask& sign, const typename Registers<U>::Carry& carry,
             const typename Registers<U>::Fixed& fixed, const typename Registers<U>::Buses& buses,
             bool window, typename Registers<U>::Dots& dots) {
#pragma HLS INLINE
  typedef typename Registers<U>::Dot Dot;
  typedef typename Packed<U>::B B;
ShiftAddRow:
  for (int r = 0; r < U::kShiftAddLanes; ++r) {
#pragma HLS UNROLL
    const bool busy = kSynthesis || AnyNonZero(used1[r]) || AnyNonZero(used2[r]);
  ShiftAddPixel:
    for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
      dots[r * U::kPixels + p] =
          busy ? static_cast<Dot>(ShiftAddDot<U>(shift1[r], shift2[r], used1[r], used2[r], sign[r],
                                                 carry[r], buses[BusOf<U>(r, window)][p]))
               : static_cast<Dot>(0);
    }
  }
PixelPair:
  for (int q = 0; q < U::kPixelPairs; ++q) {
#pragma HLS UNROLL
    B packed[U::kWindowTaps][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = packed complete dim = 0
  PackBus:
    for (int b = 0; b < U::kWindowTaps; ++b) {
#pragma HLS UNROLL
      if (kSynthesis || window || b == 0) {
      Pack:
        for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
          packed[b][n] = PackActivations<U>(buses[b][2 * q][n], buses[b][2 * q + 1][n]);
        }
      }
    }
  RowPair:
    for (int pair = 0; pair < U::kPairs; ++pair) {
#pragma HLS UNROLL
      typename Packed<U>::Sum dot[2][2];
#pragma HLS ARRAY_PARTITION variable = dot complete dim = 0
      if (kSynthesis || AnyNonZero(fixed[2 * pair]) || AnyNonZero(fixed[2 * pair + 1])) {
        PackedDot<U>(fixed[2 * pair], fixed[2 * pair + 1], packed[BusOf<U>(pair, window)],
                     dot);
      } else {
        dot[0][0] = dot[0][1] = dot[1][0] = dot[1][1] = 0;
      }
    PairPixel:
      for (int p = 0; p < 2; ++p) {
#pragma HLS UNROLL
        const int pixel = 2 * q + p;
        if (pair < U::kFixed4Lanes / 2) {
          const int row = U::kShiftAddLanes + 2 * pair;
          dots[row * U::kPixels + pixel] = static_cast<Dot>(dot[0][p]);
          dots[(row + 1) * U::kPixels + pixel] = static_cast<Dot>(dot[1][p]);
        } else {
          const int row = U::kShiftAddLanes + U::kFixed4Lanes / 2 + pair;
          dots[row * U::kPixels + pixel] =
              static_cast<Dot>(static_cast<Dot>(static_cast<Dot>(dot[1][p]) << 4) + dot[0][p]);
        }
      }
    }
  }
}

}  // namespace rmsmp
