/// vector_unit.hpp: pooling with padding and dilation, add, requantization, products, tables,
/// upsampling, all planes.
#include "machine.hpp"

using network::Format;
using network::Network;
using network::Square;
using network::Tensor;
using network::Window;

template <typename Config>
void All() {
  const Format formats[] = {{1, false}, {1, true}, {2, false}, {2, true}};
  const Window windows[] = {Square(2, 2, 0), Square(3, 2, 1), Square(1, 1, 0), Square(3, 1, 1),
                            {2, 3, 1, 2, 1, 0, 2, 1}, Square(5, 5, 2)};
  uint64_t seed = 1;
  for (const Format& from : formats) {
    for (const Window& window : windows) {
      for (const Format& to : formats) {
        Network<Config> net(++seed);
        const Tensor x = net.Input(Config::kChannels + 3, 5, 7, from);
        net.Store(net.Pool(x, window, to, false));
        net.Store(net.Pool(x, window, from, true));
        Machine<Config> machine(net);
        machine.RunAll();
        machine.Check();
      }
    }
    for (const Format& to : formats) {
      Network<Config> net(++seed);
      const Tensor x = net.Input(Config::kChannels + 2, 3, 4, from);
      net.Store(net.Table(x, to));
      net.Store(net.Table(x, to));  // a second table replaces the first
      Machine<Config> machine(net);
      machine.RunAll();
      machine.Check();
    }
    for (int repeat_y = 1; repeat_y <= 3; ++repeat_y) {
      for (int repeat_x = 1; repeat_x <= 4; ++repeat_x) {
        Network<Config> net(++seed);
        const Tensor x = net.Input(Config::kChannels + 1, 3, 5, from);
        net.Store(net.Upsample(x, repeat_y, repeat_x));
        Machine<Config> machine(net);
        machine.RunAll();
        machine.Check();
      }
    }
    for (const Format& other : formats) {
      for (const Format& to : formats) {
        Network<Config> net(++seed);
        const Tensor a = net.Input(6, 3, 5, from);
        const Tensor b = net.Input(6, 3, 5, other);
        net.Store(net.Add(a, b, to));
        net.Store(net.Multiply(a, b, to, net.random.In(-131072, 131071)));
        net.Store(net.Multiply(a, net.Input(6, 1, 1, other), to, net.random.In(1, 131071)));
        Machine<Config> machine(net);
        machine.RunAll();
        machine.Check();
      }
    }
  }
}

int main() {
  All<RmsmpConfig>();
  All<arrays::LutOnly>();
  All<arrays::PotE1>();
  return check::Finish();
}
