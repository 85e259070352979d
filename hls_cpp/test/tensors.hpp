/// Tensors, windows and formats of the tests' networks, and exact integer arithmetic.
#pragma once

#include <algorithm>
#include <vector>

namespace network {

typedef long long Int;

struct Tensor {
  int channels, height, width, planes;
  bool is_signed;
  int base, line_stride, pixel_stride;
  std::vector<int> codes;

  int& At(int c, int y, int x) { return codes[(c * height + y) * width + x]; }
  int Padded(int c, int y, int x) const {
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? codes[(c * height + y) * width + x] : 0;
  }
  bool Inside(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }
};

/// How a kernel walks an image; pad_y and pad_x on both sides.
struct Window {
  int kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
  int OutY(int height) const {
    return (height + 2 * pad_y - dilation_y * (kernel_y - 1) - 1) / stride_y + 1;
  }
  int OutX(int width) const {
    return (width + 2 * pad_x - dilation_x * (kernel_x - 1) - 1) / stride_x + 1;
  }
};

inline Window Square(int kernel, int stride, int pad) {
  const Window window = {kernel, kernel, stride, stride, pad, pad, 1, 1};
  return window;
}

/// Format of codes: planes 1 | 2, signed or not.
struct Format {
  int planes;
  bool is_signed;
  int Low() const { return is_signed ? (planes == 1 ? -7 : -127) : 0; }
  int High() const { return is_signed ? (planes == 1 ? 7 : 127) : (planes == 1 ? 15 : 255); }
};

constexpr int CeilBytes(int bits, int word_bits) {
  return (bits + word_bits - 1) / word_bits * (word_bits / 8);
}
inline int CeilDiv(int a, int b) { return (a + b - 1) / b; }
inline Int FloorShift(Int value, int shift) {
  const Int divisor = Int(1) << shift;
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}
inline Int Clamp(Int value, Int low, Int high) { return std::min(std::max(value, low), high); }
inline int Gcd(int a, int b) { return b == 0 ? a : Gcd(b, a % b); }

}  // namespace network
