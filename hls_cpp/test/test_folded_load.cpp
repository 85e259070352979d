/// folded_load.hpp: folded tensors of every kernel, stride, padding, format and number of columns
/// a step, stored again and convolved; nothing beside them is touched; an impossible fold never
/// runs.
#include "machine.hpp"

using network::Format;
using network::Network;
using network::Tensor;
using network::Window;

template <typename Config>
void Steps(uint64_t seed, int channels, int kernel, int stride, int left, int right, int width,
           Format format, int columns) {
  const Format u4 = {1, false};
  Network<Config> net(seed);
  const Tensor before = net.Input(Config::kChannels, 1, 3, u4);
  const Tensor x =
      net.FoldedInput(channels, 4, width, format, kernel, stride, left, right, columns);
  const Tensor after = net.Input(Config::kChannels, 1, 3, u4);
  const Window window = {3, 1, 2, 1, 1, 0, 1, 1};
  const Tensor* all[] = {&before, &x, &after};
  net.Store(net.Matmul(x, 5, window, u4, false, false));
  for (const Tensor* t : all) net.Store(*t);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
}

template <typename Config>
void Case(uint64_t seed, int channels, int kernel, int stride, int left, int right, int width,
          Format format) {
  if (kernel * channels > Config::kChannels || kernel > stride * Config::kBanks) return;
  if (left + width + right < kernel) return;
  for (int columns = Network<Config>::FoldColumns(kernel, stride); columns > 0; columns /= 2) {
    Steps<Config>(seed, channels, kernel, stride, left, right, width, format, columns);
  }
}

template <typename Config>
void All() {
  const Format formats[] = {{1, false}, {1, true}, {2, false}, {2, true}};
  uint64_t seed = 1;
  for (int channels = 1; channels <= 4; ++channels) {
    for (int kernel = 1; kernel <= 7; ++kernel) {
      for (int stride = 1; stride <= 4; ++stride) {
        const int left = static_cast<int>(seed % 4), right = static_cast<int>(seed / 4 % 3);
        const Format format = formats[seed % 4];
        Case<Config>(seed, channels, kernel, stride, left, right, 9, format);
        Case<Config>(seed, channels, kernel, stride, kernel, kernel, 3, format);
        ++seed;
      }
    }
  }
}

int main() {
  All<RmsmpConfig>();
  All<arrays::PotE1>();
#ifdef RMSMP_NATIVE
  All<arrays::ApotE2>();
  All<arrays::LutOnly>();
  All<arrays::DspOnly>();
#endif
  return check::Finish();
}
