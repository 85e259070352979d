/// Fixed-point row lanes: two rows x two pixels of signed 4-bit products per DSP.
///
///   A = (w1 << 2F) + w0      B = (a1 << F) + a0      P = offset * (1 + 2^F + 2^2F) + sum A * B
///
/// Products of signed nibbles lie in -56 .. 64, so over at most kDspCascade of them the
/// three lower fields stay in 0 .. 2^F - 1 and are plain bits; F = 11, 16 products, offset
/// 960 on DSP48E2, F = 10, 8 products, offset 480 on DSP48E1 (docs/hardware.md).
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// Number types and sizes of the packed lanes.
template <typename U>
struct Packed {
  typedef typename U::Shape Config;
  typedef typename U::Storage T;
  static constexpr int kField = Config::kDspFieldBits;
  static constexpr int kOffset = Config::kDspOffset;
  static constexpr int kPortA = Config::kDspPortBits;
  static constexpr int kPortB = 18;
  static constexpr int kCascade =
      U::kChannels < Config::kDspCascade ? U::kChannels : int(Config::kDspCascade);
  static constexpr int kCascades = U::kChannels / kCascade;

  typedef typename T::template Int<kPortA> A;
  typedef typename T::template Int<kPortB> B;
  typedef typename T::template Int<48> P;
  typedef typename T::template Int<8 + BitsFor<Config::kChannels>::kBits> Sum;

  // The extremes of a field: 64 per product above the offset, 56 below it.
  static_assert(kCascade * 64 + kOffset < (1 << kField),
                "a packed field overflows: kDspCascade or kDspOffset is too large");
  static_assert(kOffset >= kCascade * 56, "a packed field goes negative: kDspOffset too small");
  static_assert(2 * kField + 5 <= kPortA, "packed weights do not fit port A: kDspPortBits");
  static_assert(kField + 5 <= kPortB, "packed activations do not fit port B: kDspFieldBits");
  static_assert(3 * kField + 12 <= 48, "the top field does not fit the accumulator");
  static_assert(kCascades * kCascade == U::kChannels, "cascades must divide the channels");
};

/// (a1 << F) + a0: the activations of two pixels, packed once for all rows.
template <typename U>
typename Packed<U>::B PackActivations(typename U::Signed4 a0, typename U::Signed4 a1) {
#pragma HLS INLINE
  typedef typename Packed<U>::B B;
  return static_cast<B>(static_cast<B>(static_cast<B>(a1) << Packed<U>::kField) + a0);
}

/// One cascade of DSPs: kCascade products of packed weights and packed activations.
///
/// Its own module, so that the chain of multiply-adds stays one (expression balancing would
/// turn it into a tree of separate adders) and nothing else is merged into it. No operator
/// is bound: binding one prevents the fusion with the pre-adder and the accumulator.
template <typename U>
typename Packed<U>::P PackedCascade(const typename U::Signed4 (&w0)[Packed<U>::kCascade],
                                    const typename U::Signed4 (&w1)[Packed<U>::kCascade],
                                    const typename Packed<U>::B (&packed)[Packed<U>::kCascade]) {
#pragma HLS INLINE off
#pragma HLS PIPELINE II = 1
#pragma HLS EXPRESSION_BALANCE off
#pragma HLS ARRAY_PARTITION variable = w0 complete
#pragma HLS ARRAY_PARTITION variable = w1 complete
#pragma HLS ARRAY_PARTITION variable = packed complete
  typedef Packed<U> L;
  typedef typename L::A A;
  typedef typename L::P P;
  P sum = static_cast<P>(static_cast<P>(L::kOffset) + (static_cast<P>(L::kOffset) << L::kField) +
                         (static_cast<P>(L::kOffset) << (2 * L::kField)));
Cascade:
  for (int k = 0; k < L::kCascade; ++k) {
#pragma HLS UNROLL
    const A weights =
        static_cast<A>(static_cast<A>(static_cast<A>(w1[k]) << (2 * L::kField)) + w0[k]);
    sum = static_cast<P>(
        sum + U::Storage::template Multiply<L::kPortA, L::kPortB>(weights, packed[k]));
  }
  return sum;
}

/// The four dot products of a pair of rows (w0, w1) and a pair of pixels.
///
/// \param dot  out: [row of the pair][pixel of the pair], the sums added to zero
template <typename U>
void PackedDot(const typename U::Signed4 (&w0)[U::kChannels],
               const typename U::Signed4 (&w1)[U::kChannels],
               const typename Packed<U>::B (&packed)[U::kChannels],
               typename Packed<U>::Sum (&dot)[2][2]) {
#pragma HLS INLINE
  typedef Packed<U> L;
  typedef typename L::P P;
  typedef typename L::Sum Sum;
  typedef typename U::Storage T;
  const int field = L::kField;
  Sum sum00 = 0, sum01 = 0, sum10 = 0, sum11 = 0;
Part:
  for (int part = 0; part < L::kCascades; ++part) {
#pragma HLS UNROLL
    typename U::Signed4 part0[L::kCascade];
#pragma HLS ARRAY_PARTITION variable = part0 complete
    typename U::Signed4 part1[L::kCascade];
#pragma HLS ARRAY_PARTITION variable = part1 complete
    typename L::B part_b[L::kCascade];
#pragma HLS ARRAY_PARTITION variable = part_b complete
  Slice:
    for (int k = 0; k < L::kCascade; ++k) {
#pragma HLS UNROLL
      part0[k] = w0[part * L::kCascade + k];
      part1[k] = w1[part * L::kCascade + k];
      part_b[k] = packed[part * L::kCascade + k];
    }
    const P p = PackedCascade<U>(part0, part1, part_b);
    sum00 = static_cast<Sum>(sum00 + static_cast<int>(T::template LowBits<L::kField>(p)));
    sum01 = static_cast<Sum>(
        sum01 + static_cast<int>(T::template LowBits<L::kField>(static_cast<P>(p >> field))));
    sum10 = static_cast<Sum>(
        sum10 + static_cast<int>(T::template LowBits<L::kField>(static_cast<P>(p >> (2 * field)))));
    sum11 = static_cast<Sum>(sum11 + static_cast<P>(p >> (3 * field)));
  }
  // The offsets of all cascades leave together: a constant.
  dot[0][0] = static_cast<Sum>(sum00 - L::kCascades * L::kOffset);
  dot[0][1] = static_cast<Sum>(sum01 - L::kCascades * L::kOffset);
  dot[1][0] = static_cast<Sum>(sum10 - L::kCascades * L::kOffset);
  dot[1][1] = static_cast<Sum>(sum11);
}

}  // namespace rmsmp
