/// The counters of the vector unit: compare and wrap only, no division.
#pragma once

#include "program.hpp"

namespace rmsmp {
namespace detail {

/// The loop's counters, outermost first: oy, ox, channel block, chunk, ky, kx, plane. A
/// binary operation has two taps in x, one per operand, at the same pixel.
template <typename U>
struct VectorWalk {
  typename U::Coord y, x;                // output pixel
  typename U::Coord source_y, source_x;  // first tap: (y div repeat) * stride - padding
  typename U::Dim repeat_y, repeat_x;    // y mod repeat, x mod repeat
  typename U::Coord tap_y, tap_x;        // ky * dilation
  typename U::Dim block, kernel_y, kernel_x;
  typename U::Position position;  // first channel position of the chunk
  bool high_plane;

  void Reset(const VectorOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    y = 0;
    x = 0;
    source_y = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_y));
    source_x = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x));
    repeat_y = 0;
    repeat_x = 0;
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
    typedef typename U::Position Position;
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
      position = block_ends ? static_cast<Position>(0)
                            : static_cast<Position>(position + U::kVectorLanes);
    }
    if (block_ends) block = pixel_ends ? static_cast<Dim>(0) : static_cast<Dim>(block + 1);
    if (pixel_ends) {
      const bool advances = repeat_x + 1 == op.repeat_x;
      x = line_ends ? static_cast<Coord>(0) : static_cast<Coord>(x + 1);
      source_x = line_ends  ? static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x))
                 : advances ? static_cast<Coord>(source_x + op.walk.stride_x)
                            : source_x;
      repeat_x = line_ends || advances ? static_cast<Dim>(0) : static_cast<Dim>(repeat_x + 1);
    }
    if (line_ends) {
      const bool advances = repeat_y + 1 == op.repeat_y;
      y = static_cast<Coord>(y + 1);
      source_y = advances ? static_cast<Coord>(source_y + op.walk.stride_y) : source_y;
      repeat_y = advances ? static_cast<Dim>(0) : static_cast<Dim>(repeat_y + 1);
    }
  }
};

}  // namespace detail
}  // namespace rmsmp
