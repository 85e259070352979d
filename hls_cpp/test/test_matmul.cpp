/// matmul.hpp alone: kernels, strides, paddings, planes, tiles, logits with argmax.
#include "machine.hpp"

using network::Format;
using network::Network;
using network::Square;
using network::Tensor;

template <typename Config>
void Case(uint64_t seed, int channels, int size, int rows, int kernel, int stride, int pad,
          Format from, Format to) {
  Network<Config> net(seed);
  const Tensor x = net.Input(channels, size, size + 1, from);
  net.Store(net.Matmul(x, rows, Square(kernel, stride, pad), to, false, false));
  net.Matmul(x, rows, Square(kernel, stride, pad), to, true, seed % 2 == 0);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
}

/// Groups of channels of one and several blocks, of fewer and more rows than a tile has.
template <typename Config>
void Groups(uint64_t seed, int groups, int blocks, int rows, Format from, Format to) {
  Network<Config> net(seed);
  const Tensor x = net.Input(groups * blocks * Config::kChannels, 4, 5, from);
  net.Store(net.Grouped(x, groups * rows, Square(3, 1 + static_cast<int>(seed % 2), 1), to, groups));
  net.Store(x);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
}

template <typename Config>
void All() {
  const Format u4 = {1, false}, s4 = {1, true}, u8 = {2, false}, s8 = {2, true};
  const int rows = Network<Config>::kRows;
  Case<Config>(1, 3, 6, rows, 3, 1, 1, u4, u4);
  Case<Config>(2, 5, 7, rows - 1, 3, 2, 1, s4, s8);
  Case<Config>(3, 9, 5, 2 * rows + 1, 1, 1, 0, u8, s4);
  Case<Config>(4, 4, 5, 1, 2, 3, 0, s8, u8);
  Case<Config>(5, 2, 1, 3, 1, 1, 0, u4, u4);
  Case<Config>(6, 1, 12, 2, 5, 1, 2, u4, u8);
  Groups<Config>(7, 2, 1, rows, u4, s8);
  Groups<Config>(8, 3, 1, rows + 1, s4, u4);
  Groups<Config>(9, 2, 1, 3, s4, u8);
  Groups<Config>(10, 1, 2, 2, u4, s4);
}

int main() {
  All<RmsmpConfig>();
#ifdef RMSMP_NATIVE
  All<arrays::PotE1>();
  All<arrays::LutOnly>();
#endif
  return check::Finish();
}
