/// vector_table.hpp: every code finds its entry, in every lane; 16 iterations.
#include "arrays.hpp"
#include "check.hpp"
#include "vector_table.hpp"

template <typename Config>
void All() {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  typedef typename rmsmp::Types::template Uint<8> Byte;
  static typename rmsmp::Tables<U>::All tables;
  typename U::ParamStream params("params");
  for (int i = 0; i < 16; ++i) {
    typename U::ParamWord word = typename U::ParamWord();
    for (int j = 0; j < 16; ++j) {
      rmsmp::Types::template SetBits<8>(word, 8 * j,
                                        static_cast<Byte>((7 * (16 * i + j) + 3) & 255));
    }
    params.write(word);
  }
  rmsmp::sim::ResetCounters();
  rmsmp::LoadTables<U>(params, tables);
  CHECK(params.empty());
  CHECK_EQUAL(rmsmp::sim::IterationCounts()[0], 16);
  for (int lane = 0; lane < U::kVectorLanes; ++lane) {
    for (int code = -128; code < 256; ++code) {
      const Byte entry = rmsmp::LookUp<U>(tables[lane], static_cast<typename U::Code>(code));
      CHECK_EQUAL(entry, (7 * (code & 255) + 3) & 255);
    }
  }
}

int main() {
  All<RmsmpConfig>();
  All<arrays::PotE1>();
  return check::Finish();
}
