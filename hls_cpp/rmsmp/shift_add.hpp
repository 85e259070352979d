/// Shift-add row lanes: products as sums of shifted activations, in LUTs, no multiplier.
///
/// A code is a sign and a magnitude index m; the codebook's table says which one or two
/// powers of two sum to magnitude m. Codes are decoded once per weight tile; per product
/// there is a mask and at most one short shifter per term, and one addition. The sign is
/// folded in: with s = 0 | -1 the product is (t1 ^ s) + (t2 ^ s) - 2 s, and the last terms of
/// a whole row are one small number per weight tile, `carry`.
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// Number types of the lanes; products lie in +-8 * kMaxMagnitude.
template <typename U>
struct ShiftAdd {
  typedef typename U::Shape Config;
  typedef typename U::Storage T;
  static constexpr int kProductBits = BitsFor<(unsigned(Config::kMaxMagnitude) << 3)>::kBits + 1;
  static constexpr int kSumBits = kProductBits + BitsFor<Config::kChannels>::kBits;
  static constexpr bool kTwoTerms = Config::kTerm2Used != 0;

  typedef typename T::template Int<1> Mask;  // 0 | -1, one wire in hardware
  typedef typename T::template Uint<(Config::kTerm1Bits > 0 ? int(Config::kTerm1Bits) : 1)> Shift1;
  typedef typename T::template Uint<(Config::kTerm2Bits > 0 ? int(Config::kTerm2Bits) : 1)> Shift2;
  typedef typename T::template Int<kProductBits> Product;
  typedef typename T::template Int<kSumBits> Sum;
  typedef typename T::template Int<BitsFor<Config::kChannels>::kBits + 2> Carry;  // 0 .. 2 TN

  static_assert(int(Config::kTerm1Bits) <= 3 && int(Config::kTerm2Bits) <= 3,
                "a term of the shift-add codebook has more than 8 shifts");
};

namespace detail {

/// Whether magnitude index `index` has the term: a selection among constants.
template <typename Index>
bool TermUsed(unsigned used, Index index) {
#pragma HLS INLINE
  bool found = false;
Entry:
  for (int m = 0; m < 8; ++m) {
#pragma HLS UNROLL
    found = index == static_cast<Index>(m) ? ((used >> m) & 1u) != 0 : found;
  }
  return found;
}

/// Shift of the term beyond `base`; 0 where the term is not used.
template <typename Index>
int TermShift(unsigned used, unsigned shifts, int base, Index index) {
#pragma HLS INLINE
  int found = 0;
Entry:
  for (int m = 0; m < 8; ++m) {
#pragma HLS UNROLL
    const int entry = static_cast<int>((shifts >> (m << 2)) & 15u) - base;
    found = index == static_cast<Index>(m) && ((used >> m) & 1u) != 0 ? entry : found;
  }
  return found;
}

}  // namespace detail

/// Decode the codes of one lane, once per weight tile.
///
/// \param codes  sign (bit 3) and magnitude index of the weight of each channel position
/// \param carry  out: the number of negative weights, times the number of terms
template <typename U>
void DecodeShiftAdd(const typename U::Nibble (&codes)[U::kChannels],
                    typename ShiftAdd<U>::Shift1 (&shift1)[U::kChannels],
                    typename ShiftAdd<U>::Shift2 (&shift2)[U::kChannels],
                    typename ShiftAdd<U>::Mask (&used1)[U::kChannels],
                    typename ShiftAdd<U>::Mask (&used2)[U::kChannels],
                    typename ShiftAdd<U>::Mask (&sign)[U::kChannels],
                    typename ShiftAdd<U>::Carry& carry) {
#pragma HLS INLINE
  typedef ShiftAdd<U> L;
  typedef typename L::Config Config;
  typedef typename U::Storage T;
  int negatives = 0;
Weight:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    const typename T::template Uint<3> index = T::template LowBits<3>(codes[n]);
    const bool negative = codes[n] >= 8;
    shift1[n] = static_cast<typename L::Shift1>(detail::TermShift(
        Config::kTerm1Used, Config::kTerm1Shifts, Config::kTerm1Base, index));
    shift2[n] = static_cast<typename L::Shift2>(detail::TermShift(
        Config::kTerm2Used, Config::kTerm2Shifts, Config::kTerm2Base, index));
    used1[n] = static_cast<typename L::Mask>(detail::TermUsed(Config::kTerm1Used, index) ? -1 : 0);
    used2[n] = static_cast<typename L::Mask>(detail::TermUsed(Config::kTerm2Used, index) ? -1 : 0);
    sign[n] = static_cast<typename L::Mask>(negative ? -1 : 0);
    negatives += negative ? 1 : 0;
  }
  carry = static_cast<typename L::Carry>(L::kTwoTerms ? negatives + negatives : negatives);
}

/// sum over channel positions of weight * activation, for one lane and one pixel.
///
/// A plain sum of equal widths: the tool balances it into a tree of adders.
template <typename U>
typename ShiftAdd<U>::Sum ShiftAddDot(const typename ShiftAdd<U>::Shift1 (&shift1)[U::kChannels],
                                      const typename ShiftAdd<U>::Shift2 (&shift2)[U::kChannels],
                                      const typename ShiftAdd<U>::Mask (&used1)[U::kChannels],
                                      const typename ShiftAdd<U>::Mask (&used2)[U::kChannels],
                                      const typename ShiftAdd<U>::Mask (&sign)[U::kChannels],
                                      typename ShiftAdd<U>::Carry carry,
                                      const typename U::Signed4 (&activation)[U::kChannels]) {
#pragma HLS INLINE
  typedef ShiftAdd<U> L;
  typedef typename L::Config Config;
  typedef typename L::Product Product;
  typedef typename L::Sum Sum;
  Sum sum = static_cast<Sum>(carry);
Term1:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    // Widened before the shift: a shift keeps the width of its left operand.
    const Product base = static_cast<Product>(static_cast<Product>(activation[n])
                                              << int(Config::kTerm1Base));
    const Product shifted =
        Config::kTerm1Bits > 0 ? static_cast<Product>(base << shift1[n]) : base;
    sum = static_cast<Sum>(sum + static_cast<Product>((shifted & used1[n]) ^ sign[n]));
  }
Term2:
  for (int n = 0; n < (L::kTwoTerms ? U::kChannels : 0); ++n) {
#pragma HLS UNROLL
    const Product base = static_cast<Product>(static_cast<Product>(activation[n])
                                              << int(Config::kTerm2Base));
    const Product shifted =
        Config::kTerm2Bits > 0 ? static_cast<Product>(base << shift2[n]) : base;
    sum = static_cast<Sum>(sum + static_cast<Product>((shifted & used2[n]) ^ sign[n]));
  }
  return sum;
}

}  // namespace rmsmp
