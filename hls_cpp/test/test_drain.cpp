/// drain.hpp: rows and pixels to their positions, banks and planes; logits; conflicts caught.
#include "check.hpp"
#include "arrays.hpp"
#include "dies.hpp"
#include "drain.hpp"

typedef rmsmp::Units<arrays::PotE1, rmsmp::Types> U;
static U::Memory memory;

static rmsmp::MatmulOp<U> Op(int planes, bool logits) {
  rmsmp::MatmulOp<U> op = rmsmp::MatmulOp<U>();
  op.logits = logits;
  op.destination.base = 5;
  op.destination.height = 4;
  op.destination.width = 11;
  op.destination.line_stride = static_cast<U::Address>(2 * 3 * planes);
  op.destination.pixel_stride = static_cast<U::Address>(3 * planes);
  op.destination.planes = static_cast<U::Dim>(planes);
  op.group_pixels = 3;
  op.shift = 4;
  op.low = -100;
  op.high = 100;
  return op;
}

/// 16 of row 0, of row q 16 - 2^(q - 1): two terms, as the array adds them.
static int Multiplier(int q) { return q == 0 ? 16 : 16 - (1 << (q - 1)); }
static int Stored(int q) {
  const int bits = 4 | ((q == 0 ? 31 : (q - 1) | 32) << 6) | (31 << 12);
  return bits >= 1 << 17 ? bits - (1 << 18) : bits;
}

static void Rows(rmsmp::RowParams<U> (&rows)[U::kDrainRows]) {
  for (int q = 0; q < U::kDrainRows; ++q) {
    rows[q].multiplier = static_cast<rmsmp::Types::Int<18> >(Stored(q));
    rows[q].bias = 8;
    rows[q].correction = q;
    rows[q].position = static_cast<U::Position>((3 * q + 2) % 16);
    rows[q].block = static_cast<rmsmp::Types::Uint<16> >(q % 3);
    rows[q].valid = q != 1;
  }
}

static int Expected(int acc, int q) {
  const int scaled = (acc + q) * Multiplier(q) + 8;
  const int y = scaled >= 0 ? scaled / 16 : -((15 - scaled) / 16);
  return y < -100 ? -100 : y > 100 ? 100 : y;
}

struct SamePosition {
  void operator()() const {
    U::Acc accs[U::kDrainRows * U::kPixels] = {0};
    rmsmp::RowParams<U> rows[U::kDrainRows];
    Rows(rows);
    rows[0].position = rows[2].position;
    U::Stream32 output("output");
    rmsmp::Argmax<U> argmax;
    argmax.Reset();
    rmsmp::DrainPlace<U> place;
    place.y = 0;
    place.x = 0;
    place.repeat = 0;
    place.active = true;
    rmsmp::DrainCycle<U>(Op(1, false), place, accs, rows, memory, output, argmax);
  }
};

int main() {
  check::Random random(9);
  U::Acc accs[U::kDrainRows * U::kPixels];
  rmsmp::RowParams<U> rows[U::kDrainRows];
  Rows(rows);
  U::Stream32 output("output");
  rmsmp::Argmax<U> argmax;
  for (int planes = 1; planes <= 2; ++planes) {
    const rmsmp::MatmulOp<U> op = Op(planes, false);
    for (int y = 0; y < 4; ++y) {
      for (int x = 0; x < 11; x += 3) {
        for (int m = 0; m < U::kDrainRows * U::kPixels; ++m) {
          accs[m] = static_cast<U::Acc>(random.In(-150, 150));
        }
        for (int plane = 0; plane < planes; ++plane) {
          rmsmp::DrainPlace<U> place;
          place.y = static_cast<U::Coord>(y);
          place.x = static_cast<U::Coord>(x);
          place.repeat = static_cast<U::Dim>(plane);
          place.active = true;
          for (int b = 0; b < U::kBanks; ++b) {
            for (int a = 0; a < 200; ++a) {
              for (int n = 0; n < U::kChannels; ++n) memory[b][a][n] = 9;
            }
          }
          rmsmp::DrainCycle<U>(op, place, accs, rows, memory, output, argmax);
          int written = 0;
          for (int q = 0; q < U::kDrainRows; ++q) {
            for (int p = 0; p < 3 && x + p < 11; ++p) {
              if (q == 1) continue;
              const int address = 5 + y * 2 * 3 * planes + (x + p) / 8 * 3 * planes +
                                  (q % 3) * planes + plane;
              const int code = Expected(static_cast<int>(accs[q * U::kPixels + p]), q);
              CHECK_EQUAL(memory[(x + p) % 8][address][(3 * q + 2) % 16],
                          ((code + 1024) >> (4 * plane)) & 15);
              memory[(x + p) % 8][address][(3 * q + 2) % 16] = 9;
              ++written;
            }
          }
          CHECK(written > 0);
          int others = 0;
          for (int b = 0; b < U::kBanks; ++b) {
            for (int a = 0; a < 200; ++a) {
              for (int n = 0; n < U::kChannels; ++n) others += memory[b][a][n] != 9 ? 1 : 0;
            }
          }
          CHECK_EQUAL(others, 0);
        }
      }
    }
  }
  CHECK(output.empty());

  // Logits: every row is sent, also one without a channel; the argmax skips that one.
  argmax.Reset();
  const rmsmp::MatmulOp<U> op = Op(1, true);
  const int values[] = {10, 1000, 30, 20};
  for (int q = 0; q < U::kDrainRows; ++q) accs[q * U::kPixels] = static_cast<U::Acc>(values[q]);
  for (int q = 0; q < U::kDrainRows; ++q) {
    rmsmp::DrainPlace<U> place;
    place.y = 0;
    place.x = 0;
    place.repeat = static_cast<U::Dim>(q);
    place.active = true;
    rmsmp::DrainCycle<U>(op, place, accs, rows, memory, output, argmax);
    CHECK_EQUAL(output.read(), values[q] + q);
  }
  CHECK_EQUAL(argmax.Winner(), 2 * 16 + 8);
  CHECK(Dies(SamePosition()));
  return check::Finish();
}
