/// vector_walk.hpp: the counters equal the nested loops they replace.
#include "arrays.hpp"
#include "check.hpp"
#include "vector_walk.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;

static rmsmp::VectorOp<U> Op() {
  rmsmp::VectorOp<U> op = rmsmp::VectorOp<U>();
  op.blocks = 2;
  op.walk.kernel_y = 2;
  op.walk.kernel_x = 3;
  op.walk.stride_y = 3;
  op.walk.stride_x = 2;
  op.walk.padding_y = 1;
  op.walk.padding_x = 2;
  op.walk.dilation_y = 5;
  op.walk.dilation_x = 4;
  op.destination.height = 5;
  op.destination.width = 7;
  op.tap_planes = 2;
  op.repeat_y = 2;
  op.repeat_x = 3;
  return op;
}

static void Check(const rmsmp::VectorOp<U>& op) {
  const int lines = op.binary ? 1 : 2, columns = op.binary ? 2 : 3;
  const int step_y = op.binary ? 0 : 5, step_x = op.binary ? 0 : 4;
  rmsmp::detail::VectorWalk<U> walk;
  walk.Reset(op);
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 7; ++x) {
      for (int chunk = 0; chunk < 2 * U::kChunks; ++chunk) {
        for (int ky = 0; ky < lines; ++ky) {
          for (int kx = 0; kx < columns; ++kx) {
            for (int plane = 0; plane < 2; ++plane) {
              CHECK_EQUAL(walk.y, y);
              CHECK_EQUAL(walk.x, x);
              CHECK_EQUAL(walk.source_y, y / 2 * 3 - 1);
              CHECK_EQUAL(walk.source_x, x / 3 * 2 - 2);
              CHECK_EQUAL(walk.block, chunk / U::kChunks);
              CHECK_EQUAL(walk.position, chunk % U::kChunks * U::kVectorLanes);
              CHECK_EQUAL(walk.tap_y, step_y * ky);
              CHECK_EQUAL(walk.tap_x, step_x * kx);
              CHECK_EQUAL(walk.high_plane, plane == 1);
              CHECK_EQUAL(walk.FirstTap(), ky == 0 && kx == 0);
              CHECK_EQUAL(walk.LastTap(op), ky == lines - 1 && kx == columns - 1);
              walk.Next(op);
            }
          }
        }
      }
    }
  }
}

int main() {
  rmsmp::VectorOp<U> op = Op();
  Check(op);
  op.binary = true;
  Check(op);
  return check::Finish();
}
