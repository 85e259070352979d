/// The drain: finished accumulators of TQ rows x TP pixels leave per cycle, requantized, to
/// the activation memory or as logits to the output.
#pragma once

#include "activation_memory.hpp"
#include "argmax.hpp"
#include "requantize.hpp"

namespace rmsmp {

/// Where the rows of one drain cycle go.
template <typename U>
struct DrainPlace {
  typename U::Coord y;       // output line
  typename U::Coord x;       // output column of pixel 0
  typename U::Dim repeat;    // plane to write, or for logits the row to send
  bool active;
};

/// \param accs  [row * TP + pixel] of the TQ rows
/// \param rows  their parameters
///
/// Rows that leave together lie in distinct positions: every position is written by at most
/// one of them. The packer arranges it, C simulation checks it.
template <typename U>
void DrainCycle(const MatmulOp<U>& op, const DrainPlace<U>& place,
                const typename U::Acc (&accs)[U::kDrainRows * U::kPixels],
                const RowParams<U> (&rows)[U::kDrainRows], typename U::Memory& memory,
                typename U::Stream32& output, Argmax<U>& argmax) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  typedef typename U::Nibble Nibble;

  // Requantization, TQ x TP DSPs, and the nibble to write.
  typename U::Bound result[U::kDrainRows][U::kPixels];
#pragma HLS ARRAY_PARTITION variable = result complete dim = 0
  Nibble row_nibble[U::kDrainRows][U::kPixels];
#pragma HLS ARRAY_PARTITION variable = row_nibble complete dim = 0
  const bool high_plane = place.repeat != 0;
Requantization:
  for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
  RequantizePixel:
    for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
      const typename U::Bound y = Requantize<U>(Corrected<U>(accs[q * U::kPixels + p], rows[q]),
                                                rows[q], op.shift, op.low, op.high);
      result[q][p] = y;
      row_nibble[q][p] =
          T::template LowBits<4>(static_cast<typename U::Bound>(high_plane ? y >> 4 : y));
    }
  }

  // Columns: each pixel is in another bank.
  bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
  Address bank_address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = bank_address complete
  Nibble bank_nibble[U::kBanks][U::kDrainRows];
#pragma HLS ARRAY_PARTITION variable = bank_nibble complete dim = 0
  const Address line = static_cast<Address>(LineAddress<U>(op.destination, place.y) +
                                            (high_plane ? 1 : 0));
Bank:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    used[b] = false;
    bank_address[b] = 0;
  BankRow:
    for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
      bank_nibble[b][q] = 0;
    }
  BankPixel:
    for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
      const Coord x = static_cast<Coord>(place.x + p);
      const bool hit = place.active && !op.logits && op.group_pixels > p &&
                       x < op.destination.width && BankOf<U>(x) == static_cast<typename U::Bank>(b);
      used[b] = used[b] || hit;
      bank_address[b] =
          hit ? static_cast<Address>(line + ColumnAddress<U>(op.destination, x)) : bank_address[b];
    BankPixelRow:
      for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
        bank_nibble[b][q] = hit ? row_nibble[q][p] : bank_nibble[b][q];
      }
    }
  }

  // Rows: each is in another position, with the address offset of its own channel block.
  bool enable[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = enable complete
  Address offset[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = offset complete
  Nibble nibble[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = nibble complete dim = 0
  if (kSynthesis || !op.logits) {
  Position:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      enable[n] = false;
      offset[n] = 0;
    PositionBank:
      for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
        nibble[b][n] = 0;
      }
    }
  PositionRow:
    for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
      RMSMP_SIM(sim::Require(!(rows[q].valid && enable[static_cast<int>(rows[q].position)]),
                             "two rows that leave together have one position", "position",
                             static_cast<long long>(rows[q].position)));
      const Address block = static_cast<Address>(rows[q].block);
      const Address row_offset =
          op.destination.planes == 2 ? static_cast<Address>(block + block) : block;
    PositionSelect:
      for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
        const bool hit =
            rows[q].valid && rows[q].position == static_cast<typename U::Position>(n);
        enable[n] = enable[n] || hit;
        offset[n] = hit ? row_offset : offset[n];
      PositionSelectBank:
        for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
          nibble[b][n] = hit ? bank_nibble[b][q] : nibble[b][n];
        }
      }
    }
    WriteBanks<U>(memory, used, bank_address, enable, offset, nibble);
  }

  // Logits: one row per cycle, of pixel 0.
  if (place.active && op.logits) {
    typename U::Acc acc = 0;
    typename U::Bound y = 0;
    RowParams<U> row = rows[0];
  Logit:
    for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
      const bool hit = place.repeat == q;
      acc = hit ? Corrected<U>(accs[q * U::kPixels], rows[q]) : acc;
      y = hit ? result[q][0] : y;
      row.valid = hit ? rows[q].valid : row.valid;
      row.position = hit ? rows[q].position : row.position;
      row.block = hit ? rows[q].block : row.block;
    }
    typedef typename Argmax<U>::Channel Channel;
    const Channel channel = static_cast<Channel>(
        static_cast<Channel>(static_cast<Channel>(row.block) << U::kChannelBits) | row.position);
    argmax.Offer(row.valid, y, channel);
    output.write(static_cast<typename U::Word32>(static_cast<typename U::Bound>(acc)));
  }
}

}  // namespace rmsmp
