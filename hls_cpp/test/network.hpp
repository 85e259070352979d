/// Tiny random networks, packed by hand, with a slow model in plain integers beside them.
///
/// Formulas: docs/numerics.md; packing: docs/packed-design.md; cycles: docs/hardware.md.
#pragma once

#include "vector_packer.hpp"

namespace network {

/// A network under construction: its moves (builder.hpp), vector operations (vector_packer.hpp)
/// and matrix multiplications.
template <typename Config>
class Network : public VectorPacker<Config> {
 public:
  using Builder<Config>::kTn;
  static constexpr int kRows = Config::kShiftAddLanes + Config::kFixed4Lanes + Config::kFixed8Lanes;
  static constexpr int kNibbleRows = kRows + Config::kFixed8Lanes;
  static constexpr int kBeatBits = Config::kWeightPorts * Config::kWeightWordBits;
  static constexpr int kTileBytes = CeilBytes(kNibbleRows * kTn * 4, kBeatBits);
  static constexpr int kWeightBeats = kTileBytes * 8 / kBeatBits;

  explicit Network(uint64_t seed) : VectorPacker<Config>(seed) {}

  /// MATMUL with random weights of each lane's kind; `logits` sends accumulators instead.
  Tensor Matmul(const Tensor& source, int channels, const Window& window, Format format,
                bool logits, bool argmax) {
    return Convolve(source, channels, window, format, logits, argmax, 1);
  }

  /// MATMUL with `groups` groups of channels, each of whole blocks of the source; the rows of a
  /// group are consecutive output channels.
  Tensor Grouped(const Tensor& source, int channels, const Window& window, Format format,
                 int groups) {
    return Convolve(source, channels, window, format, false, false, groups);
  }

  /// A strip of the operation of record `number`, a MATMUL with codes: other lines of the
  /// source and destination, so another padding above; the same words of the blobs.
  void Strip(std::size_t number, std::size_t segment, const Tensor& source,
             const Tensor& destination, int padding_top) {
    std::vector<uint32_t> op = this->ops[number];
    op[2] = static_cast<uint32_t>(source.base);
    op[3] = static_cast<uint32_t>(source.height);
    op[13] = static_cast<uint32_t>(padding_top);
    PutDestination(op, destination);
    const Tiling tiling(destination, static_cast<int>(op[23]));
    PutTiling(op, tiling);
    for (std::vector<uint32_t>* segments : {&this->weight_segments, &this->param_segments}) {
      const std::size_t at = 3 * segment;
      const uint32_t words[] = {(*segments)[at], (*segments)[at + 1],
                                static_cast<uint32_t>(tiling.pixel_tiles)};
      segments->insert(segments->end(), words, words + 3);
    }
    this->iterations.push_back(MatmulCycles(static_cast<int>(op[32]), tiling,
                                            static_cast<int>(op[28]), static_cast<int>(op[33])));
    this->ops.push_back(op);
  }

 private:
  /// Groups of pixels of an image and their tiles.
  struct Tiling {
    int group_pixels, per_line, groups, tile_groups, pixel_tiles;
    Tiling(const Tensor& t, int pixels)
        : group_pixels(pixels),
          per_line(CeilDiv(t.width, pixels)),
          groups(per_line * t.height),
          tile_groups(std::min(int(Config::kTileGroups), groups)),
          pixel_tiles(CeilDiv(groups, tile_groups)) {}
  };

  /// Words 23 .. 27 of a record.
  static void PutTiling(std::vector<uint32_t>& op, const Tiling& t) {
    const int fields[] = {t.group_pixels, t.per_line, t.groups, t.tile_groups, t.pixel_tiles};
    for (int i = 0; i < 5; ++i) op[23 + i] = static_cast<uint32_t>(fields[i]);
  }

