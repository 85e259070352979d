/// Beats of the input port: four 32-bit words; every line of the input begins a new one.
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// The words of the next beat.
template <typename U>
void TakeBeat(typename U::InputStream& input, typename U::Word32 (&words)[kBeatWords]) {
#pragma HLS INLINE
  const typename U::InputWord beat = input.read();
TakeWord:
  for (int i = 0; i < kBeatWords; ++i) {
#pragma HLS UNROLL
    words[i] = U::Storage::template GetBits<32>(beat, 32 * i);
  }
}

/// The words behind the first one, or the first two, to the front.
template <typename U>
void MoveBeat(typename U::Word32 (&words)[kBeatWords], bool two) {
#pragma HLS INLINE
MoveWord:
  for (int i = 0; i < kBeatWords - 1; ++i) {
#pragma HLS UNROLL
    words[i] = two ? words[(i + 2) % kBeatWords] : words[i + 1];
  }
}

}  // namespace rmsmp
