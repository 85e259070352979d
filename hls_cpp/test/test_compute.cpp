/// compute.hpp: records to units over several images; an unknown operation is refused.
#include "dies.hpp"
#include "machine.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
using network::Format;
using network::Network;
using network::Square;

static void Send(U::Stream32& ops, const std::vector<std::vector<uint32_t> >& records) {
  ops.write(U::Word32(static_cast<uint32_t>(records.size())));
  for (const std::vector<uint32_t>& record : records) {
    for (uint32_t word : record) ops.write(U::Word32(word));
  }
}

struct Unknown {
  void operator()() const {
    U::Stream32 ops("ops"), input("input"), output("output");
    U::WeightStream weights("weights");
    U::ParamStream params("params");
    Send(ops, std::vector<std::vector<uint32_t> >(1, std::vector<uint32_t>(40, 9)));
    rmsmp::Compute<U, RmsmpConfig::kMinStep>(ops, weights, params, input, output, 1);
  }
};

int main() {
  const Format u4 = {1, false}, s8 = {2, true};
  Network<RmsmpConfig> net(3);
  const network::Tensor x = net.Input(5, 4, 5, u4);
  const network::Tensor y = net.Matmul(x, 9, Square(3, 1, 1), s8, false, false);
  net.Store(net.Pool(y, Square(2, 2, 0), s8, true));

  Machine<RmsmpConfig> first(net), second(net);
  U::Stream32 ops("ops");
  Send(ops, net.ops);
  rmsmp::Compute<U, RmsmpConfig::kMinStep>(ops, first.weights, first.params, first.input,
                                           first.output, 1);
  first.Check();
  Send(ops, net.ops);
  rmsmp::sim::ResetCounters();
  rmsmp::Compute<U, RmsmpConfig::kMinStep>(ops, second.weights, second.params, second.input,
                                           second.output, 1);
  second.Check();
  CHECK(Dies(Unknown()));
  return check::Finish();
}
