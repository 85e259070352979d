/// LOAD of a folded input: a line of the image becomes columns of its kernel's windows
/// (docs/hardware.md, "Folded input", "Load and store").
#pragma once

#include "activation_memory.hpp"
#include "beats.hpp"

namespace rmsmp {
namespace detail {

enum { kStepCodes = 16 };  // codes of one step: four columns of four channels

/// `count` for every channel; 1 .. 4 channels take no multiplier.
template <typename U>
typename U::Coord TimesChannels(typename U::Coord count, typename U::Dim channels) {
#pragma HLS INLINE
  typedef typename U::Coord Coord;
  const Coord twice = static_cast<Coord>(count + count);
  return channels == 1   ? count
         : channels == 2 ? twice
         : channels == 3 ? static_cast<Coord>(twice + count)
                         : static_cast<Coord>(twice + twice);
}

/// What all banks' walks share, in slots: a column has as many as the image has channels.
template <typename U>
struct FoldSizes {
  typename U::Coord step;    // columns of one step
  typename U::Coord kernel;  // of the kernel
  typename U::Coord bank;    // NB * stride columns: from one folded pixel of a bank to the next

  explicit FoldSizes(const FoldOp<U>& op) {
#pragma HLS INLINE
    step = TimesChannels<U>(op.columns, op.channels);
    kernel = TimesChannels<U>(op.kernel, op.channels);
    bank = 0;
  }
};

/// The folded pixel of one bank that the walk along a line is at, or comes to next.
///
/// The folded pixels that contain a column of a step are at most NB neighbours: one per bank, so
/// every bank follows its own.
template <typename U>
struct FoldPixel {
  typename U::Coord x;          // folded pixel
  typename U::Coord slot;       // of the step's first column in it; negative before the kernel
  typename U::Address address;  // (x div NB) * pixel_stride

  /// \param first  the slot at the start of a line
  void Reset(int bank, typename U::Coord first) {
#pragma HLS INLINE
    x = static_cast<typename U::Coord>(bank);
    slot = first;
    address = 0;
  }

  /// Whether the step has a column of the pixel.
  bool Contains(const FoldOp<U>& op, const FoldSizes<U>& sizes) const {
#pragma HLS INLINE
    return slot + sizes.step > 0 && x < op.width;
  }

