/// Operation records of the program: 32-bit words to typed fields (docs/packed-design.md).
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

enum { kHeaderWords = 8, kOperationWords = 40, kSegmentWords = 3 };
enum { kMagic = 0x4d534d52, kVersion = 3 };
enum { kLoad = 1, kMatmul = 2, kVector = 3, kStore = 4, kSave = 5, kRestore = 6 };
enum { kFlagSigned = 1 };
enum { kMatmulLogits = 2, kMatmulArgmax = 4, kMatmulWindow = 8 };
enum { kVectorSignedB = 2, kVectorMaximum = 4, kVectorBinary = 8, kVectorTable = 16,
       kVectorMultiply = 32, kVectorBroadcast = 64 };
enum { kLoadFolded = 2 };

/// Where a tensor lies: address = base + y * line_stride + (x div NB) * pixel_stride + offset.
template <typename U>
struct Tensor {
  typename U::Address base;
  typename U::Dim height;
  typename U::Dim width;
  typename U::Address line_stride;
  typename U::Address pixel_stride;
  typename U::Dim planes;  // 1 | 2
};

/// Kernel, stride, padding, dilation; y first.
template <typename U>
struct Walk {
  typename U::Dim kernel_y, kernel_x;
  typename U::Dim stride_y, stride_x;
  typename U::Dim padding_y, padding_x;
  typename U::Dim dilation_y, dilation_x;
};

/// `count` once per plane. Planes are 1 or 2: a choice, where a product would take a multiplier.
template <typename U>
typename U::Count TimesPlanes(typename U::Count count, typename U::Dim planes) {
#pragma HLS INLINE
  return planes == 2 ? count + count : count;
}

namespace detail {

/// A non-negative field; C simulation refuses a number that the field cannot hold.
template <typename U, typename Field, int kBits>
Field Natural(typename U::Word32 word) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  const Field field = static_cast<Field>(T::template LowBits<kBits>(word));
  RMSMP_SIM(sim::Require(static_cast<long long>(field) == static_cast<long long>(word),
                         "a number of the program is too large for its field", "number",
                         static_cast<long long>(word)));
  return field;
}

template <typename U>
typename U::Dim DimField(typename U::Word32 word) {
#pragma HLS INLINE
  return Natural<U, typename U::Dim, 13>(word);
}

template <typename U>
typename U::Address AddressField(typename U::Word32 word) {
#pragma HLS INLINE
  return Natural<U, typename U::Address, U::kAddressBits - 1>(word);
}

template <typename U>
typename U::Count CountField(typename U::Word32 word) {
#pragma HLS INLINE
  return Natural<U, int, 31>(word);
}

template <typename U>
typename U::Bound BoundField(typename U::Word32 word) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  return T::template AsSigned<32>(T::template LowBits<32>(word));
}

template <typename U>
bool Flag(typename U::Word32 word, int flag) {
#pragma HLS INLINE
  return (word & static_cast<typename U::Word32>(flag)) != 0;
}

/// A tensor whose planes and strides are words kPlanes, kPlanes + 1 and kPlanes + 2.
template <typename U, int kBase, int kHeight, int kWidth, int kPlanes>
Tensor<U> TensorAt(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  Tensor<U> tensor;
  tensor.base = AddressField<U>(words[kBase]);
  tensor.height = DimField<U>(words[kHeight]);
  tensor.width = DimField<U>(words[kWidth]);
  tensor.planes = DimField<U>(words[kPlanes]);
  tensor.line_stride = AddressField<U>(words[kPlanes + 1]);
  tensor.pixel_stride = AddressField<U>(words[kPlanes + 2]);
  return tensor;
}

/// What an operation reads (LOAD: writes), what it writes, and the second operand, which is as
/// large as the first.
template <typename U>
Tensor<U> SourceTensor(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  return TensorAt<U, 2, 3, 4, 6>(words);
}
template <typename U>
Tensor<U> DestinationTensor(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  return TensorAt<U, 17, 18, 19, 20>(words);
}
template <typename U>
Tensor<U> SecondTensor(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  return TensorAt<U, 23, 3, 4, 24>(words);
}

/// Words 9 .. 16.
template <typename U>
Walk<U> WindowWalk(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  Walk<U> walk;
  walk.kernel_y = DimField<U>(words[9]);
  walk.kernel_x = DimField<U>(words[10]);
  walk.stride_y = DimField<U>(words[11]);
  walk.stride_x = DimField<U>(words[12]);
  walk.padding_y = DimField<U>(words[13]);
  walk.padding_x = DimField<U>(words[14]);
  walk.dilation_y = DimField<U>(words[15]);
  walk.dilation_x = DimField<U>(words[16]);
  return walk;
}

}  // namespace detail

template <typename U>
struct MatmulOp {
  bool input_signed, logits, argmax, window;
  Tensor<U> source;
  typename U::Address source_words;  // of one group of channels: blocks * planes
  Walk<U> walk;
  Tensor<U> destination;
  typename U::Dim group_pixels, groups_per_line;
  typename U::Count groups, steps, pixel_tiles, row_tiles;
  typename U::Group tile_groups;
  typename U::Shift shift;
  typename U::Bound low, high;
  typename U::Dim repeat;
  typename U::Count channel_group_tiles;     // row tiles that read the same channels
  typename U::Address channel_group_stride;  // from their first block to the next ones'
};

