/// compute.hpp: records to units again and again; an unknown operation is refused.
#include "dies.hpp"
#include "machine.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
using network::Format;
using network::Network;
using network::Square;

struct Unknown {
  void operator()() const {
    U::Stream32 ops("ops"), output("output");
    U::InputStream input("input");
    U::WeightStream weights("weights");
    U::ParamStream params("params");
    ops.write(U::Word32(1));
    for (int i = 0; i < 40; ++i) ops.write(U::Word32(9));
    rmsmp::Compute<U, RmsmpConfig::kMinStep>(ops, weights, params, input, output, nullptr, 1);
  }
};

int main() {
  const Format u4 = {1, false}, s8 = {2, true};
  Network<RmsmpConfig> net(3);
  const network::Tensor x = net.Input(5, 4, 5, u4);
  const network::Tensor y = net.Matmul(x, 9, Square(3, 1, 1), s8, false, false);
  net.Store(net.Pool(y, Square(2, 2, 0), s8, true));

  // Nothing of an image is left for the next one.
  for (int image = 0; image < 2; ++image) {
    Machine<RmsmpConfig> machine(net);
    machine.RunAll();
    machine.Check();
  }
  CHECK(Dies(Unknown()));
  return check::Finish();
}
