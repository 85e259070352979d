/// multiplier.hpp: products of the ends of every width, and of every term alone and together.
#include "arrays.hpp"
#include "check.hpp"
#include "multiplier.hpp"
#include "records.hpp"

typedef rmsmp::Types T;

template <int kBits, int kTerms>
static void TestTerms() {
  typedef rmsmp::Multiplier<T, kBits, kTerms> Times;
  const long long top = (1ll << (kBits - 1)) - 1;
  const long long values[] = {-top - 1, -top, -1234567 % top, -1, 0, 1, 7654321 % top, top};
  check::Random random(kBits * 8 + kTerms);
  for (int i = 0; i < 3000; ++i) {
    const network::Factor factor = network::RandomFactor(random, kTerms, -131072, 131071);
    // Stored numbers are the 18 bits read as two's complement.
    const long long stored = factor.stored >= 131072 ? factor.stored - 262144 : factor.stored;
    for (long long value : values) {
      CHECK_EQUAL(Times::Times(static_cast<T::Int<kBits> >(value), static_cast<T::Int<18> >(stored)),
                  value * factor.value);
    }
  }
}

template <int kTerms>
static void TestEveryTerm() {
  typedef rmsmp::Multiplier<T, 20, kTerms> Times;
  for (int place = 0; place < kTerms; ++place) {
    for (int exponent = 0; exponent < 18; ++exponent) {
      for (int sign = 0; sign < 2; ++sign) {
        if (exponent == 17 && sign == 0) continue;  // 2^17 alone does not fit 18 signed bits
        int bits = 0;
        for (int i = 0; i < 3; ++i) bits |= (i == place ? exponent | (sign << 5) : 31) << (6 * i);
        const int stored = bits >= 131072 ? bits - 262144 : bits;
        const long long power = sign ? -(1ll << exponent) : 1ll << exponent;
        CHECK_EQUAL(Times::Times(static_cast<T::Int<20> >(-524287), static_cast<T::Int<18> >(stored)),
                    -524287 * power);
      }
    }
  }
}

int main() {
  TestEveryTerm<1>();
  TestEveryTerm<2>();
  TestEveryTerm<3>();
  TestTerms<20, 0>();
  TestTerms<20, 1>();
  TestTerms<20, 2>();
  TestTerms<32, 1>();
  TestTerms<32, 2>();
  TestTerms<32, 3>();
  TestTerms<18, 2>();
  TestTerms<18, 3>();
  return check::Finish();
}
