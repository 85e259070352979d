/// accelerator.hpp, transfer.hpp and all below: whole programs on several arrays against the
/// plain model, bit for bit, with the iterations of every operation; two images in a run.
/// -DPORTS=2 or 4: with as many weight ports. weight_ports.hpp: their pointers.
#include "arrays.hpp"

#ifdef PORTS
#undef RMSMP_WEIGHT_PORTS
#define RMSMP_WEIGHT_PORTS PORTS
#endif
#include "accelerator.hpp"
#include "network.hpp"
#include "words.hpp"

typedef rmsmp::Types T;
using network::Format;
using network::Network;
using network::Square;
using network::Tensor;
using network::Window;

#define WEIGHT_WORDS(port) weights[port].data()

template <typename Config>
void Run(const Network<Config>& net, unsigned images) {
  const std::vector<uint32_t> words = net.Program();
  std::vector<T::Word<32> > program(words.begin(), words.end());
  std::vector<T::Word<32> > output(net.output.size() * images, T::Word<32>(0xdeadbeefu));
  std::vector<uint32_t> all;
  for (unsigned i = 0; i < images; ++i) all.insert(all.end(), net.input.begin(), net.input.end());
  const auto input =
      rmsmp::sim::WordsFrom32<T, 32 * rmsmp::kBeatWords>(all.data(), all.size());
  const auto blob = rmsmp::sim::WordsFromBytes<T, Config::kWeightWordBits>(net.weights);
  std::vector<T::Word<Config::kWeightWordBits> > weights[RMSMP_WEIGHT_PORTS];
  for (std::size_t port = 0; port < RMSMP_WEIGHT_PORTS; ++port) {
    weights[port] = rmsmp::sim::WordsOfPort(blob, port, RMSMP_WEIGHT_PORTS);
  }
  const auto params = rmsmp::sim::WordsFromBytes<T, 128>(net.params);

  // What is restored without being saved, also by the image before, must show.
  auto spill = rmsmp::sim::WordsFromBytes<T, Config::kWeightWordBits>(
      std::vector<uint8_t>((net.spill_words + 1) * (Config::kWeightWordBits / 8), 0xa5));

  rmsmp::sim::ResetCounters();
  hls::sim::StreamsLeftWithData() = 0;
  rmsmp::Accelerator<Config, T>(program.data(), RMSMP_WEIGHT_PORT_LIST(WEIGHT_WORDS), params.data(),
                                input.data(), output.data(), spill.data(), images);
  CHECK_EQUAL(hls::sim::StreamsLeftWithData(), 0);
  for (std::size_t i = 0; i < output.size(); ++i) {
    const std::size_t at = i % net.output.size();
    const uint32_t word = static_cast<uint32_t>(output[i]);
    CHECK_EQUAL(word & net.output_mask[at], net.output[at] & net.output_mask[at]);
  }
  CHECK_EQUAL(rmsmp::sim::IterationCounts().size(), net.iterations.size() * images);
  for (std::size_t i = 0; i < rmsmp::sim::IterationCounts().size(); ++i) {
    CHECK_EQUAL(rmsmp::sim::IterationCounts()[i], net.iterations[i % net.iterations.size()]);
  }
}

/// A small residual network with every operation, codes of 1 and 2 planes.
template <typename Config>
void Residual(uint64_t seed) {
  const Format u4 = {1, false}, s4 = {1, true}, u8 = {2, false}, s8 = {2, true};
  Network<Config> net(seed);
  const Tensor x = net.Input(3, 9, 10, s8);
  const Tensor a = net.Matmul(x, 10, Square(3, 1, 1), u8, false, false);
  const Tensor b = net.Pool(a, Square(3, 2, 1), u8, true);
  const Tensor c = net.Pool(b, Square(1, 1, 0), u4, false);
  const Tensor d = net.Matmul(c, 10, Square(3, 1, 1), s8, false, false);
  const Tensor e = net.Add(b, d, s8);
  const Tensor f = net.Pool(e, Square(2, 2, 0), s4, false);
  const Tensor g = net.Matmul(f, 21, Square(1, 1, 0), u4, false, false);
  const Tensor* all[] = {&x, &a, &b, &c, &d, &e, &f, &g};
  for (const Tensor* t : all) net.Store(*t);
  const Window flatten = {g.height, g.width, 1, 1, 0, 0, 1, 1};
  net.Matmul(g, 10, flatten, u4, true, true);
  Run(net, 2);
}

