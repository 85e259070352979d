/// Records, segments, weight nibbles and parameter words, bit by bit (docs/packed-design.md).
#pragma once

#include <cstdint>
#include <vector>

#include "tensors.hpp"

namespace network {

/// Four codes of one pixel from channel `c` on, as LOAD takes and STORE gives them.
inline uint32_t Word(const Tensor& t, int c, int y, int x) {
  uint32_t word = 0;
  for (int i = 0; i < 4 && c + i < t.channels; ++i) {
    word |= (static_cast<uint32_t>(t.Padded(c + i, y, x)) & 255u) << (8 * i);
  }
  return word;
}

/// Words 9 .. 16 of a record.
inline void PutWindow(std::vector<uint32_t>& op, const Window& w) {
  const int fields[] = {w.kernel_y, w.kernel_x, w.stride_y, w.stride_x,
                        w.pad_y, w.pad_x, w.dilation_y, w.dilation_x};
  for (int i = 0; i < 8; ++i) op[9 + i] = static_cast<uint32_t>(fields[i]);
}

/// Words 17 .. 22 of a record.
inline void PutDestination(std::vector<uint32_t>& op, const Tensor& t) {
  const int fields[] = {t.base, t.height, t.width, t.planes, t.line_stride, t.pixel_stride};
  for (int i = 0; i < 6; ++i) op[17 + i] = static_cast<uint32_t>(fields[i]);
}

/// First word, words, repeats.
inline void PushSegment(std::vector<uint32_t>& segments, std::size_t first, std::size_t end,
                        int word_bytes, int repeats) {
  segments.push_back(static_cast<uint32_t>(first / word_bytes));
  segments.push_back(static_cast<uint32_t>((end - first) / word_bytes));
  segments.push_back(static_cast<uint32_t>(repeats));
}

/// One weight code of a tile.
inline void PutNibble(uint8_t* tile, int nibble, int value) {
  tile[nibble / 2] = static_cast<uint8_t>(tile[nibble / 2] | ((value & 15) << (4 * (nibble & 1))));
}

/// One output of a convolution: the formula.
inline Int Dot(const Tensor& source, const Window& window, const std::vector<int>& row, int y,
               int x) {
  Int sum = 0;
  std::size_t at = 0;
  for (int c = 0; c < source.channels; ++c) {
    for (int ky = 0; ky < window.kernel_y; ++ky) {
      for (int kx = 0; kx < window.kernel_x; ++kx) {
        const int iy = y * window.stride_y - window.pad_y + ky * window.dilation_y;
        const int ix = x * window.stride_x - window.pad_x + kx * window.dilation_x;
        sum += Int(row[at++]) * source.Padded(c, iy, ix);
      }
    }
  }
  return sum;
}

/// A multiplier, and the 18 bits that tell it to an array.
struct Factor {
  Int value, stored;
};

/// A random multiplier in low .. high, as an array with `terms` terms can have it (0: any).
inline Factor RandomFactor(check::Random& random, int terms, Int low, Int high) {
  if (terms == 0) {
    const Int any = random.In(low, high);
    return Factor{any, any};
  }
  for (;;) {
    Factor factor = {0, 0};
    for (int i = 0; i < 3; ++i) {
      const Int exponent = i < terms && random.In(0, 9) > 0 ? random.In(0, 17) : 31;
      const bool negative = random.In(0, 1) == 1;
      if (exponent < 31) factor.value += negative ? -(Int(1) << exponent) : Int(1) << exponent;
      factor.stored |= (exponent | (negative ? 32 : 0)) << (6 * i);
    }
    if (factor.value >= low && factor.value <= high) return factor;
  }
}

/// The 128-bit word of one row lane; channel -1 for a lane without a row.
inline void PushParams(std::vector<uint8_t>& params, int channels, Int multiplier, Int bias,
                       Int correction, int channel) {
  const bool valid = channel >= 0;
  std::vector<uint8_t> word(16, 0);
  const Int values[] = {multiplier, bias, correction, valid ? channel % channels : 0,
                        valid ? channel / channels : 0, valid ? 1 : 0};
  const int lows[] = {0, 18, 66, 98, 106, 122};
  const int widths[] = {18, 48, 32, 8, 16, 1};
  for (int field = 0; field < 6; ++field) {
    for (int i = 0; i < widths[field]; ++i) {
      const int bit = lows[field] + i;
      if ((values[field] >> i) & 1) {
        word[bit / 8] = static_cast<uint8_t>(word[bit / 8] | (1 << (bit % 8)));
      }
    }
  }
  params.insert(params.end(), word.begin(), word.end());
}

}  // namespace network
