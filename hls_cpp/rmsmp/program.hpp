/// Operation records of the program: 32-bit words to typed fields (docs/packed-design.md).
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

enum { kHeaderWords = 8, kOperationWords = 40, kSegmentWords = 3 };
enum { kMagic = 0x4d534d52, kVersion = 1 };
enum { kLoad = 1, kMatmul = 2, kVector = 3, kStore = 4 };
enum { kFlagSigned = 1, kFlagSignedB = 2, kFlagLogits = 2, kFlagArgmax = 4, kFlagMaximum = 4,
       kFlagBinary = 8 };

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

/// Words 2 .. 8: the tensor that an operation reads (LOAD: writes).
template <typename U>
Tensor<U> SourceTensor(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  Tensor<U> tensor;
  tensor.base = AddressField<U>(words[2]);
  tensor.height = DimField<U>(words[3]);
  tensor.width = DimField<U>(words[4]);
  tensor.planes = DimField<U>(words[6]);
  tensor.line_stride = AddressField<U>(words[7]);
  tensor.pixel_stride = AddressField<U>(words[8]);
  return tensor;
}

/// Words 17 .. 22: the tensor that an operation writes.
template <typename U>
Tensor<U> DestinationTensor(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  Tensor<U> tensor;
  tensor.base = AddressField<U>(words[17]);
  tensor.height = DimField<U>(words[18]);
  tensor.width = DimField<U>(words[19]);
  tensor.planes = DimField<U>(words[20]);
  tensor.line_stride = AddressField<U>(words[21]);
  tensor.pixel_stride = AddressField<U>(words[22]);
  return tensor;
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
  bool input_signed, logits, argmax;
  Tensor<U> source;
  typename U::Address source_words;  // blocks * planes: address offsets of one pixel
  Walk<U> walk;
  Tensor<U> destination;
  typename U::Dim group_pixels, groups_per_line;
  typename U::Count groups, steps, pixel_tiles, row_tiles;
  typename U::Group tile_groups;
  typename U::Shift shift;
  typename U::Bound low, high;
  typename U::Dim repeat;
};

template <typename U>
MatmulOp<U> DecodeMatmul(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  MatmulOp<U> op;
  op.input_signed = detail::Flag<U>(words[1], kFlagSigned);
  op.logits = detail::Flag<U>(words[1], kFlagLogits);
  op.argmax = detail::Flag<U>(words[1], kFlagArgmax);
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
  RMSMP_SIM(sim::Require(op.tile_groups <= U::kGroups, "a pixel tile is larger than tile_groups",
                         "groups", static_cast<long long>(op.tile_groups)));
  RMSMP_SIM(sim::Require(op.group_pixels <= U::kPixels, "a group is larger than pixels",
                         "group pixels", static_cast<long long>(op.group_pixels)));
  return op;
}

template <typename U>
struct VectorOp {
  bool a_signed, b_signed, maximum, binary;
  Tensor<U> a;
  typename U::Dim blocks;
  Walk<U> walk;
  Tensor<U> destination;
  Tensor<U> b;  // height and width are those of `a`
  typename U::Storage::template Int<18> multiplier_a, multiplier_b;
  typename U::Shift shift;
  typename U::Bound low, high;
  typename U::Storage::template Int<48> bias;
  typename U::Dim tap_planes;  // iterations per tap
};

template <typename U>
VectorOp<U> DecodeVector(const typename U::Word32 (&words)[kOperationWords]) {
#pragma HLS INLINE
  typedef typename U::Storage T;
  VectorOp<U> op;
  op.a_signed = detail::Flag<U>(words[1], kFlagSigned);
  op.b_signed = detail::Flag<U>(words[1], kFlagSignedB);
  op.maximum = detail::Flag<U>(words[1], kFlagMaximum);
  op.binary = detail::Flag<U>(words[1], kFlagBinary);
  op.a = detail::SourceTensor<U>(words);
  op.blocks = detail::DimField<U>(words[5]);
  op.walk = detail::WindowWalk<U>(words);
  op.destination = detail::DestinationTensor<U>(words);
  op.b.base = detail::AddressField<U>(words[23]);
  op.b.height = op.a.height;
  op.b.width = op.a.width;
  op.b.planes = detail::DimField<U>(words[24]);
  op.b.line_stride = detail::AddressField<U>(words[25]);
  op.b.pixel_stride = detail::AddressField<U>(words[26]);
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

}  // namespace rmsmp
