/// LOAD and STORE: tensors between the streams and the activation memory, four codes a word.
///
/// Order y, x, chunk of four channels; each word takes `planes` cycles.
#pragma once

#include "activation_memory.hpp"
#include "beats.hpp"

namespace rmsmp {
namespace detail {

/// Walk over the words of a tensor; plane innermost.
template <typename U>
struct ChunkWalk {
  typename U::Coord y, x;
  typename U::Dim chunk;
  typename U::Position position;  // of the chunk's first channel
  typename U::Address offset;  // channel block * planes
  bool high_plane;

  void Reset() {
#pragma HLS INLINE
    y = 0;
    x = 0;
    chunk = 0;
    position = 0;
    offset = 0;
    high_plane = false;
  }

  void Next(const TransferOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    typedef typename U::Address Address;
    typedef typename U::Position Position;
    const bool word_ends = high_plane || op.tensor.planes == 1;
    const bool pixel_ends = word_ends && chunk + 1 == op.chunks;
    const bool line_ends = pixel_ends && x + 1 == op.tensor.width;
    const bool block_ends = position + 4 == U::kChannels;
    high_plane = !word_ends;
    if (word_ends) {
      chunk = pixel_ends ? static_cast<typename U::Dim>(0)
                         : static_cast<typename U::Dim>(chunk + 1);
      position = pixel_ends || block_ends ? static_cast<Position>(0)
                                          : static_cast<Position>(position + 4);
      offset = pixel_ends   ? static_cast<Address>(0)
               : block_ends ? static_cast<Address>(offset + op.tensor.planes)
                            : offset;
    }
    x = line_ends ? static_cast<Coord>(0) : pixel_ends ? static_cast<Coord>(x + 1) : x;
    y = line_ends ? static_cast<Coord>(y + 1) : y;
  }

  typename U::Address AddressIn(const Tensor<U>& tensor) const {
#pragma HLS INLINE
    return static_cast<typename U::Address>(LineAddress<U>(tensor, y) +
                                            ColumnAddress<U>(tensor, x) + offset +
                                            (high_plane ? 1 : 0));
  }
};

template <typename U>
typename U::Count TransferLength(const TransferOp<U>& op) {
#pragma HLS INLINE
  typedef typename U::Count Count;
  const Count words = static_cast<Count>(op.tensor.height) * static_cast<Count>(op.tensor.width) *
                      static_cast<Count>(op.chunks);
  return TimesPlanes<U>(words, op.tensor.planes);
}

}  // namespace detail

/// Input stream to memory; every line begins a new beat of four words.
template <typename U>
void LoadTensor(const TransferOp<U>& op, typename U::InputStream& input,
                typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef typename U::Count Count;
  detail::ChunkWalk<U> walk;
  walk.Reset();
  typename U::Storage::template Uint<2> lane = 0;  // word of the beat
  typename U::Word32 words[kBeatWords] = {0, 0, 0, 0};
#pragma HLS ARRAY_PARTITION variable = words complete
  const Count length = detail::TransferLength<U>(op);
LoadNibbles:
  for (Count t = 0; t < length; ++t) {
// One write per cycle; nothing is read.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    if (!walk.high_plane) {
      const bool line_begins = walk.x == 0 && walk.chunk == 0;
      if (line_begins || lane == 0) {
        TakeBeat<U>(input, words);
        lane = 1;
      } else {
        MoveBeat<U>(words, false);
        lane = U::Storage::template LowBits<2>(lane + 1);
      }
    }
    typename U::Nibble nibbles[4];
#pragma HLS ARRAY_PARTITION variable = nibbles complete
  LoadCode:
    for (int i = 0; i < 4; ++i) {
#pragma HLS UNROLL
      nibbles[i] = walk.high_plane ? U::Storage::template GetBits<4>(words[0], 8 * i + 4)
                                   : U::Storage::template GetBits<4>(words[0], 8 * i);
    }
    WriteChunk<U, 4>(memory, true, BankOf<U>(walk.x), walk.AddressIn(op.tensor), walk.position,
                     nibbles);
    walk.Next(op);
    RMSMP_SIM(sim::CountIterations(1));
  }
}

/// Memory to output stream; a code is one byte, two's complement if signed.
template <typename U>
void StoreTensor(const TransferOp<U>& op, const typename U::Memory& memory,
                 typename U::Stream32& output) {
#pragma HLS INLINE off
  typedef typename U::Count Count;
  typedef typename U::Nibble Nibble;
  typedef typename U::Storage T;
  typedef typename T::template Uint<8> Byte;
  detail::ChunkWalk<U> walk;
  walk.Reset();
  Nibble low[4] = {0, 0, 0, 0};
#pragma HLS ARRAY_PARTITION variable = low complete
  const bool one_plane = op.tensor.planes == 1;
  const Count length = detail::TransferLength<U>(op);
StoreNibbles:
  for (Count t = 0; t < length; ++t) {
// One read per cycle; nothing is written.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
    bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
    typename U::Address address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = address complete
    Nibble banks[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = banks complete dim = 0
    const typename U::Bank bank = BankOf<U>(walk.x);
  StoreBank:
    for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
      used[b] = bank == static_cast<typename U::Bank>(b);
      address[b] = walk.AddressIn(op.tensor);
    }
    ReadBanks<U>(memory, used, address, banks);
    Nibble chunk[4];
#pragma HLS ARRAY_PARTITION variable = chunk complete
    TakeChunk<U, 4>(banks, bank, walk.position, chunk);
    typename U::Word32 word = 0;
  StoreCode:
    for (int i = 0; i < 4; ++i) {
#pragma HLS UNROLL
      const Nibble now = chunk[i];
      const bool negative = op.is_signed && one_plane && now >= 8;
      const Nibble above = walk.high_plane ? now : static_cast<Nibble>(negative ? 15 : 0);
      const Nibble below = walk.high_plane ? low[i] : now;
      const Byte code = static_cast<Byte>(static_cast<Byte>(static_cast<Byte>(above) << 4) | below);
      T::template SetBits<8>(word, 8 * i, code);
      low[i] = now;
    }
    if (walk.high_plane || one_plane) output.write(word);
    walk.Next(op);
    RMSMP_SIM(sim::CountIterations(1));
  }
}

}  // namespace rmsmp
