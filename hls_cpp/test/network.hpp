/// Tiny random networks, packed by hand, with a slow model in plain integers beside them.
///
/// Formulas: docs/numerics.md; packing: docs/packed-design.md; cycles: docs/hardware.md.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "arrays.hpp"
#include "check.hpp"
#include "records.hpp"

namespace network {

/// A network under construction: the program as it grows, and what it must answer.
template <typename Config>
class Network {
 public:
  static constexpr int kRows = Config::kShiftAddLanes + Config::kFixed4Lanes + Config::kFixed8Lanes;
  static constexpr int kNibbleRows = kRows + Config::kFixed8Lanes;
  static constexpr int kTn = Config::kChannels;
  static constexpr int kTileBytes = CeilBytes(kNibbleRows * kTn * 4, Config::kWeightWordBits);
  static constexpr int kWeightWords = kTileBytes * 8 / Config::kWeightWordBits;

  explicit Network(uint64_t seed) : random(seed), next_base_(0) {}

  check::Random random;
  std::vector<std::vector<uint32_t> > ops;
  std::vector<uint32_t> weight_segments, param_segments;
  std::vector<uint8_t> weights, params;
  std::vector<uint32_t> input;
  std::vector<uint32_t> output, output_mask;
  std::vector<uint64_t> iterations;
  std::size_t spill_words = 0;

  /// The deployable program.
  std::vector<uint32_t> Program() const {
    const uint32_t matmuls = static_cast<uint32_t>(weight_segments.size() / 3);
    const uint32_t header[8] = {0x4d534d52, 2, static_cast<uint32_t>(ops.size()), matmuls, matmuls,
                                static_cast<uint32_t>(input.size()),
                                static_cast<uint32_t>(output.size()),
                                static_cast<uint32_t>(spill_words)};
    std::vector<uint32_t> words(header, header + 8);
    for (const std::vector<uint32_t>& op : ops) words.insert(words.end(), op.begin(), op.end());
    words.insert(words.end(), weight_segments.begin(), weight_segments.end());
    words.insert(words.end(), param_segments.begin(), param_segments.end());
    return words;
  }

