/// spill.hpp: tensors, lines of them and parts of concatenations go to DRAM and come back; a
/// convolution in strips equals the whole one; words outside the port's memory are refused.
#include "dies.hpp"
#include "machine.hpp"

using network::Format;
using network::Network;
using network::Square;
using network::Tensor;

/// Every nibble of an address, where the documentation says.
template <typename Config>
void Layout() {
  const Format u4 = {1, false};
  Network<Config> net(5);
  const Tensor x = net.Input(Config::kChannels, 2, Config::kBanks, u4);
  net.Save(x, 3);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
  const int word_bits = Config::kWeightWordBits;
  for (int y = 0; y < 2; ++y) {
    for (int bank = 0; bank < Config::kBanks; ++bank) {
      for (int c = 0; c < Config::kChannels; ++c) {
        const int bit = 4 * (bank * Config::kChannels + c);
        const std::size_t word =
            static_cast<std::size_t>(3 + y * Network<Config>::kSpillWords + bit / word_bits);
        CHECK_EQUAL(rmsmp::Types::template GetBits<4>(machine.spill[word], bit % word_bits),
                    x.Padded(c, y, bank));
      }
    }
  }
}

/// Whole tensors, lines, and two operands of a concatenation, saved apart.
template <typename Config>
void Moves(Format format) {
  const int tn = Config::kChannels;
  Network<Config> net(7);
  const Tensor a = net.Input(tn, 3, 5, format);
  const Tensor b = net.Input(tn + 1, 3, 5, format);
  const std::size_t a_at = 2, b_at = a_at + net.WordsOf(a), end = b_at + net.WordsOf(b);
  net.Save(a, a_at);
  net.Save(b, b_at);

  // The concatenation: b behind a, whose last block is whole.
  Tensor whole = net.Allocate(2 * tn + 1, 3, 5, format);
  std::copy(a.codes.begin(), a.codes.end(), whole.codes.begin());
  std::copy(b.codes.begin(), b.codes.end(), whole.codes.begin() + static_cast<long>(a.codes.size()));
  net.Restore(net.Part(whole, 0, tn), a_at);
  net.Restore(net.Part(whole, 1, tn + 1), b_at);
  net.Store(whole);

  // A part of it alone, and lines of that.
  net.Save(net.Part(whole, 1, tn + 1), end);
  Tensor lines = net.Allocate(tn + 1, 3, 5, format);
  lines.codes = b.codes;
  net.Restore(lines, end);
  net.Store(lines);
  net.Save(net.Lines(lines, 1, 2), end);
  Tensor two = net.Allocate(tn + 1, 2, 5, format);
  two.codes = net.Lines(b, 1, 2).codes;
  net.Restore(two, end);
  net.Store(two);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
}

/// A convolution whose operand and result lie in DRAM, `lines` lines of output at a time.
template <typename Config>
void Strips(int kernel, int stride, int lines, Format from, Format to) {
  const int pad = kernel / 2, height = 9;
  Network<Config> net(11);
  const Tensor x = net.Input(3, height, 6, from);
  const std::size_t record = net.ops.size();
  const Tensor y = net.Matmul(x, 6, Square(kernel, stride, pad), to, false, false);
  const std::size_t x_at = 1, y_at = x_at + net.WordsOf(x);
  net.Save(x, x_at);
  const Tensor source = net.Allocate(3, std::min(height, (lines - 1) * stride + kernel), 6, from);
  const Tensor destination = net.Allocate(6, lines, y.width, to);
  const std::size_t x_line = net.WordsOf(net.Lines(x, 0, 1));
  const std::size_t y_line = net.WordsOf(net.Lines(y, 0, 1));
  for (int first = 0; first < y.height; first += lines) {
    const int count = std::min(lines, y.height - first);
    const int top = first * stride - pad;
    const int begin = std::max(top, 0);
    const int end = std::min(top + (count - 1) * stride + kernel, height);
    const Tensor in = net.Lines(source, 0, end - begin);
    const Tensor out = net.Lines(destination, 0, count);
    net.Restore(in, x_at + x_line * static_cast<std::size_t>(begin));
    net.Strip(record, 0, in, out, begin - top);
    net.Save(out, y_at + y_line * static_cast<std::size_t>(first));
  }
  Tensor back = net.Allocate(6, y.height, y.width, to);
  back.codes = y.codes;
  net.Restore(back, y_at);
  net.Store(back);
  net.Store(y);
  Machine<Config> machine(net);
  machine.RunAll();
  machine.Check();
}

template <typename Config>
void All() {
  const Format u4 = {1, false}, s8 = {2, true};
  Layout<Config>();
  Moves<Config>(u4);
  Moves<Config>(s8);
  Strips<Config>(3, 1, 2, u4, s8);
  Strips<Config>(3, 1, 4, s8, u4);
  Strips<Config>(3, 2, 2, u4, u4);
  Strips<Config>(1, 1, 3, u4, s8);
}

/// A tensor whose words do not lie in the memory that the header asks for.
struct OutOfBounds {
  uint32_t opcode;
  std::size_t missing;
  void operator()() const {
    const Format u4 = {1, false};
    Network<RmsmpConfig> net(1);
    const Tensor x = net.Input(3, 2, 4, u4);
    net.Save(x, 0);
    net.ops.back()[0] = opcode;
    net.spill_words -= missing;
    Machine<RmsmpConfig> machine(net);
    machine.RunAll();
  }
};

/// Addresses past the activation memory.
struct PastTheMemory {
  void operator()() const {
    const Format u4 = {1, false};
    Network<RmsmpConfig> net(1);
    const Tensor x = net.Input(3, 2, 4, u4);
    net.Save(x, 0);
    net.ops.back()[2] = RmsmpConfig::kActivationDepth - 1;
    Machine<RmsmpConfig> machine(net);
    machine.RunAll();
  }
};

int main() {
  All<RmsmpConfig>();
  All<arrays::PotE1>();
#ifdef RMSMP_NATIVE
  All<arrays::ApotE2>();
  All<arrays::LutOnly>();
  All<arrays::DspOnly>();
#endif
  const OutOfBounds save = {5, 0}, restore = {6, 0}, save_past = {5, 1}, restore_past = {6, 1};
  CHECK(!Dies(save) && !Dies(restore));
  CHECK(Dies(save_past));
  CHECK(Dies(restore_past));
  CHECK(Dies(PastTheMemory()));
  return check::Finish();
}
