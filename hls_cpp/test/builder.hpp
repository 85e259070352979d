/// The parts of a network's program that move tensors, and what the network must answer.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "arrays.hpp"
#include "check.hpp"
#include "program.hpp"
#include "records.hpp"

namespace network {

/// A program as it grows: records, segments, blobs, the input, the expected output words.
template <typename Config>
class Builder {
 public:
  static constexpr int kTn = Config::kChannels;
  static constexpr int kBanks = Config::kBanks;
  static constexpr int kSpillBytes = CeilBytes(kBanks * kTn * 4, Config::kWeightWordBits);
  static constexpr int kSpillWords = kSpillBytes * 8 / Config::kWeightWordBits;  // per address

  explicit Builder(uint64_t seed) : random(seed), spill_words(0), next_base_(0) {}

  check::Random random;
  std::vector<std::vector<uint32_t> > ops;
  std::vector<uint32_t> weight_segments, param_segments;
  std::vector<uint8_t> weights, params;
  std::vector<uint32_t> input;
  std::vector<uint32_t> output, output_mask;
  std::vector<uint64_t> iterations;
  std::size_t spill_words;

  /// The deployable program.
  std::vector<uint32_t> Program() const {
    const std::size_t header[8] = {0x4d534d52, rmsmp::kVersion, ops.size(), weight_segments.size() / 3,
                                   param_segments.size() / 3, input.size(), output.size(),
                                   spill_words};
    std::vector<uint32_t> words;
    for (std::size_t word : header) words.push_back(static_cast<uint32_t>(word));
    for (const std::vector<uint32_t>& op : ops) words.insert(words.end(), op.begin(), op.end());
    words.insert(words.end(), weight_segments.begin(), weight_segments.end());
    words.insert(words.end(), param_segments.begin(), param_segments.end());
    return words;
  }

  /// LOAD of a random tensor.
  Tensor Input(int channels, int height, int width, Format format) {
    Tensor t = Allocate(channels, height, width, format);
    Randomize(t, format);
    Transfer(1, t);
    PushInput(t);
    return t;
  }

  /// The most columns of a step of a folded LOAD: no bank has two folded pixels in it.
  static int FoldColumns(int kernel, int stride) {
    int columns = 4;
    while (columns > 1 && kernel + columns - 1 > stride * kBanks) columns /= 2;
    return columns;
  }

