/// Storage policy on ap_int: exact widths, for synthesis and for the exact C simulation.
///
/// Included by types.hpp only, after ap_int.h. Same members as NativeTypes, which
/// documents them.
#pragma once

#include "pragmas.hpp"

namespace rmsmp {

struct ApTypes {
  template <int kWidth>
  using Int = ap_int<kWidth>;
  template <int kWidth>
  using Uint = ap_uint<kWidth>;
  template <int kBits>
  using Word = ap_uint<kBits>;

  template <int kWidth, typename Value>
  static ap_uint<kWidth> LowBits(Value value) {
#pragma HLS INLINE
    return ap_uint<kWidth>(value);
  }

  template <int kWidth>
  static ap_int<kWidth> AsSigned(ap_uint<kWidth> bits) {
#pragma HLS INLINE
    return ap_int<kWidth>(bits);
  }

  /// Operands keep their exact widths, so that the multiplier is as narrow as they are. The
  /// product is exact either way; ap_int's own takes a heap allocation in C simulation.
  template <int kLeft, int kRight>
  static ap_int<kLeft + kRight> Multiply(ap_int<kLeft> left, ap_int<kRight> right) {
#pragma HLS INLINE
    static_assert(kLeft + kRight <= 64, "a product has at most 64 bits");
    return kSynthesis ? ap_int<kLeft + kRight>(left * right)
                      : ap_int<kLeft + kRight>(left.to_int64() * right.to_int64());
  }

  template <int kWidth, int kBits>
  static ap_uint<kWidth> GetBits(const ap_uint<kBits>& word, int low) {
#pragma HLS INLINE
    return ap_uint<kWidth>(word.range(low + kWidth - 1, low));
  }

  template <int kWidth, int kBits>
  static void SetBits(ap_uint<kBits>& word, int low, ap_uint<kWidth> value) {
#pragma HLS INLINE
    word.range(low + kWidth - 1, low) = value;
  }
};

}  // namespace rmsmp
