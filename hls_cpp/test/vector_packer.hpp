/// VECTOR records of the tests' networks, with the formulas they must equal beside them.
#pragma once

#include "builder.hpp"

namespace network {

const unsigned kSignedA = 1, kSignedB = 2, kMaximum = 4, kBinary = 8, kTable = 16, kMultiply = 32,
               kBroadcast = 64;

/// Everything that a VECTOR record says; signs and planes follow from the tensors.
struct VectorRecord {
  unsigned flags;
  Tensor a, b, destination;
  Window window;
  Factor multiplier_a, multiplier_b;
  Int bias;
  int shift;
  Format format;
  int repeat_y, repeat_x;
};

template <typename Config>
class VectorPacker : public Builder<Config> {
 public:
  using Builder<Config>::kTn;
  explicit VectorPacker(uint64_t seed) : Builder<Config>(seed) {}

  /// VECTOR over a window: maximum of codes, or scaled sum.
  Tensor Pool(const Tensor& source, const Window& window, Format format, bool maximum) {
    Tensor t = this->Allocate(source.channels, window.OutY(source.height), window.OutX(source.width),
                        format);
    const Factor factor = RandomFactor(this->random, Config::kMultiplierTerms, 1, 2000);
    const Int multiplier = factor.value;
    const Int bias = this->random.In(0, 1 << 12);
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
    VectorRecord record = Record(maximum ? kMaximum : 0, source, t, format);
    record.window = window;
    if (!maximum) record.multiplier_a = factor;
    record.bias = maximum ? 0 : bias;
    record.shift = maximum ? 0 : shift;
    Push(record);
    return t;
  }

  /// VECTOR of two operands, summed.
  Tensor Add(const Tensor& a, const Tensor& b, Format format) {
    Tensor t = this->Allocate(a.channels, a.height, a.width, format);
    VectorRecord record = Record(kBinary, a, t, format);
    record.b = b;
    const int terms = Config::kMultiplierTerms;
    record.multiplier_a = RandomFactor(this->random, terms, -131072, 131071);
    record.multiplier_b = RandomFactor(this->random, terms, -131072, 131071);
    record.bias = this->random.In(-(Int(1) << 24), Int(1) << 24);
    record.shift = 20;
    for (std::size_t i = 0; i < t.codes.size(); ++i) {
      t.codes[i] = Result(record, a.codes[i] * record.multiplier_a.value +
                                      b.codes[i] * record.multiplier_b.value);
    }
    Push(record);
    return t;
  }

  /// VECTOR of two operands, multiplied, and by a number of 0 .. `largest` or, where that is
  /// negative, `largest` .. -1; b may be one pixel, the same for all of a.
  Tensor Multiply(const Tensor& a, const Tensor& b, Format format, Int largest) {
    Tensor t = this->Allocate(a.channels, a.height, a.width, format);
    const bool broadcast = b.height == 1 && b.width == 1;
    VectorRecord record = Record(kBinary | kMultiply | (broadcast ? kBroadcast : 0), a, t, format);
    record.b = b;
    record.multiplier_a = RandomFactor(this->random, Config::kMultiplierTerms,
                                       largest < 0 ? largest : 0, largest < 0 ? -1 : largest);
    const Int multiplier = record.multiplier_a.value;
    record.bias = this->random.In(0, Int(1) << 20);
    record.shift = 18;
    for (int c = 0; c < t.channels; ++c) {
      for (int y = 0; y < t.height; ++y) {
        for (int x = 0; x < t.width; ++x) {
          const Int factor = b.Padded(c, broadcast ? 0 : y, broadcast ? 0 : x);
          t.At(c, y, x) = Result(record, a.Padded(c, y, x) * factor * multiplier);
        }
      }
    }
    Push(record);
    return t;
  }

  /// VECTOR with a random table.
  Tensor Table(const Tensor& source, Format format) {
    Tensor t = this->Allocate(source.channels, source.height, source.width, format);
    int table[256];
    const std::size_t first = this->params.size();
    for (int& entry : table) {
      entry = static_cast<int>(this->random.In(format.Low(), format.High()));
      this->params.push_back(static_cast<uint8_t>(entry));
    }
    PushSegment(this->param_segments, first, this->params.size(), 16, 1);
    for (std::size_t i = 0; i < t.codes.size(); ++i) t.codes[i] = table[source.codes[i] & 255];
    Push(Record(kTable, source, t, format));
    return t;
  }

  /// VECTOR that repeats pixels: nearest neighbour; a copy where both repeats are 1.
  Tensor Upsample(const Tensor& source, int repeat_y, int repeat_x) {
    const Format format = {source.planes, source.is_signed};
    return UpsampleTo(source, repeat_y, repeat_x,
                      this->Allocate(source.channels, source.height * repeat_y,
                                     source.width * repeat_x, format));
  }

  /// The same into `place`, which may be a part of another tensor.
  Tensor UpsampleTo(const Tensor& source, int repeat_y, int repeat_x, const Tensor& place) {
    Tensor t = place;
    const Format format = {source.planes, source.is_signed};
    VectorRecord record = Record(kMaximum, source, t, format);
    record.repeat_y = repeat_y;
    record.repeat_x = repeat_x;
    for (int c = 0; c < t.channels; ++c) {
      for (int y = 0; y < t.height; ++y) {
        for (int x = 0; x < t.width; ++x) {
          t.At(c, y, x) = source.Padded(c, y / repeat_y, x / repeat_x);
        }
      }
    }
    Push(record);
    return t;
  }

 private:
  static VectorRecord Record(unsigned flags, const Tensor& a, const Tensor& t, Format format) {
    const VectorRecord record = {flags, a, a, t, Square(1, 1, 0), {1, 1}, {1, 1},
                                 0,     0, format, 1, 1};
    return record;
  }

  static int Result(const VectorRecord& record, Int sum) {
    return static_cast<int>(Clamp(FloorShift(sum + record.bias, record.shift),
                                  record.format.Low(), record.format.High()));
  }

  void Push(const VectorRecord& r) {
    const bool binary = (r.flags & kBinary) != 0;
    const bool table = (r.flags & kTable) != 0;
    const int blocks = CeilDiv(r.a.channels, kTn);
    const int taps = binary ? 2 : r.window.kernel_y * r.window.kernel_x;
    int planes = binary ? std::max(r.a.planes, r.b.planes) : r.a.planes;
    if (taps == 1 && r.destination.planes == 2) planes = 2;
    std::vector<uint32_t>& op = this->Op(
        3, r.flags | (r.a.is_signed ? kSignedA : 0u) | (binary && r.b.is_signed ? kSignedB : 0u),
        r.a, blocks);
    PutWindow(op, r.window);
    PutDestination(op, r.destination);
    if (binary) {
      const int fields[] = {r.b.base, r.b.planes, r.b.line_stride, r.b.pixel_stride};
      for (int i = 0; i < 4; ++i) op[23 + i] = static_cast<uint32_t>(fields[i]);
    }
    const Int fields[] = {r.multiplier_a.stored, r.multiplier_b.stored, r.shift, r.format.Low(),
                          r.format.High(), r.bias, r.bias >> 32, planes, r.repeat_y, r.repeat_x};
    for (int i = 0; i < 10; ++i) op[27 + i] = static_cast<uint32_t>(fields[i]);
    this->iterations.push_back(static_cast<uint64_t>(r.destination.height) * r.destination.width *
                                   blocks * (kTn / Config::kVectorLanes) * taps * planes +
                               1 + (table ? 16 : 0));
  }
};

}  // namespace network