  Tensor Convolve(const Tensor& source, int channels, const Window& window, Format format,
                  bool logits, bool argmax, int channel_groups) {
    const int blocks = CeilDiv(source.channels, kTn) / channel_groups;
    const int group_rows = channels / channel_groups;
    const int group_tiles = CeilDiv(group_rows, kRows) + (group_rows > 2 * kRows ? 1 : 0);
    const int row_tiles = group_tiles * channel_groups;
    const int steps = window.kernel_y * window.kernel_x * blocks * source.planes;
    const int height = window.OutY(source.height), width = window.OutX(source.width);
    Tensor t = logits ? this->Shape(channels, height, width, format)
                      : this->Allocate(channels, height, width, format);
    std::vector<int> lanes;
    for (int g = 0; g < channel_groups; ++g) PlaceRows(g * group_rows, group_rows, group_tiles, lanes);
    const int shift = 12;
    const int low = logits ? INT32_MIN : format.Low();
    const int high = logits ? INT32_MAX : format.High();
    const std::size_t first_weight = this->weights.size(), first_param = this->params.size();
    std::vector<Int> sums(static_cast<std::size_t>(row_tiles * kRows) * t.height * t.width, 0);
    Int best = 0;
    int best_channel = -1;
    for (int tile = 0; tile < row_tiles; ++tile) {
      std::vector<uint8_t> tiles(static_cast<std::size_t>(steps) * kTileBytes, 0);
      for (int lane = 0; lane < kRows; ++lane) {
        const int channel = lanes[tile * kRows + lane];
        const int first_block = tile / group_tiles * blocks;
        const std::vector<int> row =
            RandomRow(lane, channel < 0, source, window, first_block, blocks, tiles);
        const Factor factor = RandomFactor(this->random, Config::kMultiplierTerms, -300, 300);
        const Int multiplier = factor.value;
        const Int bias = this->random.In(0, 8 << shift);
        const Int correction = channel < 0 ? 0 : Correction(source, row);
        PushParams(this->params, kTn, factor.stored, bias, correction, channel);
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
      this->weights.insert(this->weights.end(), tiles.begin(), tiles.end());
    }

    const int banks = Config::kBanks;
    const Tiling tiling(
        t, logits ? 1 : std::min(int(Config::kPixels), banks / Gcd(window.stride_x, banks)));
    const int repeat = logits ? int(Config::kDrainRows) : format.planes;
    if (logits) PushLogits(tiling, row_tiles, sums);
    if (argmax) PushOutput(best_channel);
    const uint32_t flags =
        (source.is_signed ? 1u : 0u) | (logits ? 2u : 0u) | (argmax ? 4u : 0u);
    std::vector<uint32_t>& op = this->Op(2, flags, source, blocks);
    PutWindow(op, window);
    if (!logits) PutDestination(op, t);
    PutTiling(op, tiling);
    const int fields[] = {row_tiles, shift, low, high, steps, repeat, group_tiles,
                          channel_groups == 1 ? 0 : blocks * source.planes};
    for (int i = 0; i < 8; ++i) op[28 + i] = static_cast<uint32_t>(fields[i]);
    PushSegment(this->weight_segments, first_weight, this->weights.size(),
                kBeatBits / 8, tiling.pixel_tiles);
    PushSegment(this->param_segments, first_param, this->params.size(), 16, tiling.pixel_tiles);
    this->iterations.push_back(MatmulCycles(steps, tiling, row_tiles, repeat));
    return t;
  }

  void PushOutput(Int word) {
    this->output.push_back(static_cast<uint32_t>(word));
    this->output_mask.push_back(~0u);
  }

  void PushLogits(const Tiling& tiling, int row_tiles, const std::vector<Int>& sums) {
    for (int first = 0; first < tiling.groups; first += tiling.tile_groups) {
      for (int tile = 0; tile < row_tiles; ++tile) {
        for (int g = first; g < std::min(tiling.groups, first + tiling.tile_groups); ++g) {
          for (int lane = 0; lane < kRows; ++lane) {
            PushOutput(sums[(tile * kRows + lane) * tiling.groups + g]);
          }
        }
      }
    }
  }

  /// What the shifted activations take from an accumulator; the test's array must hold it.
  static Int Correction(const Tensor& source, const std::vector<int>& row) {
    Int total = 0, magnitude = 0;
    for (int weight : row) {
      total += weight;
      magnitude += std::abs(weight);
    }
    const Int low_plane = source.planes == 2 || !source.is_signed ? 8 : 0;
    const Int high_plane = source.planes == 2 && !source.is_signed ? 128 : 0;
    const Int correction = (low_plane + high_plane) * total;
    if (magnitude * (source.planes == 2 ? 255 : 15) + std::llabs(correction) >=
        (Int(1) << (Config::kAccBits - 1))) {
      std::printf("network.hpp: accumulator of %d bits too narrow for a test\n",
                  int(Config::kAccBits));
      std::exit(2);
    }
    return correction;
  }

  /// Channel of every lane of `row_tiles` tiles, -1 for none: neighbours that leave in one
  /// cycle are consecutive channels, hence in distinct positions; everything else shuffled.
  void PlaceRows(int first_channel, int channels, int row_tiles, std::vector<int>& lanes) {
    const int per_cycle = Config::kDrainRows;
    const int cycles = row_tiles * (kRows / per_cycle);
    std::vector<int> first(static_cast<std::size_t>(cycles));
    for (int i = 0; i < cycles; ++i) first[i] = i * per_cycle;
    for (int i = cycles - 1; i > 0; --i) std::swap(first[i], first[this->random.In(0, i)]);
    for (int i = 0; i < cycles; ++i) {
      const int turn = static_cast<int>(this->random.In(0, per_cycle - 1));
      for (int q = 0; q < per_cycle; ++q) {
        const int channel = first[i] + (q + turn) % per_cycle;
        lanes.push_back(channel < channels ? first_channel + channel : -1);
      }
    }
  }

  /// Weights [c][ky][kx] of one row, also written to the lane's place in all weight tiles; 0 for
  /// channels outside the row's blocks.
  std::vector<int> RandomRow(int lane, bool zero, const Tensor& source, const Window& window,
                             int first_block, int blocks, std::vector<uint8_t>& tiles) {
    const int area = window.kernel_y * window.kernel_x;
    std::vector<int> row(static_cast<std::size_t>(source.channels) * area, 0);
    if (zero) return row;
    const int end = std::min(source.channels, (first_block + blocks) * kTn);
    for (int c = first_block * kTn; c < end; ++c) {
      for (int tap = 0; tap < area; ++tap) {
        int weight, code, high = 0, nibble_row = lane;
        if (lane < Config::kShiftAddLanes) {
          const int index = static_cast<int>(this->random.In(0, Magnitudes() - 1));
          const int sign = static_cast<int>(this->random.In(0, 1));
          weight = sign ? -Magnitude(index) : Magnitude(index);
          code = index | (sign << 3);
        } else if (lane < Config::kShiftAddLanes + Config::kFixed4Lanes) {
          weight = static_cast<int>(this->random.In(-7, 7));
          code = weight;
        } else {
          weight = static_cast<int>(this->random.In(-119, 119));
          high = static_cast<int>(FloorShift(weight + 8, 4));
          code = weight - 16 * high;
          nibble_row = 2 * lane - Config::kShiftAddLanes - Config::kFixed4Lanes;
        }
        row[c * area + tap] = weight;
        for (int plane = 0; plane < source.planes; ++plane) {
          const int step = (tap * blocks + c / kTn - first_block) * source.planes + plane;
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

  static uint64_t MatmulCycles(int steps, const Tiling& tiling, int row_tiles, int repeat) {
    const int blocks = tiling.pixel_tiles * row_tiles;
    Int total = 0, drain_before = 0;
    for (int block = 0; block <= blocks; ++block) {
      Int length = drain_before;
      if (block < blocks) {
        const int here = std::min(tiling.tile_groups,
                                  tiling.groups - block / row_tiles * tiling.tile_groups);
        const Int step = std::max(here, std::max(int(kWeightBeats), int(Config::kMinStep)));
        length = std::max(length, steps * step + (block == 0 ? kWeightBeats : 0));
        length = std::max(length, Int(kRows));
        drain_before = Int(here) * (kRows / Config::kDrainRows) * repeat;
      }
      total += length;
    }
    return static_cast<uint64_t>(total);
  }
};

}  // namespace network
