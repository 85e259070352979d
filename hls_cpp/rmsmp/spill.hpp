/// SAVE and RESTORE: lines of tensors between the activation memory and DRAM
/// (docs/hardware.md, "Tensors in DRAM").
///
/// One process owns both directions, and they share one pointer on one bundle: the tools keep
/// loads and stores of one pointer in program order, and a function that is not inlined ends
/// only with the response to its last write burst. So a RESTORE that the program places behind
/// a SAVE reads what that has written. Each loop goes one way only and touches consecutive
/// words, every cycle, of a number known before: the access is a burst.
#pragma once

#include "activation_memory.hpp"

namespace rmsmp {
namespace detail {

/// All nibbles of one address, in the order of its spill words: nibble bank * TN + position.
template <typename U>
struct SpillUnits {
  static constexpr int kNibbles = U::kBanks * U::kChannels;
  static constexpr int kPerWord = U::kNibblesPerWord;
  static constexpr int kWords = (kNibbles + kPerWord - 1) / kPerWord;  // SWA
  typedef typename U::Nibble Row[kWords * kPerWord];
};

/// Walk over the spill words of the runs: run, address, word of the address innermost.
template <typename U>
struct SpillWalk {
  typename U::Address start, in_run, address;
  int part;

  void Reset(const SpillOp<U>& op) {
#pragma HLS INLINE
    start = op.base;
    in_run = 0;
    address = op.base;
    part = 0;
  }

  bool AddressEnds() const {
#pragma HLS INLINE
    return part + 1 == SpillUnits<U>::kWords;
  }

  void Next(const SpillOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Address Address;
    const bool address_ends = AddressEnds();
    const bool run_ends = address_ends && in_run + 1 == op.run;
    const Address next_start = static_cast<Address>(start + op.stride);
    part = address_ends ? 0 : part + 1;
    in_run = run_ends       ? static_cast<Address>(0)
             : address_ends ? static_cast<Address>(in_run + 1)
                            : in_run;
    address = run_ends       ? next_start
              : address_ends ? static_cast<Address>(address + 1)
                             : address;
    start = run_ends ? next_start : start;
  }
};

template <typename U>
typename U::Count SpillLength(const SpillOp<U>& op) {
#pragma HLS INLINE
  typedef typename U::Count Count;
  const Count length =
      static_cast<Count>(op.runs) * static_cast<Count>(op.run) * SpillUnits<U>::kWords;
  RMSMP_SIM(sim::CheckSpill(op.first, length));
  return length;
}

}  // namespace detail

/// Memory to DRAM.
template <typename U>
void SaveTensor(const SpillOp<U>& op, const typename U::Memory& memory,
                typename U::WeightWord* spill) {
#pragma HLS INLINE off
  typedef detail::SpillUnits<U> S;
  typedef typename U::Count Count;
  typename S::Row row;
#pragma HLS ARRAY_PARTITION variable = row complete
ClearRow:
  for (int q = 0; q < S::kWords * S::kPerWord; ++q) {
#pragma HLS UNROLL
    row[q] = 0;
  }
  detail::SpillWalk<U> walk;
  walk.Reset(op);
  const Count length = detail::SpillLength<U>(op);
SaveWord:
  for (Count t = 0; t < length; ++t) {
// One read per cycle of the memory, one consecutive write to DRAM.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
    bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
    typename U::Address address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = address complete
    typename U::Nibble banks[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = banks complete dim = 0
  SaveBank:
    for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
      used[b] = walk.part == 0;
      address[b] = walk.address;
    }
    ReadBanks<U>(memory, used, address, banks);
    // The word at the front leaves, the others move up: no selection among words.
    typename S::Row current;
#pragma HLS ARRAY_PARTITION variable = current complete
  SaveNibble:
    for (int q = 0; q < S::kWords * S::kPerWord; ++q) {
#pragma HLS UNROLL
      const int stored = q < S::kNibbles ? q : 0;
      current[q] = walk.part == 0 && q < S::kNibbles
                       ? banks[stored / U::kChannels][stored % U::kChannels]
                       : row[q];
    }
    typename U::WeightWord word = typename U::WeightWord();
  SaveFront:
    for (int i = 0; i < S::kPerWord; ++i) {
#pragma HLS UNROLL
      U::Storage::template SetBits<4>(word, 4 * i, current[i]);
    }
  SaveMove:
    for (int q = 0; q < S::kWords * S::kPerWord; ++q) {
#pragma HLS UNROLL
      row[q] = q + S::kPerWord < S::kWords * S::kPerWord ? current[q + S::kPerWord]
                                                        : static_cast<typename U::Nibble>(0);
    }
    spill[op.first + t] = word;
    walk.Next(op);
    RMSMP_SIM(sim::CountIterations(1));
  }
}

/// DRAM to memory.
template <typename U>
void RestoreTensor(const SpillOp<U>& op, const typename U::WeightWord* spill,
                   typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef detail::SpillUnits<U> S;
  typedef typename U::Count Count;
  bool enable[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = enable complete
  typename U::Address offset[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = offset complete
AllPositions:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    enable[n] = true;
    offset[n] = 0;
  }
  typename S::Row row;
#pragma HLS ARRAY_PARTITION variable = row complete
ClearRow:
  for (int q = 0; q < S::kWords * S::kPerWord; ++q) {
#pragma HLS UNROLL
    row[q] = 0;
  }
  detail::SpillWalk<U> walk;
  walk.Reset(op);
  const Count length = detail::SpillLength<U>(op);
RestoreWord:
  for (Count t = 0; t < length; ++t) {
// One consecutive read from DRAM per cycle, one write per cycle to the memory.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    const typename U::WeightWord word = spill[op.first + t];
    // Words enter at the back and move to their place while the later ones come.
  RestoreNibble:
    for (int q = 0; q < S::kWords * S::kPerWord; ++q) {
#pragma HLS UNROLL
      const int from = q + S::kPerWord;
      row[q] = from < S::kWords * S::kPerWord
                   ? row[from]
                   : U::Storage::template GetBits<4>(word, 4 * (q % S::kPerWord));
    }
    if (walk.AddressEnds()) {
    RestoreBank:
      for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
        typename U::Nibble nibble[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = nibble complete
      RestorePosition:
        for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
          nibble[n] = row[b * U::kChannels + n];
        }
        WriteBank<U>(memory, b, walk.address, enable, offset, nibble);
      }
    }
    walk.Next(op);
    RMSMP_SIM(sim::CountIterations(1));
  }
}

}  // namespace rmsmp
