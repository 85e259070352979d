/// tensor_io.hpp: what LOAD takes STORE gives back, for every format and channel count.
#include "machine.hpp"

using network::Format;
using network::Network;

template <typename Config>
void All() {
  const Format formats[] = {{1, false}, {1, true}, {2, false}, {2, true}};
  for (const Format& format : formats) {
    for (int channels = 1; channels <= 2 * Config::kChannels + 1; channels += 3) {
      Network<Config> net(static_cast<uint64_t>(channels));
      net.Store(net.Input(channels, 3, 7, format));
      Machine<Config> machine(net);
      machine.RunAll();
      machine.Check();
    }
  }
}

int main() {
  All<RmsmpConfig>();
  All<arrays::PotE1>();
  return check::Finish();
}