  /// Folded LOAD of a random image for kernel rows of `kernel`; the folded tensor. `right` is
  /// the padding there; steps are of `columns`.
  Tensor FoldedInput(int channels, int height, int width, Format format, int kernel, int stride,
                     int left, int right, int columns) {
    Tensor image = Shape(channels, height, width, format);
    Randomize(image, format);
    PushInput(image);
    const int walked = left + width + right;
    Tensor t = Allocate(kernel * channels, height, (walked - kernel) / stride + 1, format);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < t.width; ++x) {
        for (int kx = 0; kx < kernel; ++kx) {
          for (int c = 0; c < channels; ++c) {
            t.At(kx * channels + c, y, x) = image.Padded(c, y, x * stride + kx - left);
          }
        }
      }
    }
    std::vector<uint32_t>& op = Op(1, (t.is_signed ? 1 : 0) | 2, t, 1);
    op[4] = static_cast<uint32_t>(width);
    const int fields[][2] = {{9, columns}, {10, kernel}, {12, stride}, {14, left}, {17, right},
                             {19, t.width}, {35, channels}};
    for (const int(&field)[2] : fields) op[field[0]] = static_cast<uint32_t>(field[1]);
    const int steps = CeilDiv(left, columns) + CeilDiv(width + right, columns);
    iterations.push_back(static_cast<uint64_t>(height) * steps * t.planes);
    return t;
  }

  /// STORE: the output must hold the tensor.
  void Store(const Tensor& t) {
    Transfer(4, t);
    for (int y = 0; y < t.height; ++y) {
      for (int x = 0; x < t.width; ++x) {
        for (int c = 0; c < t.channels; c += 4) {
          output.push_back(Word(t, c, y, x));
          const int real = std::min(4, t.channels - c);
          output_mask.push_back(real == 4 ? ~0u : (1u << (8 * real)) - 1u);
        }
      }
    }
  }

  /// Memory for a tensor; its codes are 0 until something is said to write them.
  Tensor Allocate(int channels, int height, int width, Format format) {
    Tensor t = Shape(channels, height, width, format);
    t.base = next_base_;
    next_base_ += height * t.line_stride;
    if (next_base_ > Config::kActivationDepth) {
      std::printf("network.hpp: activation memory of a test array too small\n");
      std::exit(2);
    }
    return t;
  }

  /// The `channels` channels of `whole` from block `block` on, in place: an operand of a
  /// concatenation.
  static Tensor Part(const Tensor& whole, int block, int channels) {
    Tensor t = whole;
    t.channels = channels;
    t.base = whole.base + block * whole.planes;
    const std::size_t plane = static_cast<std::size_t>(whole.height) * whole.width;
    const std::size_t first = block * kTn * plane;
    t.codes.assign(whole.codes.begin() + first, whole.codes.begin() + first + channels * plane);
    return t;
  }

  /// `lines` lines of `whole` from line `y` on, in place.
  static Tensor Lines(const Tensor& whole, int y, int lines) {
    Tensor t = whole;
    t.height = lines;
    t.base = whole.base + y * whole.line_stride;
    t.codes.clear();
    for (int c = 0; c < whole.channels; ++c) {
      const std::size_t first = (static_cast<std::size_t>(c) * whole.height + y) * whole.width;
      t.codes.insert(t.codes.end(), whole.codes.begin() + first,
                     whole.codes.begin() + first + static_cast<std::size_t>(lines) * whole.width);
    }
    return t;
  }

  /// Spill words of a tensor, without what other parts of its memory hold.
  static std::size_t WordsOf(const Tensor& t) {
    return static_cast<std::size_t>(t.height) * CeilDiv(t.width, kBanks) *
           CeilDiv(t.channels, kTn) * t.planes * kSpillWords;
  }

  /// SAVE of a tensor at spill word `first`.
  void Save(const Tensor& t, std::size_t first) {
    Spill(5, t, first);
    spill_words = std::max(spill_words, first + WordsOf(t));
  }

  /// RESTORE to the place of `t`, whose codes are said to be those saved.
  void Restore(const Tensor& t, std::size_t first) { Spill(6, t, first); }

 protected:
  static Tensor Shape(int channels, int height, int width, Format format) {
    Tensor t;
    t.channels = channels;
    t.height = height;
    t.width = width;
    t.planes = format.planes;
    t.is_signed = format.is_signed;
    t.pixel_stride = CeilDiv(channels, kTn) * format.planes;
    t.line_stride = CeilDiv(width, kBanks) * t.pixel_stride;
    t.base = 0;
    t.codes.assign(static_cast<std::size_t>(channels) * height * width, 0);
    return t;
  }

  std::vector<uint32_t>& Op(uint32_t opcode, uint32_t flags, const Tensor& source, int blocks) {
    ops.push_back(std::vector<uint32_t>(40, 0));
    std::vector<uint32_t>& op = ops.back();
    const int fields[] = {source.base, source.height, source.width, blocks, source.planes,
                          source.line_stride, source.pixel_stride};
    op[0] = opcode;
    op[1] = flags;
    for (int i = 0; i < 7; ++i) op[2 + i] = static_cast<uint32_t>(fields[i]);
    return op;
  }

 private:
  void Randomize(Tensor& t, Format format) {
    for (int& code : t.codes) code = static_cast<int>(random.In(format.Low(), format.High()));
  }

  void PushInput(const Tensor& t) {
    for (int y = 0; y < t.height; ++y) {
      for (int x = 0; x < t.width; ++x) {
        for (int c = 0; c < t.channels; c += 4) input.push_back(Word(t, c, y, x));
      }
      while (input.size() % rmsmp::kBeatWords != 0) input.push_back(0);
    }
  }

  void Transfer(uint32_t opcode, const Tensor& t) {
    const int chunks = CeilDiv(t.channels, 4);
    iterations.push_back(static_cast<uint64_t>(t.height) * t.width * chunks * t.planes);
    Op(opcode, t.is_signed ? 1 : 0, t, chunks);
  }

  /// A tensor of its own is one run; a part of another one a run per line and column of banks.
  void Spill(uint32_t opcode, const Tensor& t, std::size_t first) {
    const int words = CeilDiv(t.channels, kTn) * t.planes;
    const bool dense = words == t.pixel_stride;
    const int columns = CeilDiv(t.width, kBanks) * t.height;
    const int fields[] = {t.base, dense ? words * columns : words, dense ? 1 : columns,
                          t.pixel_stride, static_cast<int>(first)};
    ops.push_back(std::vector<uint32_t>(40, 0));
    ops.back()[0] = opcode;
    for (int i = 0; i < 5; ++i) ops.back()[2 + i] = static_cast<uint32_t>(fields[i]);
    iterations.push_back(WordsOf(t));
  }

  int next_base_;
};

}  // namespace network
