/// The vector unit: maximum and sum pooling, residual add, requantization; TE channels of one
/// output pixel per cycle (docs/hardware.md, "Vector unit").
#pragma once

#include "activation_memory.hpp"
#include "requantize.hpp"

namespace rmsmp {
namespace detail {

/// The loop's counters, outermost first: oy, ox, channel block, chunk, ky, kx, plane. A
/// binary operation has two taps in x, one per operand, at the same pixel.
template <typename U>
struct VectorWalk {
  typename U::Coord y, x;                // output pixel
  typename U::Coord source_y, source_x;  // first tap: y * stride - padding
  typename U::Coord tap_y, tap_x;        // ky * dilation
  typename U::Dim block, kernel_y, kernel_x;
  typename U::Coord position;  // first channel position of the chunk
  bool high_plane;

  void Reset(const VectorOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    y = 0;
    x = 0;
    source_y = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_y));
    source_x = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x));
    tap_y = 0;
    tap_x = 0;
    block = 0;
    kernel_y = 0;
    kernel_x = 0;
    position = 0;
    high_plane = false;
  }

  bool FirstTap() const {
#pragma HLS INLINE
    return kernel_y == 0 && kernel_x == 0;
  }
  bool LastPlane(const VectorOp<U>& op) const {
#pragma HLS INLINE
    return high_plane || op.tap_planes == 1;
  }
  bool LineOfTapsEnds(const VectorOp<U>& op) const {
#pragma HLS INLINE
    return op.binary ? kernel_x == 1 : kernel_x + 1 == op.walk.kernel_x;
  }
  bool LastTap(const VectorOp<U>& op) const {
#pragma HLS INLINE
    return LineOfTapsEnds(op) && (op.binary || kernel_y + 1 == op.walk.kernel_y);
  }

  void Next(const VectorOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    typedef typename U::Dim Dim;
    const bool tap_ends = LastPlane(op);
    const bool taps_line_ends = tap_ends && LineOfTapsEnds(op);
    const bool chunk_ends = tap_ends && LastTap(op);
    const bool block_ends = chunk_ends && position + U::kVectorLanes == U::kChannels;
    const bool pixel_ends = block_ends && block + 1 == op.blocks;
    const bool line_ends = pixel_ends && x + 1 == op.destination.width;
    high_plane = !tap_ends;
    if (tap_ends) {
      kernel_x = taps_line_ends ? static_cast<Dim>(0) : static_cast<Dim>(kernel_x + 1);
      tap_x = taps_line_ends || op.binary ? static_cast<Coord>(0)
                                          : static_cast<Coord>(tap_x + op.walk.dilation_x);
    }
    if (taps_line_ends) {
      kernel_y = chunk_ends ? static_cast<Dim>(0) : static_cast<Dim>(kernel_y + 1);
      tap_y = chunk_ends ? static_cast<Coord>(0) : static_cast<Coord>(tap_y + op.walk.dilation_y);
    }
    if (chunk_ends) {
      position = block_ends ? static_cast<Coord>(0)
                            : static_cast<Coord>(position + U::kVectorLanes);
    }
    if (block_ends) block = pixel_ends ? static_cast<Dim>(0) : static_cast<Dim>(block + 1);
    if (pixel_ends) {
      x = line_ends ? static_cast<Coord>(0) : static_cast<Coord>(x + 1);
      source_x = line_ends ? static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x))
                           : static_cast<Coord>(source_x + op.walk.stride_x);
    }
    if (line_ends) {
      y = static_cast<Coord>(y + 1);
      source_y = static_cast<Coord>(source_y + op.walk.stride_y);
    }
  }
};

}  // namespace detail