  void Next(const FoldOp<U>& op, const FoldSizes<U>& sizes) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    const Coord next = static_cast<Coord>(slot + sizes.step);
    const bool ends = next >= sizes.kernel;
    slot = ends ? static_cast<Coord>(next - sizes.bank) : next;
    x = ends ? static_cast<Coord>(x + U::kBanks) : x;
    address = ends ? static_cast<typename U::Address>(address + op.tensor.pixel_stride) : address;
  }
};

/// A plane of the codes of a step: those of a column behind those of the column before.
template <typename U>
void PackCodes(const typename U::Word32 (&columns)[kBeatWords], typename U::Dim channels,
               bool high_plane, typename U::Nibble (&codes)[kStepCodes]) {
#pragma HLS INLINE
  typename U::Nibble plane[kBeatWords + 2][4];  // two columns that no step has
#pragma HLS ARRAY_PARTITION variable = plane complete dim = 0
PlaneColumn:
  for (int i = 0; i < kBeatWords + 2; ++i) {
#pragma HLS UNROLL
  PlaneCode:
    for (int c = 0; c < 4; ++c) {
#pragma HLS UNROLL
      const typename U::Word32 word = columns[i < kBeatWords ? i : 0];
      const typename U::Nibble stored = high_plane
                                            ? U::Storage::template GetBits<4>(word, 8 * c + 4)
                                            : U::Storage::template GetBits<4>(word, 8 * c);
      plane[i][c] = i < kBeatWords ? stored : static_cast<typename U::Nibble>(0);
    }
  }
PackCode:
  for (int i = 0; i < kStepCodes; ++i) {
#pragma HLS UNROLL
    codes[i] = channels == 1   ? plane[i < kBeatWords ? i : kBeatWords][0]
               : channels == 2 ? plane[i / 2 < kBeatWords ? i / 2 : kBeatWords][i % 2]
               : channels == 3 ? plane[i / 3][i % 3]
                               : plane[i / 4][i % 4];
  }
}

/// The codes of a step to the positions of one bank from `slot` on. What lies behind the step's
/// last code is of a later step, which writes it again, or of no channel: it may hold anything.
/// Position n takes code (n - slot) mod 16: the codes are rotated once for all positions.
template <typename U>
void WriteSlots(typename U::Memory& memory, int bank, typename U::Address address,
                typename U::Coord slot, const typename U::Nibble (&codes)[kStepCodes]) {
#pragma HLS INLINE
  typedef typename U::Storage::template Uint<2> Quarter;
  const Quarter fine = U::Storage::template LowBits<2>(slot);
  const Quarter coarse = U::Storage::template LowBits<2>(slot >> 2);
  typename U::Nibble turned[kStepCodes];
#pragma HLS ARRAY_PARTITION variable = turned complete
  typename U::Nibble rotated[kStepCodes];
#pragma HLS ARRAY_PARTITION variable = rotated complete
RotateFine:
  for (int i = 0; i < kStepCodes; ++i) {
#pragma HLS UNROLL
    turned[i] = fine == 0   ? codes[i]
                : fine == 1 ? codes[(i + 15) % kStepCodes]
                : fine == 2 ? codes[(i + 14) % kStepCodes]
                            : codes[(i + 13) % kStepCodes];
  }
RotateCoarse:
  for (int i = 0; i < kStepCodes; ++i) {
#pragma HLS UNROLL
    rotated[i] = coarse == 0   ? turned[i]
                 : coarse == 1 ? turned[(i + 12) % kStepCodes]
                 : coarse == 2 ? turned[(i + 8) % kStepCodes]
                               : turned[(i + 4) % kStepCodes];
  }
  bool enable[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = enable complete
  typename U::Address offset[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = offset complete
  typename U::Nibble nibble[U::kChannels];
#pragma HLS ARRAY_PARTITION variable = nibble complete
  const typename U::Code first = static_cast<typename U::Code>(slot);  // -15 .. TN - 1
SlotPosition:
  for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
    enable[n] = first <= n;
    offset[n] = 0;
    nibble[n] = rotated[n % kStepCodes];
  }
  WriteBank<U>(memory, bank, address, enable, offset, nibble);
}

}  // namespace detail

/// Input stream to memory, `columns` of a line per step; every column is written to all folded
/// pixels that contain it, in one cycle per plane. A bank's pixel moves on with the step in which
/// its window ends, NB * stride columns further: the next window begins behind that step.
template <typename U>
void LoadFolded(const FoldOp<U>& op, typename U::InputStream& input, typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  typedef typename U::Count Count;
  // Steps begin at multiples of their columns: 1, 2 or 4.
  const int shift = op.columns == 4 ? 2 : op.columns == 2 ? 1 : 0;
  const Coord behind = static_cast<Coord>(op.columns - 1);
  const Coord left = static_cast<Coord>(((op.padding_left + behind) >> shift) << shift);
  const Coord end = static_cast<Coord>(op.tensor.width + op.padding_right);
  const Count steps = static_cast<Count>(left >> shift) + static_cast<Count>((end + behind) >> shift);
  const Count length =
      TimesPlanes<U>(static_cast<Count>(op.tensor.height) * steps, op.tensor.planes);
  detail::FoldSizes<U> sizes(op);
  Coord first[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = first complete
  const Coord bank_slots = detail::TimesChannels<U>(op.stride, op.channels);
  const Coord lead =
      detail::TimesChannels<U>(static_cast<Coord>(left - op.padding_left), op.channels);
FirstSlot:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS PIPELINE II = 1
    first[b] = static_cast<Coord>(-lead - sizes.bank);
    sizes.bank = static_cast<Coord>(sizes.bank + bank_slots);
  }
  detail::FoldPixel<U> pixel[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = pixel complete
FirstPixel:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    pixel[b].Reset(b, first[b]);
  }
  const Coord begin = static_cast<Coord>(-left);
  Coord x = begin;
  Address line = op.tensor.base;
  bool high_plane = false;
  typename U::Word32 columns[kBeatWords] = {0, 0, 0, 0};
#pragma HLS ARRAY_PARTITION variable = columns complete

LoadColumns:
  for (Count t = 0; t < length; ++t) {
// One write per bank and cycle; nothing is read.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    const bool inside = x >= 0 && x < op.tensor.width;
    if (inside && !high_plane) {
      if (U::Storage::template LowBits<2>(x) == 0) {
        TakeBeat<U>(input, columns);
      } else {
        MoveBeat<U>(columns, op.columns == 2);
      }
    }
    typename U::Word32 shown[kBeatWords];
#pragma HLS ARRAY_PARTITION variable = shown complete
  ShowColumn:
    for (int i = 0; i < kBeatWords; ++i) {
#pragma HLS UNROLL
      shown[i] = inside ? columns[i] : static_cast<typename U::Word32>(0);
    }
    typename U::Nibble codes[detail::kStepCodes];
#pragma HLS ARRAY_PARTITION variable = codes complete
    detail::PackCodes<U>(shown, op.channels, high_plane, codes);
    const bool step_ends = high_plane || op.tensor.planes == 1;
    const bool line_ends = step_ends && x + op.columns >= end;
  FoldBank:
    for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
      if (pixel[b].Contains(op, sizes)) {
        detail::WriteSlots<U>(memory, b,
                              static_cast<Address>(line + pixel[b].address + (high_plane ? 1 : 0)),
                              pixel[b].slot, codes);
      }
      if (line_ends) {
        pixel[b].Reset(b, first[b]);
      } else if (step_ends) {
        pixel[b].Next(op, sizes);
      }
    }
    high_plane = !step_ends;
    x = line_ends ? begin : step_ends ? static_cast<Coord>(x + op.columns) : x;
    line = line_ends ? static_cast<Address>(line + op.tensor.line_stride) : line;
    RMSMP_SIM(sim::CountIterations(1));
  }
}

}  // namespace rmsmp
