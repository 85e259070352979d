/// The activation memory: NB x TN narrow memories of nibbles, one read and one write a cycle.
///
/// Channel c of pixel (y, x), plane k: bank x mod NB, position c mod TN, address
/// base + y * line_stride + (x div NB) * pixel_stride + (c div TN) * planes + k.
#pragma once

#include "pragmas.hpp"
#include "program.hpp"
#include "units.hpp"

namespace rmsmp {

/// Bank of a column inside the tensor.
template <typename U>
typename U::Bank BankOf(typename U::Coord x) {
#pragma HLS INLINE
  return U::Storage::template LowBits<U::kBankBits>(x);
}

/// y * line_stride + base; `y` inside the tensor.
template <typename U>
typename U::Address LineAddress(const Tensor<U>& tensor, typename U::Coord y) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  typedef typename U::Address Address;
  return static_cast<Address>(
      tensor.base + static_cast<Address>(T::template Multiply<14, U::kAddressBits>(
                        static_cast<typename U::Dim>(y), tensor.line_stride)));
}

/// (x div NB) * pixel_stride; `x` inside the tensor.
template <typename U>
typename U::Address ColumnAddress(const Tensor<U>& tensor, typename U::Coord x) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  return static_cast<typename U::Address>(T::template Multiply<14, U::kAddressBits>(
      static_cast<typename U::Dim>(x >> U::kBankBits), tensor.pixel_stride));
}

/// Read all positions of every bank in `used` at the bank's address; other banks give
/// whatever address 0 holds.
template <typename U>
RMSMP_INLINE void ReadBanks(const typename U::Memory& memory, const bool (&used)[U::kBanks],
               const typename U::Address (&address)[U::kBanks],
               typename U::Nibble (&word)[U::kBanks][U::kChannels]) {
#pragma HLS INLINE
ReadBank:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    const int at = used[b] ? static_cast<int>(address[b]) : 0;
    RMSMP_SIM(if (used[b]) sim::CheckRead(b, at, U::kBanks, U::kDepth));
  ReadPosition:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      word[b][n] = kSynthesis || used[b] ? memory[b][at][n] : static_cast<typename U::Nibble>(0);
    }
  }
}

/// Write to one bank: every position in `enable` at its own address, that of the bank plus that
/// of the position.
template <typename U>
void WriteBank(typename U::Memory& memory, int bank, typename U::Address address,
               const bool (&enable)[U::kChannels],
               const typename U::Address (&offset)[U::kChannels],
               const typename U::Nibble (&nibble)[U::kChannels]) {
#pragma HLS INLINE
WritePosition:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    if (enable[n]) {
      const int at = static_cast<int>(address + offset[n]);
      RMSMP_SIM(sim::CheckWrite(bank, at, U::kBanks, U::kDepth));
      memory[bank][at][n] = nibble[n];
    }
  }
}

/// Write to every bank in `used`; positions and their offsets are the same in all of them.
template <typename U>
void WriteBanks(typename U::Memory& memory, const bool (&used)[U::kBanks],
                const typename U::Address (&address)[U::kBanks], const bool (&enable)[U::kChannels],
                const typename U::Address (&offset)[U::kChannels],
                const typename U::Nibble (&nibble)[U::kBanks][U::kChannels]) {
#pragma HLS INLINE
WriteUsed:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    if (used[b]) WriteBank<U>(memory, b, address[b], enable, offset, nibble[b]);
  }
}

/// Take `kCount` neighbouring positions of one bank, from `first` on, a multiple of kCount.
///
/// Each nibble is one of NB * TN / kCount: a tool that sees an index of which it does not know
/// that it is such a multiple selects among all NB * TN.
template <typename U, int kCount>
void TakeChunk(const typename U::Nibble (&banks)[U::kBanks][U::kChannels], typename U::Bank bank,
               typename U::Position first, typename U::Nibble (&chunk)[kCount]) {
#pragma HLS INLINE
  static_assert(U::kChannels % kCount == 0, "a word has whole chunks");
TakeNibble:
  for (int i = 0; i < kCount; ++i) {
#pragma HLS UNROLL
    typename U::Nibble taken = 0;
  TakeFrom:
    for (int k = 0; k < U::kChannels / kCount; ++k) {
#pragma HLS UNROLL
      taken = first == static_cast<typename U::Position>(k * kCount)
                  ? banks[static_cast<int>(bank)][k * kCount + i]
                  : taken;
    }
    chunk[i] = taken;
  }
}

/// Write `count` neighbouring positions from `first` on, a multiple of the count, at one bank and
/// address.
template <typename U, int kCount>
void WriteChunk(typename U::Memory& memory, bool active, typename U::Bank bank,
                typename U::Address address, typename U::Position first,
                const typename U::Nibble (&nibbles)[kCount]) {
#pragma HLS INLINE
  bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
  typename U::Address bank_address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = bank_address complete
  bool enable[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = enable complete
  typename U::Address offset[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = offset complete
  typename U::Nibble nibble[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = nibble complete dim = 0
ChunkBank:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    used[b] = active && bank == static_cast<typename U::Bank>(b);
    bank_address[b] = address;
  ChunkPosition:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      nibble[b][n] = nibbles[n % kCount];
    }
  }
ChunkEnable:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    enable[n] = first == static_cast<typename U::Position>(n - n % kCount);
    offset[n] = 0;
  }
  WriteBanks<U>(memory, used, bank_address, enable, offset, nibble);
}

}  // namespace rmsmp