/// Invariants, checked in C simulation: sources and destination do not overlap; a high
/// nibble, written one cycle late, never meets a low nibble (taps * planes >= 2 then).
template <typename U>
void VectorUnit(const VectorOp<U>& op, typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  typedef typename U::Count Count;
  typedef typename U::Nibble Nibble;
  typedef typename U::Code Code;
  typedef typename U::Storage T;
  typedef typename T::template Int<49> Sum;
  static constexpr int kLanes = U::kVectorLanes;

  Nibble low[kLanes];
#pragma HLS ARRAY_PARTITION variable = low complete
  Nibble late[kLanes];  // high nibbles waiting for the next cycle
#pragma HLS ARRAY_PARTITION variable = late complete
  Sum acc[kLanes];
#pragma HLS ARRAY_PARTITION variable = acc complete
Clear:
  for (int e = 0; e < kLanes; ++e) {
#pragma HLS UNROLL
    low[e] = 0;
    late[e] = 0;
    acc[e] = 0;
  }
  bool late_valid = false;
  typename U::Bank late_bank = 0;
  Address late_address = 0;
  Coord late_position = 0;

  detail::VectorWalk<U> walk;
  walk.Reset(op);
  const Count taps = op.binary ? 2
                               : static_cast<Count>(op.walk.kernel_y) *
                                     static_cast<Count>(op.walk.kernel_x);
  const Count length = static_cast<Count>(op.destination.height) *
                           static_cast<Count>(op.destination.width) *
                           static_cast<Count>(op.blocks) * U::kChunks * taps *
                           static_cast<Count>(op.tap_planes) +
                       1;

VectorCycle:
  for (Count t = 0; t < length; ++t) {
// One read and one write per cycle; the only carried sum is a register.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    const bool working = t + 1 < length;
    const bool is_b = op.binary && walk.kernel_x == 1;
    const bool whole = walk.LastPlane(op);
    const bool finished = working && whole && walk.LastTap(op);

    // Read one nibble of TE channels of the tap.
    const Coord y = static_cast<Coord>(walk.source_y + walk.tap_y);
    const Coord x = static_cast<Coord>(walk.source_x + walk.tap_x);
    const bool inside =
        working && y >= 0 && y < op.a.height && x >= 0 && x < op.a.width;
    Tensor<U> source = op.a;
    source.base = is_b ? op.b.base : op.a.base;
    source.planes = is_b ? op.b.planes : op.a.planes;
    source.line_stride = is_b ? op.b.line_stride : op.a.line_stride;
    source.pixel_stride = is_b ? op.b.pixel_stride : op.a.pixel_stride;
    const bool source_signed = is_b ? op.b_signed : op.a_signed;
    const bool two_planes = source.planes == 2;
    const Address block = static_cast<Address>(walk.block);
    const Address read_offset =
        static_cast<Address>((two_planes ? static_cast<Address>(block + block) : block) +
                             (two_planes && walk.high_plane ? 1 : 0));
    bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
    Address address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = address complete
    Nibble banks[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = banks complete dim = 0
    const typename U::Bank bank = BankOf<U>(x);
    const Address at = static_cast<Address>(LineAddress<U>(source, y) +
                                            ColumnAddress<U>(source, x) + read_offset);
  SourceBank:
    for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
      used[b] = inside && bank == static_cast<typename U::Bank>(b);
      address[b] = at;
    }
    ReadBanks<U>(memory, used, address, banks);

    // Codes, accumulation, result.
    const bool first = walk.FirstTap();
    Nibble result_low[kLanes];
#pragma HLS ARRAY_PARTITION variable = result_low complete
    Nibble result_high[kLanes];
#pragma HLS ARRAY_PARTITION variable = result_high complete
  Lane:
    for (int e = 0; e < kLanes; ++e) {
#pragma HLS UNROLL
      const Nibble now = banks[static_cast<int>(bank)][static_cast<int>(walk.position) + e];
      const Nibble lower = walk.high_plane ? low[e] : now;
      low[e] = lower;
      // The top nibble is signed where the tensor is; an absent one extends the low nibble.
      const Code top = source_signed ? static_cast<Code>(T::template AsSigned<4>(now))
                                     : static_cast<Code>(now);
      const Code only = source_signed ? static_cast<Code>(T::template AsSigned<4>(lower))
                                      : static_cast<Code>(lower);
      const Code code = !inside      ? static_cast<Code>(0)
                        : two_planes ? static_cast<Code>(static_cast<Code>(top << 4) + lower)
                                     : only;
      const Sum product = static_cast<Sum>(
          T::template Multiply<18, 9>(is_b ? op.multiplier_b : op.multiplier_a, code));
      // Smaller than any code, so that padding never wins.
      const Sum before =
          first ? static_cast<Sum>(op.maximum ? -256 : 0) : acc[e];
      const Sum larger =
          inside && static_cast<Sum>(code) > before ? static_cast<Sum>(code) : before;
      const Sum after = op.maximum ? larger : static_cast<Sum>(before + product);
      acc[e] = whole ? after : acc[e];
      const typename U::Bound scaled = ShiftAndClamp<U, Sum>(static_cast<Sum>(after + op.bias),
                                                             op.shift, op.low, op.high);
      const typename U::Bound y_code = op.maximum ? static_cast<typename U::Bound>(after) : scaled;
      result_low[e] = T::template LowBits<4>(y_code);
      result_high[e] = T::template LowBits<4>(static_cast<typename U::Bound>(y_code >> 4));
    }

    // Write: the low nibbles now, the high ones in the next cycle.
    const bool output_two_planes = op.destination.planes == 2;
    const Address write_address = static_cast<Address>(
        LineAddress<U>(op.destination, walk.y) + ColumnAddress<U>(op.destination, walk.x) +
        (output_two_planes ? static_cast<Address>(block + block) : block));
    RMSMP_SIM(sim::Require(!(finished && late_valid), "two writes of the vector unit in one cycle",
                           "iteration", t));
    Nibble written[kLanes];
#pragma HLS ARRAY_PARTITION variable = written complete
  Choose:
    for (int e = 0; e < kLanes; ++e) {
#pragma HLS UNROLL
      written[e] = late_valid ? late[e] : result_low[e];
      late[e] = result_high[e];
    }
    WriteChunk<U, kLanes>(memory, finished || late_valid,
                          late_valid ? late_bank : BankOf<U>(walk.x),
                          late_valid ? late_address : write_address,
                          late_valid ? late_position : walk.position, written);
    late_valid = finished && output_two_planes;
    late_bank = BankOf<U>(walk.x);
    late_address = static_cast<Address>(write_address + 1);
    late_position = walk.position;
    if (working) walk.Next(op);
    RMSMP_SIM(sim::CountIterations(1));
  }
}

}  // namespace rmsmp
