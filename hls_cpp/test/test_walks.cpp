/// walks.hpp: the counters equal the nested loops they replace; block lengths the formula.
#include "check.hpp"
#include "arrays.hpp"
#include "dies.hpp"
#include "walks.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;

static rmsmp::MatmulOp<U> Op() {
  rmsmp::MatmulOp<U> op = rmsmp::MatmulOp<U>();
  op.source.planes = 2;
  op.source.pixel_stride = 24;
  op.source_words = 6;
  op.channel_group_tiles = 3;
  op.channel_group_stride = 8;
  op.walk.kernel_y = 3;
  op.walk.kernel_x = 2;
  op.walk.stride_y = 2;
  op.walk.stride_x = 3;
  op.walk.padding_y = 1;
  op.walk.padding_x = 4;
  op.walk.dilation_y = 5;
  op.walk.dilation_x = 2;
  op.group_pixels = 2;
  op.groups_per_line = 4;
  op.tile_groups = 11;
  op.groups = 25;
  op.steps = 36;
  op.repeat = 2;
  return op;
}

/// A group of channels whose blocks do not lie inside the tensor.
struct PastTheTensor {
  void operator()() const {
    rmsmp::StepWalk<U> step;
    step.Reset(Op(), 20);
  }
};

int main() {
  const rmsmp::MatmulOp<U> op = Op();
  rmsmp::GroupWalk<U> group;
  group.Reset();
  for (int y = 0; y < 3; ++y) {
    for (int g = 0; g < 4; ++g) {
      CHECK_EQUAL(group.y, y);
      CHECK_EQUAL(group.x, 2 * g);
      CHECK_EQUAL(group.source_y, 2 * y);
      CHECK_EQUAL(group.source_x, 6 * g);
      group.Next(op, 6);
    }
  }

  // Row tiles 0 .. 7 of two pixel tiles: three per group of channels.
  rmsmp::ChannelGroupWalk<U> channels;
  channels.Reset();
  for (int pixel_tile = 0; pixel_tile < 2; ++pixel_tile) {
    for (int row_tile = 0; row_tile < 8; ++row_tile) {
      CHECK_EQUAL(channels.offset, row_tile / 3 * 8);
      channels.Next(op, row_tile == 7);
    }
  }

  rmsmp::StepWalk<U> step;
  for (int group = 0; group < 3; ++group) {
    step.Reset(op, static_cast<U::Address>(8 * group));
    for (int ky = 0; ky < 3; ++ky) {
      for (int kx = 0; kx < 2; ++kx) {
        for (int block = 0; block < 3; ++block) {
          for (int plane = 0; plane < 2; ++plane) {
            CHECK_EQUAL(step.y, 5 * ky - 1);
            CHECK_EQUAL(step.x, 2 * kx - 4);
            CHECK_EQUAL(step.offset, 8 * group + 2 * block + plane);
            CHECK_EQUAL(step.high_plane, plane == 1);
            step.Next(op);
          }
        }
      }
    }
  }
  CHECK(Dies(PastTheTensor()));

  group.Reset();
  rmsmp::DrainWalk<U> drain;
  drain.Reset(group);
  for (int g = 0; g < 6; ++g) {
    for (int rows = 0; rows < 4; ++rows) {
      for (int repeat = 0; repeat < 2; ++repeat) {
        CHECK_EQUAL(drain.group_number, g);
        CHECK_EQUAL(drain.group.x, 2 * (g % 4));
        CHECK_EQUAL(drain.group.y, g / 4);
        CHECK_EQUAL(drain.rows, rows);
        CHECK_EQUAL(drain.repeat, repeat);
        drain.Next(op, 6);
      }
    }
  }

  // Array of config.hpp: 8 rows, 2 per drain cycle, 5 words per tile, min_step 8.
  rmsmp::BlockPlan<U> plan;
  plan.Make(op, 0, 3, 25, 0);
  CHECK(plan.computes && !plan.drains && !plan.last);
  CHECK_EQUAL(plan.groups, 11);
  CHECK_EQUAL(plan.step_length, 11);
  CHECK_EQUAL(plan.length, 36 * 11 + 5);
  plan.Make(op, 2, 3, 3, 11);
  CHECK(plan.computes && plan.drains && plan.last);
  CHECK_EQUAL(plan.groups, 3);
  CHECK_EQUAL(plan.step_length, 8);
  CHECK_EQUAL(plan.drain_length, 11 * 4 * 2);
  CHECK_EQUAL(plan.length, 36 * 8);
  plan.Make(op, 3, 3, 0, 3);
  CHECK(!plan.computes && plan.drains);
  CHECK_EQUAL(plan.length, 3 * 4 * 2);
  rmsmp::MatmulOp<U> small = op;
  small.steps = 1;
  small.groups = 1;
  small.tile_groups = 1;
  plan.Make(small, 1, 2, 1, 1);
  CHECK_EQUAL(plan.length, 8);

  // More rows than cycles of compute: the parameters decide.
  typedef rmsmp::Units<arrays::LutOnly, rmsmp::Types> V;
  rmsmp::MatmulOp<V> short_op = rmsmp::MatmulOp<V>();
  short_op.steps = 1;
  short_op.groups = 1;
  short_op.tile_groups = 1;
  short_op.repeat = 1;
  rmsmp::BlockPlan<V> short_plan;
  short_plan.Make(short_op, 1, 2, 1, 1);
  CHECK_EQUAL(short_plan.length, 12);
  return check::Finish();
}