template <typename U>
MatmulOp<U> DecodeMatmul(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  MatmulOp<U> op;
  op.input_signed = detail::Flag<U>(words[1], kFlagSigned);
  op.logits = detail::Flag<U>(words[1], kMatmulLogits);
  op.argmax = detail::Flag<U>(words[1], kMatmulArgmax);
  op.window = detail::Flag<U>(words[1], kMatmulWindow);
  op.source = detail::SourceTensor<U>(words);
  const typename U::Address blocks = detail::AddressField<U>(words[5]);
  op.source_words = op.source.planes == 2 ? static_cast<typename U::Address>(blocks + blocks)
                                          : blocks;
  op.walk = detail::WindowWalk<U>(words);
  op.destination = detail::DestinationTensor<U>(words);
  op.group_pixels = detail::DimField<U>(words[23]);
  op.groups_per_line = detail::DimField<U>(words[24]);
  op.groups = detail::CountField<U>(words[25]);
  op.tile_groups = detail::Natural<U, typename U::Group, U::kGroupBits - 1>(words[26]);
  op.pixel_tiles = detail::CountField<U>(words[27]);
  op.row_tiles = detail::CountField<U>(words[28]);
  op.shift = detail::Natural<U, typename U::Shift, 6>(words[29]);
  op.low = detail::BoundField<U>(words[30]);
  op.high = detail::BoundField<U>(words[31]);
  op.steps = detail::CountField<U>(words[32]);
  op.repeat = detail::DimField<U>(words[33]);
  op.channel_group_tiles = detail::CountField<U>(words[34]);
  op.channel_group_stride = detail::AddressField<U>(words[35]);
  RMSMP_SIM(sim::Require(op.tile_groups <= U::kGroups, "a pixel tile is larger than tile_groups",
                         "groups", static_cast<long long>(op.tile_groups)));
  RMSMP_SIM(sim::Require(op.group_pixels <= U::kPixels, "a group is larger than pixels",
                         "group pixels", static_cast<long long>(op.group_pixels)));
  RMSMP_SIM(sim::Require(!op.window || (U::kWindowTaps > 1 && op.walk.stride_x <= 2),
                         "the array has no such window", "stride",
                         static_cast<long long>(op.walk.stride_x)));
  RMSMP_SIM(sim::Require(!op.window || (op.group_pixels - 1) * op.walk.stride_x < U::kBanks,
                         "the pixels of a window pass the banks", "group pixels",
                         static_cast<long long>(op.group_pixels)));
  RMSMP_SIM(sim::Require(op.channel_group_tiles >= 1, "a group of channels has no row tile",
                         "row tiles", static_cast<long long>(op.channel_group_tiles)));
  RMSMP_SIM(sim::Require(
      static_cast<int>(op.channel_group_stride) % static_cast<int>(op.source.planes) == 0,
      "a group of channels does not begin at a whole block", "address offset",
      static_cast<long long>(op.channel_group_stride)));
  return op;
}

template <typename U>
struct VectorOp {
  bool a_signed, b_signed, maximum, binary, table, multiply, broadcast;
  Tensor<U> a, b;
  typename U::Dim blocks;
  Walk<U> walk;
  Tensor<U> destination;
  typename U::Storage::template Int<18> multiplier_a, multiplier_b;
  typename U::Shift shift;
  typename U::Bound low, high;
  typename U::Storage::template Int<48> bias;
  typename U::Dim tap_planes;          // iterations per tap
  typename U::Dim repeat_y, repeat_x;  // output pixels per source pixel
};

template <typename U>
VectorOp<U> DecodeVector(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  VectorOp<U> op;
  op.a_signed = detail::Flag<U>(words[1], kFlagSigned);
  op.b_signed = detail::Flag<U>(words[1], kVectorSignedB);
  op.maximum = detail::Flag<U>(words[1], kVectorMaximum);
  op.binary = detail::Flag<U>(words[1], kVectorBinary);
  op.table = detail::Flag<U>(words[1], kVectorTable);
  op.multiply = detail::Flag<U>(words[1], kVectorMultiply);
  op.broadcast = detail::Flag<U>(words[1], kVectorBroadcast);
  op.a = detail::SourceTensor<U>(words);
  op.b = detail::SecondTensor<U>(words);
  op.blocks = detail::DimField<U>(words[5]);
  op.walk = detail::WindowWalk<U>(words);
  op.destination = detail::DestinationTensor<U>(words);
  op.multiplier_a = T::template AsSigned<18>(T::template LowBits<18>(words[27]));
  op.multiplier_b = T::template AsSigned<18>(T::template LowBits<18>(words[28]));
  op.shift = detail::Natural<U, typename U::Shift, 6>(words[29]);
  op.low = detail::BoundField<U>(words[30]);
  op.high = detail::BoundField<U>(words[31]);
  typedef typename T::template Uint<48> Bits48;
  const Bits48 low_bits = static_cast<Bits48>(T::template LowBits<32>(words[32]));
  const Bits48 high_bits = static_cast<Bits48>(T::template LowBits<16>(words[33]));
  op.bias = T::template AsSigned<48>(static_cast<Bits48>((high_bits << 32) | low_bits));
  op.tap_planes = detail::DimField<U>(words[34]);
  op.repeat_y = detail::DimField<U>(words[35]);
  op.repeat_x = detail::DimField<U>(words[36]);
  RMSMP_SIM(sim::Require(op.binary || !(op.multiply || op.broadcast),
                         "an operation of one operand has flags of two", "flags",
                         static_cast<long long>(words[1])));
  RMSMP_SIM(sim::Require(op.maximum + op.table + op.multiply <= 1,
                         "a vector operation is two things at once", "flags",
                         static_cast<long long>(words[1])));
  RMSMP_SIM(sim::Require(!op.table || (!op.binary && op.walk.kernel_y == 1 && op.walk.kernel_x == 1),
                         "a table has more than one tap", "kernel width",
                         static_cast<long long>(op.walk.kernel_x)));
  RMSMP_SIM(sim::Require(op.repeat_y >= 1 && op.repeat_x >= 1,
                         "a source pixel is repeated zero times", "repeat",
                         static_cast<long long>(op.repeat_x)));
  return op;
}

