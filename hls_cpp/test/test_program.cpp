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
  words[35] = 136;
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
  CHECK_EQUAL(op.channel_group_tiles, 134);
  CHECK_EQUAL(op.channel_group_stride, 136);
}

static void TestVector() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  words[1] = 106;
  words[27] = static_cast<U::Word32>(-131072);
  words[28] = 131071;
  words[29] = 20;
  words[32] = 0x80000001u;
  words[33] = static_cast<U::Word32>(-2);
  const rmsmp::VectorOp<U> op = rmsmp::DecodeVector<U>(words);
  CHECK(!op.a_signed && op.b_signed && !op.maximum && op.binary);
  CHECK(!op.table && op.multiply && op.broadcast);
  CHECK_EQUAL(op.blocks, 105);
  CHECK_EQUAL(op.b.base, 123);
  CHECK_EQUAL(op.b.planes, 124);
  CHECK_EQUAL(op.b.line_stride, 125);
  CHECK_EQUAL(op.b.pixel_stride, 126);
  CHECK_EQUAL(op.multiplier_a, -131072);
  CHECK_EQUAL(op.multiplier_b, 131071);
  CHECK_EQUAL(op.shift, 20);
  CHECK_EQUAL(op.bias, -8589934592ll + 0x80000001ll);
  CHECK_EQUAL(op.b.height, 103);
  CHECK_EQUAL(op.tap_planes, 134);
  CHECK_EQUAL(op.repeat_y, 135);
  CHECK_EQUAL(op.repeat_x, 136);
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

static void TestFold() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  words[5] = 1;
  words[9] = 4;
  words[10] = 2;
  words[12] = 3;
  words[14] = 4;
  words[17] = 5;
  words[19] = 30;
  words[35] = 4;
  const rmsmp::FoldOp<U> op = rmsmp::DecodeFold<U>(words);
  CHECK_EQUAL(op.tensor.width, 104);
  CHECK_EQUAL(op.tensor.planes, 106);
  CHECK_EQUAL(op.columns, 4);
  CHECK_EQUAL(op.kernel, 2);
  CHECK_EQUAL(op.stride, 3);
  CHECK_EQUAL(op.padding_left, 4);
  CHECK_EQUAL(op.padding_right, 5);
  CHECK_EQUAL(op.width, 30);
  CHECK_EQUAL(op.channels, 4);
}

static void TestSpill() {
  U::Word32 words[rmsmp::kOperationWords];
  Fill(words);
  const rmsmp::SpillOp<U> op = rmsmp::DecodeSpill<U>(words);
  CHECK_EQUAL(op.base, 102);
  CHECK_EQUAL(op.run, 103);
  CHECK_EQUAL(op.runs, 104);
  CHECK_EQUAL(op.stride, 105);
  CHECK_EQUAL(op.first, 106);
}

/// A legal MATMUL but for one word. A number that its field cannot hold is refused, not cut.
struct Matmul {
  int word;
  uint32_t number;
  void operator()() const {
    U::Word32 words[rmsmp::kOperationWords];
    Fill(words);
    words[6] = 2;
    words[23] = 1;
    words[26] = 1;
    words[29] = 1;
    words[35] = 4;
    words[word] = number;
    rmsmp::DecodeMatmul<U>(words);
  }
};

/// Flags of a vector operation with a 1 x 1 window.
struct Vector {
  uint32_t flags, kernel, repeat;
  void operator()() const {
    U::Word32 words[rmsmp::kOperationWords];
    Fill(words);
    words[1] = flags;
    words[9] = 1;
    words[10] = kernel;
    words[29] = 1;
    words[35] = repeat;
    rmsmp::DecodeVector<U>(words);
  }
};

/// A legal folded load but for one word: kernel 2 x 4 channels = the 8 channel positions.
struct Fold {
  int word;
  uint32_t number;
  void operator()() const {
    U::Word32 words[rmsmp::kOperationWords];
    Fill(words);
    const uint32_t fields[][2] = {{5, 1},  {9, 2},  {10, 2},   {12, 1},
                                  {14, 0}, {17, 0}, {19, 103}, {35, 4}};
    for (const uint32_t(&field)[2] : fields) words[field[0]] = static_cast<U::Word32>(field[1]);
    words[word] = number;
    rmsmp::DecodeFold<U>(words);
  }
};

struct Spill {
  int word;
  uint32_t number;
  void operator()() const {
    U::Word32 words[rmsmp::kOperationWords];
    Fill(words);
    words[word] = number;
    rmsmp::DecodeSpill<U>(words);
  }
};

int main() {
  TestMatmul();
  TestVector();
  TestTransfer();
  TestFold();
  TestSpill();
  const Matmul none = {6, 1}, width = {4, 8192}, base = {2, 1u << 20}, tile = {26, 17},
               group = {23, 3}, shift = {29, 64}, no_tile = {34, 0}, half_block = {35, 3};
  CHECK(!Dies(none));
  CHECK(Dies(width));
  CHECK(Dies(base));
  CHECK(Dies(tile));
  CHECK(Dies(group));
  CHECK(Dies(shift));
  CHECK(Dies(no_tile));
  CHECK(Dies(half_block));
  const Vector table = {16, 1, 1}, product = {40, 1, 1}, table_of_window = {16, 2, 1},
               lone_product = {32, 1, 1}, lone_broadcast = {64, 1, 1}, both = {20, 1, 1},
               never = {4, 1, 0};
  CHECK(!Dies(table) && !Dies(product));
  CHECK(Dies(table_of_window));
  CHECK(Dies(lone_product));
  CHECK(Dies(lone_broadcast));
  CHECK(Dies(both));
  CHECK(Dies(never));
  const Fold whole = {6, 1}, two_words = {5, 2}, wide = {10, 3}, five = {35, 5}, past = {19, 104};
  const Fold sparse = {12, 0}, three = {9, 3}, crowded = {9, 4}, no_column = {9, 0};
  CHECK(!Dies(whole));
  CHECK(Dies(two_words));
  CHECK(Dies(wide));
  CHECK(Dies(five));
  CHECK(Dies(past));
  CHECK(Dies(sparse));
  CHECK(Dies(three));
  CHECK(Dies(crowded));
  CHECK(Dies(no_column));
  const Spill runs = {6, 1}, overlap = {5, 102}, empty = {3, 0};
  CHECK(!Dies(runs));
  CHECK(Dies(overlap));
  CHECK(Dies(empty));
  return check::Finish();
}
