/// LOAD of a folded input: a line of the image becomes columns of its kernel's windows
/// (docs/hardware.md, "Folded input", "Load and store").
#pragma once

#include "activation_memory.hpp"

namespace rmsmp {
namespace detail {

/// The folded pixel of one bank that the walk along a line is at, or comes to next.
///
/// Columns are numbered from the left padding's first one. The folded pixels that contain a
/// column are at most NB neighbours: one per bank, so every bank follows its own.
template <typename U>
struct FoldColumn {
  typename U::Coord x;         // folded pixel
  typename U::Coord kernel_x;  // of the walk's column in that pixel's window, may be outside
  typename U::Position slot;   // kernel_x * channels, where kernel_x is not negative
  typename U::Address address;  // (x div NB) * pixel_stride

  /// \param bank_offset  bank * stride
  void Reset(int bank, typename U::Coord bank_offset) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    x = static_cast<Coord>(bank);
    kernel_x = static_cast<Coord>(-bank_offset);
    slot = 0;
    address = 0;
  }

  bool Contains(const FoldOp<U>& op) const {
#pragma HLS INLINE
    return kernel_x >= 0 && x < op.width;
  }

  /// \param bank_step  NB * stride: columns from one folded pixel of a bank to the next
  void Next(const FoldOp<U>& op, typename U::Coord bank_step) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    typedef typename U::Position Position;
    const bool ends = kernel_x + 1 == op.kernel;
    const Coord next = static_cast<Coord>(kernel_x + 1);
    slot = ends            ? static_cast<Position>(0)
           : kernel_x >= 0 ? static_cast<Position>(slot + op.channels)
                           : slot;
    kernel_x = ends ? static_cast<Coord>(next - bank_step) : next;
    x = ends ? static_cast<Coord>(x + U::kBanks) : x;
    address = ends ? static_cast<typename U::Address>(address + op.tensor.pixel_stride) : address;
  }
};

/// The channels of a pixel, to positions slot .. slot + channels - 1 of one bank. The slot is
/// compared once per position; its channels share the comparisons.
template <typename U>
void WriteSlots(typename U::Memory& memory, int bank, typename U::Address address,
                typename U::Position slot, typename U::Dim channels,
                const typename U::Nibble (&pixel)[4]) {
#pragma HLS INLINE
  bool enable[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = enable complete
  typename U::Address offset[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = offset complete
  typename U::Nibble nibble[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = nibble complete
  bool starts[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = starts complete
SlotStart:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    starts[n] = slot == static_cast<typename U::Position>(n);
  }
SlotPosition:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    enable[n] = false;
    offset[n] = 0;
    nibble[n] = 0;
  SlotChannel:
    for (int c = 0; c < 4; ++c) {
#pragma HLS UNROLL
      const bool hit = channels > c && n >= c && starts[n >= c ? n - c : 0];
      enable[n] = enable[n] || hit;
      nibble[n] = hit ? pixel[c] : nibble[n];
    }
  }
  WriteBank<U>(memory, bank, address, enable, offset, nibble);
}

}  // namespace detail

/// Input stream to memory; every pixel is written to all folded pixels that contain it, in one
/// cycle per plane. A bank's column moves on when its window ends, NB * stride columns further:
/// the kernel is not wider than that, so the next window has not begun.
template <typename U>
void LoadFolded(const FoldOp<U>& op, typename U::Stream32& input, typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  typedef typename U::Count Count;
  typename U::Coord bank_offset[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = bank_offset complete
  Coord bank_step = 0;
BankOffset:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS PIPELINE II = 1
    bank_offset[b] = bank_step;
    bank_step = static_cast<Coord>(bank_step + op.stride);
  }
  detail::FoldColumn<U> column[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = column complete
FirstColumn:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    column[b].Reset(b, bank_offset[b]);
  }
  const Coord begin = static_cast<Coord>(-static_cast<Coord>(op.padding_left));
  const Coord end = static_cast<Coord>(op.tensor.width + op.padding_right);
  const Count columns = static_cast<Count>(op.padding_left) + static_cast<Count>(end);
  const Count length =
      TimesPlanes<U>(static_cast<Count>(op.tensor.height) * columns, op.tensor.planes);
  Coord x = begin;
  Address line = op.tensor.base;
  bool high_plane = false;
  typename U::Word32 word = 0;

LoadColumn:
  for (Count t = 0; t < length; ++t) {
// One write per bank and cycle; nothing is read.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    const bool inside = x >= 0 && x < op.tensor.width;
    if (inside && !high_plane) word = input.read();
    typename U::Nibble pixel[4];
#pragma HLS ARRAY_PARTITION variable = pixel complete
  FoldCode:
    for (int c = 0; c < 4; ++c) {
#pragma HLS UNROLL
      const typename U::Nibble stored = high_plane
                                            ? U::Storage::template GetBits<4>(word, 8 * c + 4)
                                            : U::Storage::template GetBits<4>(word, 8 * c);
      pixel[c] = inside ? stored : static_cast<typename U::Nibble>(0);
    }
    const bool column_ends = high_plane || op.tensor.planes == 1;
    const bool line_ends = column_ends && x + 1 == end;
  FoldBank:
    for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
      if (column[b].Contains(op)) {
        detail::WriteSlots<U>(
            memory, b,
            static_cast<Address>(line + column[b].address + (high_plane ? 1 : 0)),
            column[b].slot, op.channels, pixel);
      }
      if (line_ends) {
        column[b].Reset(b, bank_offset[b]);
      } else if (column_ends) {
        column[b].Next(op, bank_step);
      }
    }
    high_plane = !column_ends;
    x = line_ends ? begin : column_ends ? static_cast<Coord>(x + 1) : x;
    line = line_ends ? static_cast<Address>(line + op.tensor.line_stride) : line;
    RMSMP_SIM(sim::CountIterations(1));
  }
}

}  // namespace rmsmp
