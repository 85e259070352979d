/// The vector unit: pooling, residual adds, products, tables, upsampling and copies; TE channels
/// of one output pixel per cycle (docs/hardware.md, "Vector unit").
#pragma once

#include "activation_memory.hpp"
#include "vector_lane.hpp"
#include "vector_walk.hpp"

namespace rmsmp {
namespace detail {

/// Iterations of the main loop: one per output pixel, block, chunk, tap and plane, and one for
/// the last high nibble.
template <typename U>
typename U::Count VectorLength(const VectorOp<U>& op) {
#pragma HLS INLINE
  typedef typename U::Count Count;
  const Count taps = op.binary ? 2
                               : static_cast<Count>(op.walk.kernel_y) *
                                     static_cast<Count>(op.walk.kernel_x);
  const Count reads = static_cast<Count>(op.destination.height) *
                      static_cast<Count>(op.destination.width) * static_cast<Count>(op.blocks) *
                      U::kChunks * taps;
  return TimesPlanes<U>(reads, op.tap_planes) + 1;
}

/// Read one nibble of the tap's TE channels; `tap` says which operand, and learns whether the
/// tap lies inside it.
template <typename U>
void ReadTap(const VectorOp<U>& op, const VectorWalk<U>& walk, const typename U::Memory& memory,
             bool working, TapControl<U>& tap, typename U::Nibble (&now)[U::kVectorLanes]) {
#pragma HLS INLINE
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  const bool corner = tap.is_b && op.broadcast;
  const Coord y = corner ? static_cast<Coord>(0) : static_cast<Coord>(walk.source_y + walk.tap_y);
  const Coord x = corner ? static_cast<Coord>(0) : static_cast<Coord>(walk.source_x + walk.tap_x);
  tap.inside = working && y >= 0 && y < op.a.height && x >= 0 && x < op.a.width;
  Tensor<U> source = op.a;
  source.base = tap.is_b ? op.b.base : op.a.base;
  source.planes = tap.is_b ? op.b.planes : op.a.planes;
  source.line_stride = tap.is_b ? op.b.line_stride : op.a.line_stride;
  source.pixel_stride = tap.is_b ? op.b.pixel_stride : op.a.pixel_stride;
  tap.is_signed = tap.is_b ? op.b_signed : op.a_signed;
  tap.two_planes = source.planes == 2;
  const Address block = static_cast<Address>(walk.block);
  const Address offset =
      static_cast<Address>((tap.two_planes ? static_cast<Address>(block + block) : block) +
                           (tap.two_planes && walk.high_plane ? 1 : 0));
  const Address at = static_cast<Address>(LineAddress<U>(source, y) +
                                          ColumnAddress<U>(source, x) + offset);
  const typename U::Bank bank = BankOf<U>(x);
  bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
  Address address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = address complete
  typename U::Nibble banks[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = banks complete dim = 0
SourceBank:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    used[b] = tap.inside && bank == static_cast<typename U::Bank>(b);
    address[b] = at;
  }
  ReadBanks<U>(memory, used, address, banks);
  TakeChunk<U, U::kVectorLanes>(banks, bank, walk.position, now);
}

}  // namespace detail

/// \param params  a table operation takes its table from here
///
/// Invariants, checked in C simulation: sources and destination do not overlap; a high
/// nibble, written one cycle late, never meets a low nibble (taps * planes >= 2 then).
template <typename U>
void VectorUnit(const VectorOp<U>& op, typename U::ParamStream& params,
                typename U::Memory& memory) {
#pragma HLS INLINE off
  typedef typename U::Address Address;
  typedef typename U::Count Count;
  typedef typename U::Nibble Nibble;
  typedef typename U::Storage T;
  static constexpr int kLanes = U::kVectorLanes;

  // Static so that simulation starts from defined values; a table operation loads its own.
  static typename Tables<U>::All tables;
#pragma HLS ARRAY_PARTITION variable = tables complete dim = 1
  RMSMP_LUTRAM_S2P(tables)
  if (op.table) LoadTables<U>(params, tables);

  LaneState<U> lanes[kLanes];
#pragma HLS ARRAY_PARTITION variable = lanes complete
  Nibble late[kLanes];  // high nibbles waiting for the next cycle
#pragma HLS ARRAY_PARTITION variable = late complete
Clear:
  for (int e = 0; e < kLanes; ++e) {
#pragma HLS UNROLL
    lanes[e].Clear();
    late[e] = 0;
  }
  bool late_valid = false;
  typename U::Bank late_bank = 0;
  Address late_address = 0;
  typename U::Position late_position = 0;
  detail::VectorWalk<U> walk;
  walk.Reset(op);
  const Count length = detail::VectorLength<U>(op);

VectorCycle:
  for (Count t = 0; t < length; ++t) {
// One read and one write per cycle; the only carried sum is a register.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
#pragma HLS DEPENDENCE variable = memory inter false
    const bool working = t + 1 < length;
    TapControl<U> tap;
    tap.first = walk.FirstTap();
    tap.is_b = op.binary && walk.kernel_x == 1;
    tap.high_plane = walk.high_plane;
    tap.whole = walk.LastPlane(op);
    Nibble now[kLanes];
#pragma HLS ARRAY_PARTITION variable = now complete
    detail::ReadTap<U>(op, walk, memory, working, tap, now);
    const bool finished = working && tap.whole && walk.LastTap(op);

    // Write: the low nibbles now, the high ones in the next cycle.
    const bool output_two_planes = op.destination.planes == 2;
    const Address block = static_cast<Address>(walk.block);
    const Address write_address = static_cast<Address>(
        LineAddress<U>(op.destination, walk.y) + ColumnAddress<U>(op.destination, walk.x) +
        (output_two_planes ? static_cast<Address>(block + block) : block));
    RMSMP_SIM(sim::Require(!(finished && late_valid), "two writes of the vector unit in one cycle",
                           "iteration", t));
    Nibble written[kLanes];
#pragma HLS ARRAY_PARTITION variable = written complete
  Lane:
    for (int e = 0; e < kLanes; ++e) {
#pragma HLS UNROLL
      const typename U::Bound y = VectorLane<U>(op, tap, now[e], tables[e], lanes[e]);
      written[e] = late_valid ? late[e] : T::template LowBits<4>(y);
      late[e] = T::template LowBits<4>(static_cast<typename U::Bound>(y >> 4));
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
