/// requantize.hpp: the formula at the extremes of every width, and the parameter word.
#include "check.hpp"
#include "arrays.hpp"
#include "requantize.hpp"
#include "words.hpp"

/// floor(value / 2^shift) without shifting a negative number; |value| < 2^62.
static long long FloorShift(long long value, int shift) {
  const long long divisor = 1ll << shift;
  const long long quotient = value / divisor;
  return quotient - (value % divisor < 0 ? 1 : 0);
}

static void PutBits(std::vector<uint8_t>& bytes, int low, int width, long long value) {
  for (int i = 0; i < width; ++i) {
    if ((static_cast<unsigned long long>(value) >> i) & 1) {
      bytes[(low + i) / 8] = static_cast<uint8_t>(bytes[(low + i) / 8] | (1 << ((low + i) % 8)));
    }
  }
}

template <typename Config>
void TestArray() {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  const long long acc_top = (1ll << (Config::kAccBits - 1)) - 1;
  const long long accs[] = {-acc_top - 1, -1000, -1, 0, 1, 999, acc_top};
  const long long multipliers[] = {-(1 << 17), -1, 0, 1, 77777, (1 << 17) - 1};
  const long long bias_top = (1ll << 47) - 1;
  const long long biases[] = {-bias_top - 1, -12345678, 0, 1 << 20, bias_top};
  const int shifts[] = {0, 1, 17, 30, 47};
  const int bounds[][2] = {{0, 15}, {-7, 7}, {-127, 127}, {0, 255}, {INT32_MIN, INT32_MAX}};
  for (long long acc : accs) {
    for (long long multiplier : multipliers) {
      for (long long bias : biases) {
        for (int shift : shifts) {
          for (const int(&bound)[2] : bounds) {
            for (int correction = -1; correction < 2; ++correction) {
              if (acc + correction > acc_top || acc + correction < -acc_top - 1) continue;
              std::vector<uint8_t> bytes(16);
              PutBits(bytes, 0, 18, multiplier);
              PutBits(bytes, 18, 48, bias);
              PutBits(bytes, 66, 32, correction);
              PutBits(bytes, 98, 8, 3);
              PutBits(bytes, 106, 16, 40000);
              PutBits(bytes, 122, 1, 1);
              const rmsmp::RowParams<U> row = rmsmp::DecodeParams<U>(
                  rmsmp::sim::WordsFromBytes<rmsmp::Types, 128>(bytes)[0]);
              CHECK_EQUAL(row.position, 3);
              CHECK_EQUAL(row.block, 40000);
              CHECK(row.valid);
              const typename U::Acc whole =
                  rmsmp::Corrected<U>(static_cast<typename U::Acc>(acc), row);
              CHECK_EQUAL(whole, acc + correction);
              long long expected = FloorShift((acc + correction) * multiplier + bias, shift);
              expected = expected < bound[0] ? bound[0] : expected > bound[1] ? bound[1] : expected;
              CHECK_EQUAL(rmsmp::Requantize<U>(whole, row, static_cast<typename U::Shift>(shift),
                                               static_cast<typename U::Bound>(bound[0]),
                                               static_cast<typename U::Bound>(bound[1])),
                          expected);
            }
          }
        }
      }
    }
  }
}

struct Acc32 : RmsmpConfig {
  enum { kAccBits = 32 };
};

int main() {
  TestArray<RmsmpConfig>();
  TestArray<arrays::ApotE2>();
  TestArray<Acc32>();
  return check::Finish();
}
