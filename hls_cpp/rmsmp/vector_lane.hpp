/// One lane of the vector unit: nibbles to codes, codes to a result.
#pragma once

#include "program.hpp"
#include "requantize.hpp"
#include "vector_table.hpp"

namespace rmsmp {

/// What all lanes know about the tap that is being read.
template <typename U>
struct TapControl {
  bool first;       // of its output pixel
  bool is_b;        // it reads the second operand
  bool inside;      // no padding
  bool high_plane;  // now the high nibble is read, if there is one
  bool whole;       // after this plane the code is whole
  bool two_planes, is_signed;  // of the operand
};

/// A lane's registers.
template <typename U>
struct LaneState {
  typedef typename U::Storage::template Int<49> Sum;
  typename U::Nibble low;   // of the code that is being read
  typename U::Code code_a;  // of the first tap
  Sum acc;

  void Clear() {
#pragma HLS INLINE
    low = 0;
    code_a = 0;
    acc = 0;
  }
};

/// Take a nibble; return what the result is if this tap is the last one and whole.
///
/// Only the addition (or comparison) is in the loop that acc closes: a product of two codes
/// starts from code_a, which is written one tap before and never from a product. Multipliers per
/// lane: 9 x 9 bits for two codes, whose product has 18, and 18 x 18 bits behind it: one DSP, or
/// shifts and adds.
template <typename U>
typename U::Bound VectorLane(const VectorOp<U>& op, const TapControl<U>& tap,
                             typename U::Nibble now, const typename Tables<U>::Lane& table,
                             LaneState<U>& lane) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  typedef typename U::Code Code;
  typedef typename U::Bound Bound;
  typedef typename T::template Int<18> Operand;
  typedef typename LaneState<U>::Sum Sum;

  // The top nibble is signed where the tensor is; an absent one extends the low nibble.
  const typename U::Nibble low = tap.high_plane ? lane.low : now;
  const Code top = tap.is_signed ? static_cast<Code>(T::template AsSigned<4>(now))
                                 : static_cast<Code>(now);
  const Code only = tap.is_signed ? static_cast<Code>(T::template AsSigned<4>(low))
                                  : static_cast<Code>(low);
  const Code code = !tap.inside      ? static_cast<Code>(0)
                    : tap.two_planes ? static_cast<Code>(static_cast<Code>(top << 4) + low)
                                     : only;

  const Operand codes = T::template Multiply<9, 9>(lane.code_a, code);
  const Sum product = static_cast<Sum>(Multiplier<T, 18, U::kMultiplierTerms>::Times(
      tap.is_b && op.multiply ? codes : static_cast<Operand>(code),
      tap.is_b && !op.multiply ? op.multiplier_b : op.multiplier_a));
  // -256 is smaller than any code, so that padding never wins a maximum.
  const Sum before = tap.first || op.multiply ? static_cast<Sum>(op.maximum ? -256 : 0) : lane.acc;
  const Sum larger =
      tap.inside && static_cast<Sum>(code) > before ? static_cast<Sum>(code) : before;
  const Sum after = op.maximum ? larger : static_cast<Sum>(before + product);
  lane.low = low;
  lane.code_a = tap.whole && tap.first ? code : lane.code_a;
  lane.acc = tap.whole ? after : lane.acc;

  const Bound scaled =
      ShiftAndClamp<U, Sum>(static_cast<Sum>(after + op.bias), op.shift, op.low, op.high);
  const Bound entry = kSynthesis || op.table ? static_cast<Bound>(LookUp<U>(table, code))
                                             : static_cast<Bound>(0);
  return op.table ? entry : op.maximum ? static_cast<Bound>(after) : scaled;
}

}  // namespace rmsmp