/// LOAD and STORE.
template <typename U>
struct TransferOp {
  bool is_signed;
  Tensor<U> tensor;
  typename U::Dim chunks;  // of four channels
};

template <typename U>
TransferOp<U> DecodeTransfer(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  TransferOp<U> op;
  op.is_signed = detail::Flag<U>(words[1], kFlagSigned);
  op.tensor = detail::SourceTensor<U>(words);
  op.chunks = detail::DimField<U>(words[5]);
  return op;
}

/// LOAD of a folded tensor: slot kx * channels + c of pixel (y, xo) is channel c of the image's
/// pixel (y, xo * stride + kx - padding_left).
template <typename U>
struct FoldOp {
  Tensor<U> tensor;  // where the folded tensor lies; height and width are the image's
  typename U::Dim columns;   // of a line in one step: 1, 2 or 4
  typename U::Dim kernel, stride, padding_left, padding_right;
  typename U::Dim width;     // of the folded tensor
  typename U::Dim channels;  // of the image: 1 .. 4
};

template <typename U>
FoldOp<U> DecodeFold(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  FoldOp<U> op;
  op.tensor = detail::SourceTensor<U>(words);
  op.columns = detail::DimField<U>(words[9]);
  op.kernel = detail::DimField<U>(words[10]);
  op.stride = detail::DimField<U>(words[12]);
  op.padding_left = detail::DimField<U>(words[14]);
  op.padding_right = detail::DimField<U>(words[17]);
  op.width = detail::DimField<U>(words[19]);
  op.channels = detail::DimField<U>(words[35]);
  RMSMP_SIM(sim::Require(words[5] == 1 && op.channels >= 1 && op.channels <= 4,
                         "a folded input has 1 .. 4 channels in one word", "channels",
                         static_cast<long long>(op.channels)));
  RMSMP_SIM(sim::Require(op.kernel * op.channels <= U::kChannels,
                         "a folded kernel row passes the channel positions", "kernel width",
                         static_cast<long long>(op.kernel)));
  RMSMP_SIM(sim::Require(op.columns == 1 || op.columns == 2 || op.columns == 4,
                         "a step of a folded input has 1, 2 or 4 columns", "columns",
                         static_cast<long long>(op.columns)));
  RMSMP_SIM(sim::Require(op.kernel >= 1 && op.kernel + op.columns - 1 <= op.stride * U::kBanks,
                         "folded pixels of one step lie in one bank", "kernel width",
                         static_cast<long long>(op.kernel)));
  RMSMP_SIM(sim::Require(op.width >= 1 && (op.width - 1) * op.stride + op.kernel <=
                             op.padding_left + op.tensor.width + op.padding_right,
                         "a folded pixel passes the image and its padding", "folded width",
                         static_cast<long long>(op.width)));
  return op;
}

/// SAVE and RESTORE: `runs` runs of `run` addresses, their starts `stride` apart.
template <typename U>
struct SpillOp {
  typename U::Address base, run, runs, stride;
  typename U::Count first;  // word of the spill port
};

template <typename U>
SpillOp<U> DecodeSpill(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  SpillOp<U> op;
  op.base = detail::AddressField<U>(words[2]);
  op.run = detail::AddressField<U>(words[3]);
  op.runs = detail::AddressField<U>(words[4]);
  op.stride = detail::AddressField<U>(words[5]);
  op.first = detail::CountField<U>(words[6]);
  RMSMP_SIM(sim::Require(op.run >= 1 && op.runs >= 1, "a spilled tensor has no address", "runs",
                         static_cast<long long>(op.runs)));
  RMSMP_SIM(sim::Require(op.runs == 1 || op.stride >= op.run, "spilled runs overlap", "stride",
                         static_cast<long long>(op.stride)));
  return op;
}

}  // namespace rmsmp
