/// Tables of 256 one-byte codes, for activation functions.
///
/// Every lane of the vector unit has a copy of its own, so that all of them look up a code in
/// the same cycle: LUT RAM of 16 words of 16 entries, as the parameter stream brings them.
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

template <typename U>
struct Tables {
  static constexpr int kWords = 16;
  typedef typename U::ParamWord Lane[kWords];  // entry 16 i + j: bits 8 j .. 8 j + 7 of word i
  typedef Lane All[U::kVectorLanes];
  typedef typename U::Storage::template Uint<8> Entry;
};

/// Take a table from the parameter stream, one word per cycle into all copies.
template <typename U>
void LoadTables(typename U::ParamStream& params, typename Tables<U>::All& tables) {
#pragma HLS INLINE
TableWord:
  for (int i = 0; i < Tables<U>::kWords; ++i) {
#pragma HLS PIPELINE II = 1
    const typename U::ParamWord word = params.read();
  TableCopy:
    for (int e = 0; e < U::kVectorLanes; ++e) {
#pragma HLS UNROLL
      tables[e][i] = word;
    }
    RMSMP_SIM(sim::CountIterations(1));
  }
}

/// The entry of a code: its low eight bits are the index.
template <typename U>
typename Tables<U>::Entry LookUp(const typename Tables<U>::Lane& table, typename U::Code code) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  typedef typename T::template Uint<4> Index;
  const Index row = T::template LowBits<4>(static_cast<typename U::Code>(code >> 4));
  const Index column = T::template LowBits<4>(code);
  const typename U::ParamWord word = table[static_cast<int>(row)];
  typename Tables<U>::Entry entry = 0;
TableColumn:
  for (int j = 0; j < 16; ++j) {
#pragma HLS UNROLL
    // Constant ranges are wires, a variable one would be a shifter of the whole word.
    entry = column == static_cast<Index>(j) ? T::template GetBits<8>(word, 8 * j) : entry;
  }
  return entry;
}

}  // namespace rmsmp
