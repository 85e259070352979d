/// Accumulator to the next code: multiply, add, shift, clamp (docs/numerics.md).
#pragma once

#include "multiplier.hpp"
#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// clamp(value >> shift, low, high), arithmetic shift (floor).
template <typename U, typename Value>
typename U::Bound ShiftAndClamp(Value value, typename U::Shift shift, typename U::Bound low,
                                typename U::Bound high) {
#pragma HLS INLINE
  const Value shifted = static_cast<Value>(value >> shift);
  const Value floor = static_cast<Value>(low);
  const Value ceiling = static_cast<Value>(high);
  return static_cast<typename U::Bound>(shifted < floor     ? floor
                                        : shifted > ceiling ? ceiling
                                                            : shifted);
}

/// Row parameters of the drain, from one 128-bit word (docs/packed-design.md).
template <typename U>
struct RowParams {
  typename U::Storage::template Int<18> multiplier;
  typename U::Storage::template Int<48> bias;
  typename U::Storage::template Int<32> correction;
  typename U::Position position;
  typename U::Storage::template Uint<16> block;
  bool valid;
};

template <typename U>
RowParams<U> DecodeParams(const typename U::ParamWord& word) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  RowParams<U> row;
  row.multiplier = T::template AsSigned<18>(T::template GetBits<18>(word, 0));
  row.bias = T::template AsSigned<48>(T::template GetBits<48>(word, 18));
  row.correction = T::template AsSigned<32>(T::template GetBits<32>(word, 66));
  row.position = T::template GetBits<8>(word, 98);
  row.block = T::template GetBits<16>(word, 106);
  row.valid = T::template GetBits<1>(word, 122) != 0;
  return row;
}

/// The true accumulator: the partial sum of shifted activations plus what the shift took.
///
/// acc_bits hold it by construction, so cutting the correction to them loses nothing.
template <typename U>
typename U::Acc Corrected(typename U::Acc psum, const RowParams<U>& row) {
#pragma HLS INLINE
  return static_cast<typename U::Acc>(psum + static_cast<typename U::Acc>(row.correction));
}

/// y = clamp((acc * multiplier + bias) >> shift, low, high).
///
/// acc_bits x 18 bits: one DSP up to 27 (DSP48E2) or 25 (DSP48E1) accumulator bits, or shifts and
/// adds. The sum has a bit more than its terms, so no bias of 48 bits can overflow it.
template <typename U>
typename U::Bound Requantize(typename U::Acc acc, const RowParams<U>& row, typename U::Shift shift,
                             typename U::Bound low, typename U::Bound high) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  static constexpr int kProductBits = U::kAccBits + 18;
  static constexpr int kSumBits = (kProductBits > 48 ? kProductBits : 48) + 1;
  typedef typename T::template Int<kSumBits> Sum;
  const Sum sum = static_cast<Sum>(
      static_cast<Sum>(
          Multiplier<T, U::kAccBits, U::kMultiplierTerms>::Times(acc, row.multiplier)) +
      row.bias);
  return ShiftAndClamp<U, Sum>(sum, shift, low, high);
}

}  // namespace rmsmp