  /// LOAD of a random tensor.
  Tensor Input(int channels, int height, int width, Format format) {
    Tensor t = Allocate(channels, height, width, format);
    for (int& code : t.codes) code = static_cast<int>(random.In(format.Low(), format.High()));
    Transfer(1, t);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < channels; c += 4) input.push_back(Word(t, c, y, x));
      }
    }
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

  /// MATMUL with random weights of each lane's kind; `logits` sends accumulators instead.
  Tensor Matmul(const Tensor& source, int channels, const Window& window, Format format,
                bool logits, bool argmax) {
    const int blocks = CeilDiv(source.channels, kTn);
    const int steps = window.kernel_y * window.kernel_x * blocks * source.planes;
    const int row_tiles = CeilDiv(channels, kRows) + (channels > 2 * kRows ? 1 : 0);
    Tensor t = logits ? Shape(channels, window.OutY(source.height), window.OutX(source.width),
                              format)
                      : Allocate(channels, window.OutY(source.height), window.OutX(source.width),
                                 format);
    std::vector<int> lanes = PlaceRows(channels, row_tiles);
    const int shift = 12;
    const int low = logits ? INT32_MIN : format.Low();
    const int high = logits ? INT32_MAX : format.High();
    const std::size_t first_weight = weights.size(), first_param = params.size();
    std::vector<Int> sums(static_cast<std::size_t>(row_tiles * kRows) * t.height * t.width, 0);
    Int best = 0;
    int best_channel = -1;
    for (int tile = 0; tile < row_tiles; ++tile) {
      std::vector<uint8_t> tiles(static_cast<std::size_t>(steps) * kTileBytes, 0);
      for (int lane = 0; lane < kRows; ++lane) {
        const int channel = lanes[tile * kRows + lane];
        std::vector<int> row = RandomRow(lane, channel < 0, source, window, blocks, tiles);
        const Int multiplier = channel < 0 ? 0 : random.In(-300, 300);
        const Int bias = random.In(0, 8 << shift);
        Int total = 0;
        Int magnitude = 0;
        for (int weight : row) {
          total += weight;
          magnitude += std::abs(weight);
        }
        const Int low_plane = source.planes == 2 || !source.is_signed ? 8 : 0;
        const Int high_plane = source.planes == 2 && !source.is_signed ? 128 : 0;
        const Int correction = channel < 0 ? 0 : (low_plane + high_plane) * total;
        if (magnitude * (source.planes == 2 ? 255 : 15) + std::llabs(correction) >=
            (Int(1) << (Config::kAccBits - 1))) {
          std::printf("network.hpp: accumulator of %d bits too narrow for a test\n",
                      int(Config::kAccBits));
          std::exit(2);
        }
        PushParams(params, kTn, multiplier, bias, correction, channel);
        if (channel < 0) continue;
        for (int y = 0; y < t.height; ++y) {
          for (int x = 0; x < t.width; ++x) {
            const Int sum = Dot(source, window, row, y, x);
            const Int result = Clamp(FloorShift(sum * multiplier + bias, shift), low, high);
            sums[((tile * kRows + lane) * t.height + y) * t.width + x] = sum;
            if (!logits) t.At(channel, y, x) = static_cast<int>(result);
            if (best_channel < 0 || result > best || (result == best && channel < best_channel)) {
              best = result;
              best_channel = channel;
            }
          }
        }
      }
      weights.insert(weights.end(), tiles.begin(), tiles.end());
    }

    const int banks = Config::kBanks;
    const int group_pixels =
        logits ? 1 : std::min(int(Config::kPixels), banks / Gcd(window.stride_x, banks));
    const int per_line = CeilDiv(t.width, group_pixels);
    const int groups = per_line * t.height;
    const int tile_groups = std::min(int(Config::kTileGroups), groups);
    const int pixel_tiles = CeilDiv(groups, tile_groups);
    const int repeat = logits ? int(Config::kDrainRows) : format.planes;
    if (logits) {
      for (int first = 0; first < groups; first += tile_groups) {
        for (int tile = 0; tile < row_tiles; ++tile) {
          for (int g = first; g < std::min(groups, first + tile_groups); ++g) {
            for (int lane = 0; lane < kRows; ++lane) {
              const Int sum = sums[(tile * kRows + lane) * groups + g];
              output.push_back(static_cast<uint32_t>(sum));
              output_mask.push_back(~0u);
            }
          }
        }
      }
      if (argmax) {
        output.push_back(static_cast<uint32_t>(best_channel));
        output_mask.push_back(~0u);
      }
    }
    const uint32_t flags =
        (source.is_signed ? 1u : 0u) | (logits ? 2u : 0u) | (argmax ? 4u : 0u);
    std::vector<uint32_t>& op = Op(2, flags, source, blocks);
    PutWindow(op, window);
    if (!logits) PutDestination(op, t);
    const int fields[] = {group_pixels, per_line, groups, tile_groups, pixel_tiles, row_tiles,
                          shift, low, high, steps, repeat, row_tiles};
    for (int i = 0; i < 12; ++i) op[23 + i] = static_cast<uint32_t>(fields[i]);
    PushSegment(weight_segments, first_weight, weights.size(), Config::kWeightWordBits / 8,
                pixel_tiles);
    PushSegment(param_segments, first_param, params.size(), 16, pixel_tiles);
    iterations.push_back(MatmulCycles(steps, groups, tile_groups, pixel_tiles, row_tiles, repeat));
    return t;
  }

  /// VECTOR over a window: maximum of codes, or scaled sum.
  Tensor Pool(const Tensor& source, const Window& window, Format format, bool maximum) {
    Tensor t = Allocate(source.channels, window.OutY(source.height), window.OutX(source.width),
                        format);
    const Int multiplier = random.In(1, 2000);
    const Int bias = random.In(0, 1 << 12);
    const int shift = 12;
    for (int c = 0; c < t.channels; ++c) {
      for (int y = 0; y < t.height; ++y) {
        for (int x = 0; x < t.width; ++x) {
          Int sum = 0;
          int largest = -1000;
          for (int ky = 0; ky < window.kernel_y; ++ky) {
            for (int kx = 0; kx < window.kernel_x; ++kx) {
              const int iy = y * window.stride_y - window.pad_y + ky * window.dilation_y;
              const int ix = x * window.stride_x - window.pad_x + kx * window.dilation_x;
              sum += source.Padded(c, iy, ix);
              if (source.Inside(iy, ix)) largest = std::max(largest, source.Padded(c, iy, ix));
            }
          }
          t.At(c, y, x) = maximum ? largest
                                  : static_cast<int>(Clamp(FloorShift(sum * multiplier + bias, shift),
                                                           format.Low(), format.High()));
        }
      }
    }
    const int taps = window.kernel_y * window.kernel_x;
    const int planes = taps == 1 && format.planes == 2 ? 2 : source.planes;
    PushVector(source, source, t, window, maximum, false, multiplier, 0, bias, shift, format,
               planes, taps);
    return t;
  }

  /// VECTOR of two operands.
  Tensor Add(const Tensor& a, const Tensor& b, Format format) {
    Tensor t = Allocate(a.channels, a.height, a.width, format);
    const Int multiplier_a = random.In(-131072, 131071);
    const Int multiplier_b = random.In(-131072, 131071);
    const Int bias = random.In(-(Int(1) << 24), Int(1) << 24);
    const int shift = 20;
    for (std::size_t i = 0; i < t.codes.size(); ++i) {
      const Int sum = a.codes[i] * multiplier_a + b.codes[i] * multiplier_b + bias;
      t.codes[i] = static_cast<int>(Clamp(FloorShift(sum, shift), format.Low(), format.High()));
    }
    PushVector(a, b, t, Square(1, 1, 0), false, true, multiplier_a, multiplier_b, bias, shift,
               format, std::max(a.planes, b.planes), 2);
    return t;
  }

 private:
  static Tensor Shape(int channels, int height, int width, Format format) {
    Tensor t;
    t.channels = channels;
    t.height = height;
    t.width = width;
    t.planes = format.planes;
    t.is_signed = format.is_signed;
    t.pixel_stride = CeilDiv(channels, kTn) * format.planes;
    t.line_stride = CeilDiv(width, Config::kBanks) * t.pixel_stride;
    t.base = 0;
    t.codes.assign(static_cast<std::size_t>(channels) * height * width, 0);
    return t;
  }

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

  void Transfer(uint32_t opcode, const Tensor& t) {
    const int chunks = CeilDiv(t.channels, 4);
    iterations.push_back(static_cast<uint64_t>(t.height) * t.width * chunks * t.planes);
    Op(opcode, t.is_signed ? 1 : 0, t, chunks);
  }

  void PushVector(const Tensor& a, const Tensor& b, const Tensor& t, const Window& window,
                  bool maximum, bool binary, Int multiplier_a, Int multiplier_b, Int bias,
                  int shift, Format format, int planes, int taps) {
    const uint32_t flags = (a.is_signed ? 1u : 0u) | (binary && b.is_signed ? 2u : 0u) |
                           (maximum ? 4u : 0u) | (binary ? 8u : 0u);
    const int blocks = CeilDiv(a.channels, kTn);
    std::vector<uint32_t>& op = Op(3, flags, a, blocks);
    PutWindow(op, window);
    PutDestination(op, t);
    if (binary) {
      const int fields[] = {b.base, b.planes, b.line_stride, b.pixel_stride};
      for (int i = 0; i < 4; ++i) op[23 + i] = static_cast<uint32_t>(fields[i]);
    }
    op[27] = static_cast<uint32_t>(multiplier_a);
    op[28] = static_cast<uint32_t>(multiplier_b);
    op[29] = static_cast<uint32_t>(shift);
    op[30] = static_cast<uint32_t>(format.Low());
    op[31] = static_cast<uint32_t>(format.High());
    op[32] = static_cast<uint32_t>(bias);
    op[33] = static_cast<uint32_t>(bias >> 32);
    op[34] = static_cast<uint32_t>(planes);
    op[35] = 1;
    op[36] = 1;
    iterations.push_back(static_cast<uint64_t>(t.height) * t.width * blocks *
                             (kTn / Config::kVectorLanes) * taps * planes +
                         1);
  }

  /// Channel of every lane of every row tile, -1 for none: neighbours that leave in one
  /// cycle are consecutive channels, hence in distinct positions; everything else shuffled.
  std::vector<int> PlaceRows(int channels, int row_tiles) {
    const int per_cycle = Config::kDrainRows;
    const int cycles = row_tiles * (kRows / per_cycle);
    std::vector<int> first(static_cast<std::size_t>(cycles));
    for (int i = 0; i < cycles; ++i) first[i] = i * per_cycle;
    for (int i = cycles - 1; i > 0; --i) std::swap(first[i], first[random.In(0, i)]);
    std::vector<int> lanes;
    for (int i = 0; i < cycles; ++i) {
      const int turn = static_cast<int>(random.In(0, per_cycle - 1));
      for (int q = 0; q < per_cycle; ++q) {
        const int channel = first[i] + (q + turn) % per_cycle;
        lanes.push_back(channel < channels ? channel : -1);
      }
    }
    return lanes;
  }

  /// Weights [c][ky][kx] of one row, also written to the lane's place in all weight tiles.
  std::vector<int> RandomRow(int lane, bool zero, const Tensor& source, const Window& window,
                             int blocks, std::vector<uint8_t>& tiles) {
    const int area = window.kernel_y * window.kernel_x;
    std::vector<int> row(static_cast<std::size_t>(source.channels) * area, 0);
    if (zero) return row;
    for (int c = 0; c < source.channels; ++c) {
      for (int tap = 0; tap < area; ++tap) {
        int weight, code, high = 0, nibble_row = lane;
        if (lane < Config::kShiftAddLanes) {
          const int index = static_cast<int>(random.In(0, Magnitudes() - 1));
          const int sign = static_cast<int>(random.In(0, 1));
          weight = sign ? -Magnitude(index) : Magnitude(index);
          code = index | (sign << 3);
        } else if (lane < Config::kShiftAddLanes + Config::kFixed4Lanes) {
          weight = static_cast<int>(random.In(-7, 7));
          code = weight;
        } else {
          weight = static_cast<int>(random.In(-119, 119));
          high = static_cast<int>(FloorShift(weight + 8, 4));
          code = weight - 16 * high;
          nibble_row = 2 * lane - Config::kShiftAddLanes - Config::kFixed4Lanes;
        }
        row[c * area + tap] = weight;
        for (int plane = 0; plane < source.planes; ++plane) {
          const int step = (tap * blocks + c / kTn) * source.planes + plane;
          uint8_t* tile = &tiles[static_cast<std::size_t>(step) * kTileBytes];
          PutNibble(tile, nibble_row * kTn + c % kTn, code);
          if (lane >= Config::kShiftAddLanes + Config::kFixed4Lanes) {
            PutNibble(tile, (nibble_row + 1) * kTn + c % kTn, high);
          }
        }
      }
    }
    return row;
  }

  static int Term(unsigned used, unsigned shifts, int index) {
    return (used >> index) & 1 ? 1 << ((shifts >> (4 * index)) & 15) : 0;
  }
  static int Magnitude(int index) {
    return Term(Config::kTerm1Used, Config::kTerm1Shifts, index) +
           Term(Config::kTerm2Used, Config::kTerm2Shifts, index);
  }
  static int Magnitudes() { return Config::kTerm1Used >= 128 ? 8 : 7; }

  static uint64_t MatmulCycles(int steps, int groups, int tile_groups, int pixel_tiles,
                               int row_tiles, int repeat) {
    const int blocks = pixel_tiles * row_tiles;
    Int total = 0, drain_before = 0;
    for (int block = 0; block <= blocks; ++block) {
      Int length = drain_before;
      if (block < blocks) {
        const int here = std::min(tile_groups, groups - block / row_tiles * tile_groups);
        const Int step = std::max(here, std::max(int(kWeightWords), int(Config::kMinStep)));
        length = std::max(length, steps * step + (block == 0 ? kWeightWords : 0));
        length = std::max(length, Int(kRows));
        drain_before = Int(here) * (kRows / Config::kDrainRows) * repeat;
      }
      total += length;
    }
    return static_cast<uint64_t>(total);
  }

  int next_base_;
};

}  // namespace network
