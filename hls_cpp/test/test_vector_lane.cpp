/// vector_lane.hpp: codes from nibbles, and the largest products, sums and biases.
#include "arrays.hpp"
#include "check.hpp"
#include "vector_lane.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
typedef rmsmp::LaneState<U> Lane;

static const rmsmp::Tables<U>::Lane kNoTable = {};

static rmsmp::VectorOp<U> Op() {
  rmsmp::VectorOp<U> op = rmsmp::VectorOp<U>();
  op.low = static_cast<U::Bound>(-2147483647 - 1);
  op.high = 2147483647;
  return op;
}

/// Send one code, plane after plane; the result after its last plane.
static long long Take(const rmsmp::VectorOp<U>& op, int code, bool first, bool is_b, int planes,
                      bool is_signed, Lane& lane) {
  long long result = 0;
  for (int plane = 0; plane < 2; ++plane) {
    rmsmp::TapControl<U> tap;
    tap.first = first;
    tap.is_b = is_b;
    tap.inside = true;
    tap.high_plane = plane == 1;
    tap.whole = plane == 1;
    tap.two_planes = planes == 2;
    tap.is_signed = is_signed;
    const int nibble = planes == 2 ? code >> (4 * plane) : code;
    result = static_cast<long long>(rmsmp::VectorLane<U>(
        op, tap, static_cast<U::Nibble>(nibble & 15), kNoTable, lane));
  }
  return result;
}

int main() {
  Lane lane;
  lane.Clear();

  // Codes of every format, through a sum with multiplier 1.
  rmsmp::VectorOp<U> copy = Op();
  copy.multiplier_a = 1;
  for (int code = -128; code < 256; ++code) {
    if (code < 128) CHECK_EQUAL(Take(copy, code, true, false, 2, true, lane), code);
    if (code >= 0) CHECK_EQUAL(Take(copy, code, true, false, 2, false, lane), code);
    if (code >= -8 && code < 8) CHECK_EQUAL(Take(copy, code, true, false, 1, true, lane), code);
    if (code >= 0 && code < 16) CHECK_EQUAL(Take(copy, code, true, false, 1, false, lane), code);
  }

  // Products at the ends of their ranges; what was in the accumulator does not matter.
  rmsmp::VectorOp<U> product = Op();
  product.binary = true;
  product.multiply = true;
  product.shift = 4;
  const int ends[] = {-128, -127, -1, 0, 1, 127, 128, 255};
  const int multipliers[] = {-131072, -1, 1, 131071};
  for (int a : ends) {
    for (int b : ends) {
      for (int multiplier : multipliers) {
        product.multiplier_a = multiplier;
        product.bias = 8;
        Take(product, a & 255, true, false, 2, a < 0, lane);
        const long long exact = (static_cast<long long>(a) * b * multiplier + 8) >> 4;
        const long long top = 2147483647;
        const long long clamped = exact > top ? top : exact < -top - 1 ? -top - 1 : exact;
        CHECK_EQUAL(Take(product, b & 255, false, true, 2, b < 0, lane), clamped);
      }
    }
  }

  // A sum with the largest bias does not wrap.
  rmsmp::VectorOp<U> sum = Op();
  sum.binary = true;
  sum.multiplier_a = 131071;
  sum.multiplier_b = -131072;
  sum.shift = 20;
  sum.bias = 140737488355327ll;
  Take(sum, 255, true, false, 2, false, lane);
  CHECK_EQUAL(Take(sum, -128, false, true, 2, true, lane),
              (131071ll * 255 + 131072ll * 128 + 140737488355327ll) >> 20);
  return check::Finish();
}