/// Strides, dilations, uneven padding, requantization to more bits, logits of many pixels.
template <typename Config>
void Shapes(uint64_t seed) {
  const Format u4 = {1, false}, s4 = {1, true}, u8 = {2, false}, s8 = {2, true};
  const Window windows[] = {Square(3, 2, 1), Square(3, 3, 0), Square(2, 1, 1), {1, 3, 1, 2, 0, 1, 1, 2},
                            {3, 1, 2, 1, 2, 0, 2, 1}, Square(1, 2, 0), Square(5, 4, 2)};
  for (const Window& window : windows) {
    Network<Config> net(seed + static_cast<uint64_t>(window.kernel_x));
    const Tensor x = net.Input(5, 8, 11, seed & 1 ? u4 : s4);
    const Tensor y = net.Matmul(x, 7, window, seed & 2 ? s4 : u8, false, false);
    net.Store(y);
    const Tensor z = net.Pool(y, Square(1, 1, 0), s8, false);
    net.Store(z);
    net.Matmul(x, 6, window, u4, true, false);
    Run(net, 1);
  }
}

/// A folded input, groups of channels, a table, a gate, a concatenation, upsampling; the input's
/// folded tensor goes to DRAM and back between.
template <typename Config>
void Mobile(uint64_t seed) {
  const Format u4 = {1, false}, s4 = {1, true}, u8 = {2, false}, s8 = {2, true};
  const int tn = Config::kChannels;
  Network<Config> net(seed);
  const Tensor x = net.FoldedInput(2, 7, 9, s8, 2, 2, 1, 0, net.FoldColumns(2, 2));
  net.Save(x, 0);
  const Window lines = {3, 1, 2, 1, 1, 0, 1, 1};
  const Tensor a = net.Matmul(x, 2 * tn, lines, s8, false, false);
  const Tensor b = net.Table(a, u4);
  const Tensor c = net.Grouped(b, 2 * tn, Square(3, 1, 1), u8, 2);
  const Tensor squeezed = net.Pool(c, {c.height, c.width, 1, 1, 0, 0, 1, 1}, u4, false);
  const Tensor gate = net.Table(net.Matmul(squeezed, 2 * tn, Square(1, 1, 0), s8, false, false), u8);
  const Tensor d = net.Multiply(c, gate, s4, 7);
  const Tensor small = net.Pool(d, Square(2, 2, 0), s4, true);
  Tensor whole = net.Allocate(4 * tn, 2 * small.height, 2 * small.width, s4);
  const Tensor left = net.UpsampleTo(small, 2, 2, net.Part(whole, 0, 2 * tn));
  const Tensor right = net.UpsampleTo(small, 2, 2, net.Part(whole, 2, 2 * tn));
  std::copy(left.codes.begin(), left.codes.end(), whole.codes.begin());
  std::copy(right.codes.begin(), right.codes.end(),
            whole.codes.begin() + static_cast<long>(left.codes.size()));
  Tensor back = net.Allocate(x.channels, x.height, x.width, s8);
  back.codes = x.codes;
  net.Restore(back, 0);
  const Tensor e = net.Grouped(whole, 6, Square(3, 2, 1), u4, 2);
  const Tensor* all[] = {&x, &a, &b, &c, &gate, &d, &small, &whole, &back, &e};
  for (const Tensor* t : all) net.Store(*t);
  net.Matmul(e, 5, {e.height, e.width, 1, 1, 0, 0, 1, 1}, u4, true, true);
  Run(net, 2);
}

/// Several row tiles times several pixel tiles, with a short last pixel tile.
template <typename Config>
void Tiles(uint64_t seed) {
  const Format u4 = {1, false};
  Network<Config> net(seed);
  const Tensor x = net.Input(6, 13, 11, u4);
  const Tensor y = net.Matmul(x, 2 * Network<Config>::kRows + 1, Square(3, 1, 1), u4, false, false);
  net.Store(y);
  const Tensor z = net.Matmul(y, 3, Square(1, 1, 0), u4, false, false);
  net.Store(z);
  Run(net, 1);
}

/// One step, one group: parameters decide a block's length; a line as wide as the banks.
template <typename Config>
void Small(uint64_t seed) {
  const Format u4 = {1, false};
  Network<Config> net(seed);
  const Tensor x = net.Input(2, 1, 1, u4);
  net.Store(net.Matmul(x, 2 * Network<Config>::kRows, Square(1, 1, 0), u4, false, false));
  const Tensor y = net.Input(3, 3, Config::kBanks, u4);
  net.Store(net.Matmul(y, 5, Square(3, 1, 1), u4, false, false));
  Run(net, 1);
}

template <typename Array>
void All(uint64_t seed) {
  typedef arrays::WithPorts<Array, RMSMP_WEIGHT_PORTS> Config;
  Small<Config>(seed);
  Residual<Config>(seed);
  Mobile<Config>(seed);
  Shapes<Config>(seed + 1);
  Shapes<Config>(seed + 2);
  Tiles<Config>(seed);
}

int main() {
#ifndef ARRAY
  All<RmsmpConfig>(1);
  All<arrays::PotE1>(2);
#if RMSMP_WEIGHT_PORTS < 4  // a beat has at most 1024 bits
  All<arrays::ApotE2>(3);
#endif
  All<arrays::LutOnly>(4);
  All<arrays::DspOnly>(5);
#else
  All<ARRAY>(6);
#endif
  return check::Finish();
}
