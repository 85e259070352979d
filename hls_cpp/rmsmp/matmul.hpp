/// Convolution and linear layers: the block loop of the array (docs/hardware.md).
///
/// A block is (pixel tile, row tile). Its loop is flat and does four things in every cycle:
/// computes one group of one step, takes a weight beat of the next step, takes a row's
/// parameters, and drains the block before. The schedule rests on these invariants:
///
/// 1. The two halves of the partial sums: block j computes in half j mod 2 while block
///    j - 1 drains from the other. Each half has one read and one write per cycle.
/// 2. A partial sum is read again L >= min_step cycles after it was written: the claimed
///    dependence distance. Between blocks the pipeline runs empty.
/// 3. Weight registers change only at a step's end; the shadow registers fill during the
///    step, so weights cost no cycle but the prologue of block 0.
/// 4. Source and destination tensors do not overlap: reads and writes of the activation
///    memory within one operation are independent.
/// C simulation checks 2 and 4.
#pragma once

#include "drain.hpp"
#include "fetch.hpp"
#include "partial_sums.hpp"
#include "walks.hpp"

namespace rmsmp {

/// \tparam kDistance  claimed distance of partial sums, in cycles; at most U::kMinStep
template <typename U, int kDistance>
void Matmul(const MatmulOp<U>& op, typename U::WeightStream& weights,
            typename U::ParamStream& params, typename U::Stream32& output,
            typename U::Memory& memory) {
#pragma HLS INLINE off
  static_assert(kDistance <= U::kMinStep, "the dependence distance is larger than min_step");
  typedef typename U::Coord Coord;
  typedef typename U::Count Count;
  typedef Registers<U> R;
  typedef PartialSums<U> S;

  // Partial sums: one wide word per group, so that a half is one memory with two ports.
  // Static only because C simulation has a small stack; nothing survives an operation.
  static typename S::Half psum0;
  static typename S::Half psum1;
#pragma HLS ARRAY_RESHAPE variable = psum0 complete dim = 2
#pragma HLS ARRAY_RESHAPE variable = psum1 complete dim = 2
  RMSMP_PARTIAL_SUM_STORAGE(psum0)
  RMSMP_PARTIAL_SUM_STORAGE(psum1)

  // Row parameters of two blocks; TQ rows are read at once.
  typename U::ParamWord row_params[2][U::kDrainSteps][U::kDrainRows];
#pragma HLS ARRAY_PARTITION variable = row_params complete dim = 3
  RMSMP_LUTRAM_S2P(row_params)

  // Weight registers. Static so that simulation starts from defined values; the prologue of
  // block 0 fills them before anything is computed.
  static typename R::Shadow shadow;
#pragma HLS ARRAY_PARTITION variable = shadow complete dim = 0
  static typename R::Shift1 shift1;
#pragma HLS ARRAY_PARTITION variable = shift1 complete dim = 0
  static typename R::Shift2 shift2;
#pragma HLS ARRAY_PARTITION variable = shift2 complete dim = 0
  static typename R::Mask used1;
#pragma HLS ARRAY_PARTITION variable = used1 complete dim = 0
  static typename R::Mask used2;
#pragma HLS ARRAY_PARTITION variable = used2 complete dim = 0
  static typename R::Mask sign;
#pragma HLS ARRAY_PARTITION variable = sign complete dim = 0
  static typename R::Carry carry;
#pragma HLS ARRAY_PARTITION variable = carry complete dim = 0
  static typename R::Fixed fixed;
#pragma HLS ARRAY_PARTITION variable = fixed complete dim = 0
  typename R::Buses buses;
#pragma HLS ARRAY_PARTITION variable = buses complete dim = 0
  typename R::Dots dots;
#pragma HLS ARRAY_PARTITION variable = dots complete
  typename S::Word word0;
#pragma HLS ARRAY_PARTITION variable = word0 complete
  typename S::Word word1;
#pragma HLS ARRAY_PARTITION variable = word1 complete
  typename S::Word before;  // of the group that computes
#pragma HLS ARRAY_PARTITION variable = before complete
  typename S::Word finished;  // of the group that drains
#pragma HLS ARRAY_PARTITION variable = finished complete
  typename S::Word sums;
#pragma HLS ARRAY_PARTITION variable = sums complete
  static typename S::Word hold;
#pragma HLS ARRAY_PARTITION variable = hold complete

  // Column of pixel lane p within a group, in the source image.
  Coord pixel_offset[U::kPixels];
#pragma HLS ARRAY_PARTITION variable = pixel_offset complete
  Coord source_step = 0;
PixelOffset:
  for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS PIPELINE II = 1
    pixel_offset[p] =
        p == 0 ? static_cast<Coord>(0)
               : static_cast<Coord>(pixel_offset[p > 0 ? p - 1 : 0] + op.walk.stride_x);
    source_step = op.group_pixels > p ? static_cast<Coord>(source_step + op.walk.stride_x)
                                      : source_step;
  }

