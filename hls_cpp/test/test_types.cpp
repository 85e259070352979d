/// types.hpp, native_types.hpp, ap_types.hpp, units.hpp, pragmas.hpp.
#include "check.hpp"
#include "pragmas.hpp"
#include "arrays.hpp"
#include "units.hpp"
#include "words.hpp"

typedef rmsmp::Types T;

template <int kWidth>
void TestWidth() {
  check::Random random(kWidth);
  const uint64_t mask = ~uint64_t(0) >> (64 - kWidth);
  for (int i = 0; i < 200; ++i) {
    const uint64_t pattern = (static_cast<uint64_t>(random.In(0, 1ll << 40)) << 24) ^
                             static_cast<uint64_t>(random.In(0, 1ll << 40));
    const uint64_t low = pattern & mask;
    const long long value =
        (low >> (kWidth - 1)) & 1 ? static_cast<long long>(low | ~mask) : static_cast<long long>(low);
    CHECK_EQUAL(T::LowBits<kWidth>(static_cast<int64_t>(pattern)), low);
    CHECK_EQUAL(T::AsSigned<kWidth>(T::LowBits<kWidth>(static_cast<int64_t>(pattern))), value);
  }
}

/// Every field of a word that some format has, at all offsets, straddling limbs.
template <int kBits, int kWidth>
void TestFields() {
  check::Random random(kBits + kWidth);
  std::vector<uint8_t> bytes(kBits / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(random.In(0, 255));
  const T::Word<kBits> word = rmsmp::sim::WordsFromBytes<T, kBits>(bytes)[0];
  for (int low = 0; low + kWidth <= kBits; ++low) {
    uint64_t expected = 0;
    for (int i = 0; i < kWidth; ++i) {
      expected |= static_cast<uint64_t>((bytes[(low + i) / 8] >> ((low + i) % 8)) & 1) << i;
    }
    CHECK_EQUAL(T::GetBits<kWidth>(word, low), expected);
  }
}

int main() {
  TestWidth<1>();
  TestWidth<4>();
  TestWidth<8>();
  TestWidth<9>();
  TestWidth<14>();
  TestWidth<18>();
  TestWidth<32>();
  TestWidth<48>();
  TestFields<32, 4>();
  TestFields<32, 8>();
  TestFields<64, 4>();
  TestFields<128, 1>();
  TestFields<128, 8>();
  TestFields<128, 18>();
  TestFields<128, 32>();
  TestFields<128, 48>();
  TestFields<512, 4>();

  const long long wide[] = {-(1ll << 26), -1, 0, 1, (1ll << 26) - 1};
  const long long narrow[] = {-(1ll << 17), -1, 0, 1, (1ll << 17) - 1};
  for (long long left : wide) {
    for (long long right : narrow) {
      CHECK_EQUAL((T::Multiply<27, 18>(static_cast<T::Int<27> >(left),
                                       static_cast<T::Int<18> >(right))),
                  left * right);
    }
  }

  CHECK_EQUAL(rmsmp::BitsFor<0>::kBits, 0);
  CHECK_EQUAL(rmsmp::BitsFor<1>::kBits, 1);
  CHECK_EQUAL(rmsmp::BitsFor<255>::kBits, 8);
  CHECK_EQUAL(rmsmp::BitsFor<256>::kBits, 9);

  typedef rmsmp::Units<RmsmpConfig, T> U;
  const int rows = U::kRows, nibble_rows = U::kNibbleRows, beats = U::kWeightBeats;
  CHECK_EQUAL(rows, 8);
  CHECK_EQUAL(nibble_rows, 10);
  CHECK_EQUAL(beats, 5);
  typedef rmsmp::Units<arrays::ApotE2, T> V;
  const int one = V::kWeightBeats, pairs = V::kPairs;
  CHECK_EQUAL(one, 1);
  CHECK_EQUAL(pairs, 2);
  typedef rmsmp::Units<arrays::PotE1, T> W;
  const int four_ports = W::kWeightBeats, beat_bits = W::kBeatBits;
  CHECK_EQUAL(four_ports, 5);  // 9 * 16 nibbles
  CHECK_EQUAL(beat_bits, 128);
  return check::Finish();
}
