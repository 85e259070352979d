/// program.hpp: every field of every record is the word that docs/packed-design.md says.
#include "check.hpp"
#include "arrays.hpp"
#include "dies.hpp"
#include "program.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;

/// Word i holds 100 + i, small enough for every field but the ones set below.
static void Fill(U::Word32 (&words)[rmsmp::kOperationWords]) {
  for (int i = 0; i < rmsmp::kOperationWords; ++i) words[i] = static_cast<U::Word32>(100 + i);
}

static void TestMatmul() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  words[1] = 5;
  words[6] = 2;
  words[20] = 2;
  words[23] = 2;
  words[26] = 11;
  words[29] = 47;
  words[30] = static_cast<U::Word32>(-7);
  words[31] = 0x7fffffff;
  const rmsmp::MatmulOp<U> op = rmsmp::DecodeMatmul<U>(words);
  CHECK(op.input_signed && !op.logits && op.argmax);
  CHECK_EQUAL(op.source.base, 102);
  CHECK_EQUAL(op.source.height, 103);
  CHECK_EQUAL(op.source.width, 104);
  CHECK_EQUAL(op.source_words, 210);
  CHECK_EQUAL(op.source.planes, 2);
  CHECK_EQUAL(op.source.line_stride, 107);
  CHECK_EQUAL(op.source.pixel_stride, 108);
  CHECK_EQUAL(op.walk.kernel_y, 109);
  CHECK_EQUAL(op.walk.kernel_x, 110);
  CHECK_EQUAL(op.walk.stride_y, 111);
  CHECK_EQUAL(op.walk.stride_x, 112);
  CHECK_EQUAL(op.walk.padding_y, 113);
  CHECK_EQUAL(op.walk.padding_x, 114);
  CHECK_EQUAL(op.walk.dilation_y, 115);
  CHECK_EQUAL(op.walk.dilation_x, 116);
  CHECK_EQUAL(op.destination.base, 117);
  CHECK_EQUAL(op.destination.height, 118);
  CHECK_EQUAL(op.destination.width, 119);
  CHECK_EQUAL(op.destination.planes, 2);
  CHECK_EQUAL(op.destination.line_stride, 121);
  CHECK_EQUAL(op.destination.pixel_stride, 122);
  CHECK_EQUAL(op.group_pixels, 2);
  CHECK_EQUAL(op.groups_per_line, 124);
  CHECK_EQUAL(op.groups, 125);
  CHECK_EQUAL(op.tile_groups, 11);
  CHECK_EQUAL(op.pixel_tiles, 127);
  CHECK_EQUAL(op.row_tiles, 128);
  CHECK_EQUAL(op.shift, 47);
  CHECK_EQUAL(op.low, -7);
  CHECK_EQUAL(op.high, 0x7fffffff);
  CHECK_EQUAL(op.steps, 132);
  CHECK_EQUAL(op.repeat, 133);
}

static void TestVector() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  words[1] = 10;
  words[27] = static_cast<U::Word32>(-131072);
  words[28] = 131071;
  words[29] = 20;
  words[32] = 0x80000001u;
  words[33] = static_cast<U::Word32>(-2);
  const rmsmp::VectorOp<U> op = rmsmp::DecodeVector<U>(words);
  CHECK(!op.a_signed && op.b_signed && !op.maximum && op.binary);
  CHECK_EQUAL(op.blocks, 105);
  CHECK_EQUAL(op.b.base, 123);
  CHECK_EQUAL(op.b.planes, 124);
  CHECK_EQUAL(op.b.line_stride, 125);
  CHECK_EQUAL(op.b.pixel_stride, 126);
  CHECK_EQUAL(op.multiplier_a, -131072);
  CHECK_EQUAL(op.multiplier_b, 131071);
  CHECK_EQUAL(op.shift, 20);
  CHECK_EQUAL(op.bias, -8589934592ll + 0x80000001ll);
  CHECK_EQUAL(op.tap_planes, 134);
}

static void TestTransfer() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  words[1] = 1;
  const rmsmp::TransferOp<U> op = rmsmp::DecodeTransfer<U>(words);
  CHECK(op.is_signed);
  CHECK_EQUAL(op.tensor.base, 102);
  CHECK_EQUAL(op.chunks, 105);
  CHECK_EQUAL(op.tensor.planes, 106);
}

/// A number that its field cannot hold is refused, not cut.
struct TooLarge {
  int word;
  uint32_t number;
  void operator()() const {
    U::Word32 words[rmsmp::kOperationWords];
    Fill(words);
    words[6] = 1;
    words[23] = 1;
    words[26] = 1;
    words[29] = 1;
    words[word] = number;
    rmsmp::DecodeMatmul<U>(words);
  }
};

int main() {
  TestMatmul();
  TestVector();
  TestTransfer();
  const TooLarge none = {6, 1}, width = {4, 8192}, base = {2, 1u << 20}, tile = {26, 17},
                 group = {23, 3}, shift = {29, 64};
  CHECK(!Dies(none));
  CHECK(Dies(width));
  CHECK(Dies(base));
  CHECK(Dies(tile));
  CHECK(Dies(group));
  CHECK(Dies(shift));
  return check::Finish();
}