  Argmax<U> argmax;
  argmax.Reset();
  GroupWalk<U> tile_start, tile_end, drain_start;
  tile_start.Reset();
  tile_end.Reset();
  drain_start.Reset();
  Count groups_left = op.groups;
  Count groups_before = 0;
  Count row_tile = 0;
  ChannelGroupWalk<U> channel_group;
  channel_group.Reset();
  const Count blocks = op.pixel_tiles * op.row_tiles;
  RMSMP_SIM(sim::DistanceCheck distance0(U::kGroups, kDistance));
  RMSMP_SIM(sim::DistanceCheck distance1(U::kGroups, kDistance));

Block:
  for (Count block = 0; block <= blocks; ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 2 max = 256
    BlockPlan<U> plan;
    plan.Make(op, block, blocks, groups_left, groups_before);
    const bool half = (block & 1) != 0;
    bool prologue = block == 0;
    Count in_step = 0;
    Count steps_left = plan.computes ? op.steps : 0;
    bool first_step = true;
    int param_step = 0;
    int param_row = 0;
    StepWalk<U> step;
    step.Reset(op, channel_group.offset);
    GroupWalk<U> walk = tile_start;
    DrainWalk<U> drain;
    drain.Reset(drain_start);
    RMSMP_SIM(distance0.Clear(); distance1.Clear());
    RMSMP_SIM(uint64_t iterations = 0);

  Cycle:
    for (Count t = 0; t < plan.length; ++t) {
// One group per cycle needs II = 1. Carried dependences: counters, weight registers (load or
// keep) and the partial sums, whose distance is L.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 64 max = 65536
#pragma HLS DEPENDENCE variable = psum0 inter RAW true distance = kDistance
#pragma HLS DEPENDENCE variable = psum1 inter RAW true distance = kDistance
#pragma HLS DEPENDENCE variable = memory inter false
// The block computing writes one half of row_params, the block draining reads the other.
#pragma HLS DEPENDENCE variable = row_params inter false
      const bool running = plan.computes && (prologue || steps_left > 0);
      const bool active = running && !prologue && in_step < plan.groups;
      const bool loading =
          running && in_step < U::kWeightBeats && (prologue || !(plan.last && steps_left == 1));
      const bool step_ends =
          running && in_step + 1 == (prologue ? Count(U::kWeightBeats) : plan.step_length);
      const bool draining = t < plan.drain_length;
      const bool refill = draining && drain.rows == 0 && drain.repeat == 0;

      // 1. Compute: fetch, multiply, read the partial sums.
      if (kSynthesis || active) {
        FetchRequest<U> request;
        request.y = static_cast<Coord>(walk.source_y + step.y);
        request.x = static_cast<Coord>(walk.source_x + step.x);
        request.offset = step.offset;
        request.group_pixels = op.group_pixels;
        request.window = op.window;
        request.stride_two = op.walk.stride_x == 2;
        request.plane_signed = op.input_signed && (step.high_plane || op.source.planes == 1);
        request.active = active;
        Fetch<U>(memory, op.source, request, pixel_offset, buses);
        AllDots<U>(shift1, shift2, used1, used2, sign, carry, fixed, buses, op.window, dots);
      }
      const int compute_group = active ? in_step : 0;
      const int drain_group = refill ? static_cast<int>(drain.group_number) : 0;
      const int read0 = half ? drain_group : compute_group;
      const int read1 = half ? compute_group : drain_group;
      RMSMP_SIM(if (active && !first_step) (half ? distance1 : distance0).Read(compute_group, t));
      if (kSynthesis || active || refill) {
        ReadGroup<U>(psum0, read0, word0);
        ReadGroup<U>(psum1, read1, word1);
      }
      if (kSynthesis || active) {
        SelectWord<U>(half, word0, word1, before);
        Accumulate<U>(before, dots, first_step, step.high_plane, sums);
      }
      if (active && !half) WriteGroup<U>(psum0, compute_group, sums);
      if (active && half) WriteGroup<U>(psum1, compute_group, sums);
      RMSMP_SIM(if (active) (half ? distance1 : distance0).Write(compute_group, t));

      // 2. Weights of the next step, active at this step's end.
      if (loading) StoreShadow<U>(weights.read(), in_step, shadow);
      if (step_ends) Activate<U>(shadow, shift1, shift2, used1, used2, sign, carry, fixed);

      // 3. Parameters of this block's rows, one per cycle.
      if (plan.computes && t < U::kRows) {
        row_params[half ? 1 : 0][param_step][param_row] = params.read();
        const bool wraps = param_row + 1 == U::kDrainRows;
        param_row = wraps ? 0 : param_row + 1;
        param_step = wraps ? param_step + 1 : param_step;
      }

      // 4. Drain of the block before: TQ rows leave the front of the holding register.
      if (kSynthesis || draining) {
        typename S::Front front;
#pragma HLS ARRAY_PARTITION variable = front complete
        SelectWord<U>(!half, word0, word1, finished);
        HoldRows<U>(finished, refill, drain.RepeatEnds(op), hold, front);
        RowParams<U> rows[U::kDrainRows];
#pragma HLS ARRAY_PARTITION variable = rows complete
      RowParameters:
        for (int q = 0; q < U::kDrainRows; ++q) {
#pragma HLS UNROLL
          rows[q] = DecodeParams<U>(row_params[half ? 0 : 1][drain.rows][q]);
        }
        DrainPlace<U> place;
        place.y = drain.group.y;
        place.x = drain.group.x;
        place.repeat = static_cast<typename U::Dim>(drain.repeat);
        place.active = draining;
        DrainCycle<U>(op, place, front, rows, memory, output, argmax);
        if (draining) drain.Next(op, source_step);
      }

      // Counters of the compute part.
      if (active) walk.Next(op, source_step);
      in_step = step_ends ? 0 : in_step + 1;
      if (step_ends && !prologue) {
        tile_end = walk;
        walk = tile_start;
        step.Next(op);
        --steps_left;
        first_step = false;
      }
      prologue = prologue && !step_ends;
      RMSMP_SIM(++iterations);
    }
    RMSMP_SIM(sim::CountIterations(iterations));

    // The next block: the same pixels with the next rows, or the next pixel tile.
    drain_start = tile_start;
    groups_before = plan.groups;
    const bool tile_done = row_tile + 1 == op.row_tiles;
    row_tile = tile_done ? 0 : row_tile + 1;
    channel_group.Next(op, tile_done);
    groups_left = tile_done ? groups_left - plan.groups : groups_left;
    tile_start = tile_done ? tile_end : tile_start;
  }
  if (op.argmax) output.write(argmax.Winner());
}

}  // namespace rmsmp
