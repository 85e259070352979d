/// Partial sums of one pixel group: TM x TP accumulators, one wide word of a memory.
#pragma once

#include "dot.hpp"

namespace rmsmp {

/// Types of the partial sums.
template <typename U>
struct PartialSums {
  static constexpr int kLanes = U::kRows * U::kPixels;         // of one group
  static constexpr int kDrained = U::kDrainRows * U::kPixels;  // of them leave per cycle
  typedef typename U::Acc Word[kLanes];                        // [row * TP + pixel]
  typedef typename U::Acc Front[kDrained];
  typedef Word Half[U::kGroups];
};

template <typename U>
void ReadGroup(const typename PartialSums<U>::Half& half, int group,
               typename PartialSums<U>::Word& word) {
#pragma HLS INLINE
ReadLane:
  for (int m = 0; m < PartialSums<U>::kLanes; ++m) {
#pragma HLS UNROLL
    word[m] = half[group][m];
  }
}

template <typename U>
void WriteGroup(typename PartialSums<U>::Half& half, int group,
                const typename PartialSums<U>::Word& word) {
#pragma HLS INLINE
WriteLane:
  for (int m = 0; m < PartialSums<U>::kLanes; ++m) {
#pragma HLS UNROLL
    half[group][m] = word[m];
  }
}

/// Lane by lane, one of two words: arrays cannot be chosen by reference in hardware.
template <typename U>
void SelectWord(bool second, const typename PartialSums<U>::Word& word0,
                const typename PartialSums<U>::Word& word1,
                typename PartialSums<U>::Word& chosen) {
#pragma HLS INLINE
SelectLane:
  for (int m = 0; m < PartialSums<U>::kLanes; ++m) {
#pragma HLS UNROLL
    chosen[m] = second ? word1[m] : word0[m];
  }
}

/// sums = (first ? 0 : before) + dots * 16^plane; acc_bits never overflow, by construction.
template <typename U>
void Accumulate(const typename PartialSums<U>::Word& before, const typename Registers<U>::Dots& dots,
                bool first, bool high_plane, typename PartialSums<U>::Word& sums) {
#pragma HLS INLINE
  typedef typename U::Acc Acc;
AccumulateLane:
  for (int m = 0; m < PartialSums<U>::kLanes; ++m) {
#pragma HLS UNROLL
    const Acc dot = static_cast<Acc>(dots[m]);
    sums[m] = static_cast<Acc>((first ? static_cast<Acc>(0) : before[m]) +
                               (high_plane ? static_cast<Acc>(dot << 4) : dot));
  }
}

/// The drain's holding register: rows still to leave, the next ones in front.
///
/// \param refill  take a new group's word instead of what is held
/// \param moves   the front rows are done: the others move up
/// \param front   out: the TQ rows that leave in this cycle
template <typename U>
void HoldRows(const typename PartialSums<U>::Word& word, bool refill, bool moves,
              typename PartialSums<U>::Word& hold, typename PartialSums<U>::Front& front) {
#pragma HLS INLINE
  typedef PartialSums<U> S;
  typename S::Word current;
#pragma HLS ARRAY_PARTITION variable = current complete
Refill:
  for (int m = 0; m < S::kLanes; ++m) {
#pragma HLS UNROLL
    current[m] = refill ? word[m] : hold[m];
  }
Front:
  for (int m = 0; m < S::kDrained; ++m) {
#pragma HLS UNROLL
    front[m] = current[m];
  }
MoveUp:
  for (int m = 0; m < S::kLanes; ++m) {
#pragma HLS UNROLL
    const int from = m + S::kDrained < S::kLanes ? m + S::kDrained : m;
    hold[m] = moves ? current[from] : current[m];
  }
}

}  // namespace rmsmp
