/// The counters of the matrix multiplication: pixel groups, steps, drain. Compare and wrap
/// only, so that no counter needs a division or a multiplication in its loop.
#pragma once

#include "program.hpp"

namespace rmsmp {

/// Walk over the pixel groups of an image, line by line, in output and input coordinates.
template <typename U>
struct GroupWalk {
  typename U::Dim column;             // group within the line
  typename U::Coord y, x;             // output pixel 0 of the group
  typename U::Coord source_y, source_x;  // y * stride, x * stride

  void Reset() {
#pragma HLS INLINE
    column = 0;
    y = 0;
    x = 0;
    source_y = 0;
    source_x = 0;
  }

  /// \param source_step  group_pixels * stride_x
  void Next(const MatmulOp<U>& op, typename U::Coord source_step) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    const bool wraps = column + 1 == op.groups_per_line;
    column = static_cast<typename U::Dim>(wraps ? 0 : static_cast<int>(column) + 1);
    x = wraps ? static_cast<Coord>(0) : static_cast<Coord>(x + op.group_pixels);
    source_x = wraps ? static_cast<Coord>(0) : static_cast<Coord>(source_x + source_step);
    y = wraps ? static_cast<Coord>(y + 1) : y;
    source_y = wraps ? static_cast<Coord>(source_y + op.walk.stride_y) : source_y;
  }
};

/// Walk over the groups of channels of a pixel tile's row tiles: where the channel blocks of
/// row tile r begin, (r div channel_group_tiles) * channel_group_stride.
template <typename U>
struct ChannelGroupWalk {
  typename U::Count row_tile;  // within the group
  typename U::Address offset;

  void Reset() {
#pragma HLS INLINE
    row_tile = 0;
    offset = 0;
  }

  /// \param restarts  the next row tile is the first of the next pixel tile
  void Next(const MatmulOp<U>& op, bool restarts) {
#pragma HLS INLINE
    typedef typename U::Address Address;
    const bool group_ends = row_tile + 1 == op.channel_group_tiles;
    row_tile = restarts || group_ends ? 0 : row_tile + 1;
    offset = restarts     ? static_cast<Address>(0)
             : group_ends ? static_cast<Address>(offset + op.channel_group_stride)
                          : offset;
  }
};

/// Walk over the steps of a block: (ky, kx, channel block, plane), plane innermost.
template <typename U>
struct StepWalk {
  typename U::Coord y, x;           // ky * dilation - padding
  typename U::Dim kernel_x;
  typename U::Address first, last;  // offsets of the group of channels
  typename U::Address offset;       // channel block * planes + plane
  bool high_plane;

  /// \param group_offset  of the first channel block that the row tile reads
  void Reset(const MatmulOp<U>& op, typename U::Address group_offset) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    typedef typename U::Address Address;
    first = group_offset;
    last = static_cast<Address>(group_offset + static_cast<Address>(op.source_words - 1));
    y = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_y));
    x = static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x));
    kernel_x = 0;
    offset = first;
    high_plane = false;
    RMSMP_SIM(sim::Require(op.source_words >= 1 && last < op.source.pixel_stride,
                           "a group of channels lies past the tensor", "address offset",
                           static_cast<long long>(group_offset)));
  }

  void Next(const MatmulOp<U>& op) {
#pragma HLS INLINE
    typedef typename U::Coord Coord;
    const bool pixel_ends = offset == last;
    const bool line_ends = pixel_ends && kernel_x + 1 == op.walk.kernel_x;
    high_plane = op.source.planes == 2 && !high_plane;
    offset = pixel_ends ? first : static_cast<typename U::Address>(offset + 1);
    kernel_x = line_ends    ? static_cast<typename U::Dim>(0)
               : pixel_ends ? static_cast<typename U::Dim>(kernel_x + 1)
                            : kernel_x;
    x = line_ends    ? static_cast<Coord>(-static_cast<Coord>(op.walk.padding_x))
        : pixel_ends ? static_cast<Coord>(x + op.walk.dilation_x)
                     : x;
    y = line_ends ? static_cast<Coord>(y + op.walk.dilation_y) : y;
  }
};

/// Walk of the drain over one block: group, then rows TQ at a time, then repeat.
template <typename U>
struct DrainWalk {
  GroupWalk<U> group;
  typename U::Group group_number;
  int rows;    // drain step within the group, 0 .. TM / TQ - 1
  int repeat;  // plane, or row for logits

  void Reset(const GroupWalk<U>& start) {
#pragma HLS INLINE
    group = start;
    group_number = 0;
    rows = 0;
    repeat = 0;
  }

  bool RepeatEnds(const MatmulOp<U>& op) const {
#pragma HLS INLINE
    return repeat + 1 == static_cast<int>(op.repeat);
  }

  void Next(const MatmulOp<U>& op, typename U::Coord source_step) {
#pragma HLS INLINE
    const bool repeat_ends = RepeatEnds(op);
    const bool group_ends = repeat_ends && rows + 1 == U::kDrainSteps;
    repeat = repeat_ends ? 0 : repeat + 1;
    rows = group_ends ? 0 : repeat_ends ? rows + 1 : rows;
    if (group_ends) {
      group_number = static_cast<typename U::Group>(group_number + 1);
      group.Next(op, source_step);
    }
  }
};

/// Lengths of one block's loop (docs/hardware.md, "One cycle of the loop").
template <typename U>
struct BlockPlan {
  bool computes, drains, last;
  typename U::Count groups;        // of this block's pixel tile
  typename U::Count step_length;   // L
  typename U::Count drain_length;  // of the block before
  typename U::Count length;        // T

  void Make(const MatmulOp<U>& op, typename U::Count block, typename U::Count blocks,
            typename U::Count groups_left, typename U::Count groups_before) {
#pragma HLS INLINE
    typedef typename U::Count Count;
    computes = block < blocks;
    drains = block > 0;
    last = block + 1 == blocks;
    const Count tile = static_cast<Count>(op.tile_groups);
    groups = !computes ? 0 : groups_left < tile ? groups_left : tile;
    const Count least = U::kWeightBeats > U::kMinStep ? U::kWeightBeats : U::kMinStep;
    step_length = groups > least ? groups : least;
    drain_length = drains ? groups_before * U::kDrainSteps * static_cast<Count>(op.repeat) : 0;
    const Count compute_length =
        computes ? op.steps * step_length + (block == 0 ? U::kWeightBeats : 0) : 0;
    const Count with_params =
        computes && compute_length < U::kRows ? static_cast<Count>(U::kRows) : compute_length;
    length = with_params > drain_length ? with_params : drain_length;
  }
};

}  // namespace rmsmp
