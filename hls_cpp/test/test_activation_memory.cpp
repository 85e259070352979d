/// activation_memory.hpp and fetch.hpp: the address formula; windows of every stride, padding
/// and dilation; signed and unsigned planes; bank conflicts are caught.
#include "check.hpp"
#include "arrays.hpp"
#include "dies.hpp"
#include "fetch.hpp"

template <typename Config>
struct Image {
  typedef rmsmp::Units<Config, rmsmp::Types> U;
  static const int kBase = 37, kHeight = 5, kWidth = 13, kPlanes = 2;
  static int Blocks() { return 2; }
  static int PixelStride() { return Blocks() * kPlanes; }
  static int LineStride() { return (kWidth + U::kBanks - 1) / U::kBanks * PixelStride(); }
  static int Address(int y, int x, int block, int plane) {
    return kBase + y * LineStride() + x / U::kBanks * PixelStride() + block * kPlanes + plane;
  }
  static rmsmp::Tensor<U> Tensor() {
    rmsmp::Tensor<U> t;
    t.base = kBase;
    t.height = kHeight;
    t.width = kWidth;
    t.line_stride = static_cast<typename U::Address>(LineStride());
    t.pixel_stride = static_cast<typename U::Address>(PixelStride());
    t.planes = kPlanes;
    return t;
  }
};

/// A window: bus b carries kBusChannels channel positions, each with kWindowTaps columns.
template <typename Config>
void CheckWindow(const typename rmsmp::Units<Config, rmsmp::Types>::Memory& memory,
                 const std::vector<int>& stored, int x, int stride) {
  typedef Image<Config> I;
  typedef typename I::U U;
  const int taps = U::kWindowTaps, bus_channels = U::kChannels / taps;
  if (taps == 1) return;
  int group = (U::kBanks - taps) / stride + 1;
  if (group > U::kPixels) group = U::kPixels;
  typename U::Coord offsets[U::kPixels];
  for (int p = 0; p < U::kPixels; ++p) offsets[p] = static_cast<typename U::Coord>(p * stride);
  for (int y = -1; y <= I::kHeight; ++y) {
    for (int word = 0; word < 4; ++word) {
      rmsmp::FetchRequest<U> request;
      request.y = static_cast<typename U::Coord>(y);
      request.x = static_cast<typename U::Coord>(x);
      request.offset = static_cast<typename U::Address>(word);
      request.group_pixels = static_cast<typename U::Dim>(group);
      request.window = true;
      request.stride_two = stride == 2;
      request.plane_signed = (word & 1) != 0;
      request.active = true;
      typename U::Signed4 buses[U::kWindowTaps][U::kPixels][U::kChannels];
      rmsmp::Fetch<U>(memory, I::Tensor(), request, offsets, buses);
      for (int b = 0; b < taps; ++b) {
        for (int p = 0; p < group; ++p) {
          for (int n = 0; n < U::kChannels; ++n) {
            const int at = x + p * stride + n / bus_channels;
            const int channel = b * bus_channels + n % bus_channels;
            const bool inside = y >= 0 && y < I::kHeight && at >= 0 && at < I::kWidth;
            const int nibble =
                inside ? stored[((y * I::kWidth + at) * 4 + word) * U::kChannels + channel] : 0;
            CHECK_EQUAL(buses[b][p][n], (word & 1) != 0 ? (nibble ^ 8) - 8 : nibble - 8);
          }
        }
      }
    }
  }
}

template <typename Config>
void TestArray() {
  typedef Image<Config> I;
  typedef typename I::U U;
  static typename U::Memory memory;
  const rmsmp::Tensor<U> tensor = I::Tensor();
  check::Random random(5);
  const int tn = U::kChannels, tp = U::kPixels, banks = U::kBanks;
  std::vector<int> stored(static_cast<std::size_t>(I::kHeight * I::kWidth * 4 * tn));

  // What lies around the tensor must never show.
  for (int b = 0; b < banks; ++b) {
    for (int a = 0; a < U::kDepth; ++a) {
      for (int n = 0; n < tn; ++n) memory[b][a][n] = 5;
    }
  }

  // Writing through WriteChunk puts every nibble where the formula says.
  for (int y = 0; y < I::kHeight; ++y) {
    for (int x = 0; x < I::kWidth; ++x) {
      for (int word = 0; word < 4; ++word) {
        for (int n = 0; n < tn; n += 4) {
          typename U::Nibble nibbles[4];
          for (int i = 0; i < 4; ++i) {
            const int value = static_cast<int>(random.In(0, 15));
            stored[((y * I::kWidth + x) * 4 + word) * tn + n + i] = value;
            nibbles[i] = static_cast<typename U::Nibble>(value);
          }
          const int address = I::Address(y, x, word / 2, word % 2);
          CHECK_EQUAL(rmsmp::LineAddress<U>(tensor, static_cast<typename U::Coord>(y)) +
                          rmsmp::ColumnAddress<U>(tensor, static_cast<typename U::Coord>(x)) + word,
                      address);
          rmsmp::WriteChunk<U, 4>(memory, true, rmsmp::BankOf<U>(static_cast<typename U::Coord>(x)),
                                  static_cast<typename U::Address>(address),
                                  static_cast<typename U::Position>(n), nibbles);
        }
      }
    }
  }
  for (int y = 0; y < I::kHeight; ++y) {
    for (int x = 0; x < I::kWidth; ++x) {
      for (int word = 0; word < 4; ++word) {
        for (int n = 0; n < tn; ++n) {
          CHECK_EQUAL(memory[x % banks][I::Address(y, x, word / 2, word % 2)][n],
                      stored[((y * I::kWidth + x) * 4 + word) * tn + n]);
        }
      }
    }
  }

  // TakeChunk gives back what WriteChunk wrote, from every bank and position.
  for (int b = 0; b < banks; ++b) {
    const int address = I::Address(1, b, 1, 1);
    bool used[U::kBanks];
    typename U::Address addresses[U::kBanks];
    typename U::Nibble words[U::kBanks][U::kChannels];
    for (int other = 0; other < banks; ++other) {
      used[other] = true;
      addresses[other] = static_cast<typename U::Address>(I::Address(1, other, 1, 1));
    }
    rmsmp::sim::BeginOperation();
    rmsmp::ReadBanks<U>(memory, used, addresses, words);
    for (int n = 0; n < tn; n += 4) {
      typename U::Nibble chunk[4];
      rmsmp::TakeChunk<U, 4>(words, static_cast<typename U::Bank>(b),
                             static_cast<typename U::Position>(n), chunk);
      for (int i = 0; i < 4; ++i) CHECK_EQUAL(chunk[i], memory[b][address][n + i]);
    }
  }
  rmsmp::sim::BeginOperation();

  // Fetch: strides 1, 2, 3, 4, columns from the left padding to the right one.
  for (int stride = 1; stride <= 4; ++stride) {
    int gcd = stride, rest = banks;
    while (rest != 0) {
      const int next = gcd % rest;
      gcd = rest;
      rest = next;
    }
    const int group = banks / gcd < tp ? banks / gcd : tp;
    typename U::Coord offsets[U::kPixels];
    for (int p = 0; p < tp; ++p) offsets[p] = static_cast<typename U::Coord>(p * stride);
    for (int y = -2; y < I::kHeight + 2; ++y) {
      for (int x = -4; x < I::kWidth + 2; ++x) {
        for (int word = 0; word < 4; ++word) {
          const bool plane_signed = ((x + word) & 1) != 0;
          rmsmp::FetchRequest<U> request;
          request.y = static_cast<typename U::Coord>(y);
          request.x = static_cast<typename U::Coord>(x);
          request.offset = static_cast<typename U::Address>(word);
          request.group_pixels = static_cast<typename U::Dim>(group);
          request.window = false;
          request.stride_two = stride == 2;
          request.plane_signed = plane_signed;
          request.active = true;
          typename U::Signed4 buses[U::kWindowTaps][U::kPixels][U::kChannels];
          rmsmp::Fetch<U>(memory, tensor, request, offsets, buses);
          for (int p = 0; p < group; ++p) {
            const int at = x + p * stride;
            const bool inside = y >= 0 && y < I::kHeight && at >= 0 && at < I::kWidth;
            for (int n = 0; n < tn; ++n) {
              const int nibble =
                  inside ? stored[((y * I::kWidth + at) * 4 + word) * tn + n] : 0;
              const int expected = plane_signed ? (nibble ^ 8) - 8 : nibble - 8;
              CHECK_EQUAL(buses[0][p][n], expected);
            }
          }
        }
      }
    }
    if (stride <= 2) {
      for (int x = -4; x < I::kWidth + 2; ++x) CheckWindow<Config>(memory, stored, x, stride);
    }
  }
}

/// A group that is too wide for its stride: two pixels in one bank.
struct Conflict {
  void operator()() const {
    typedef Image<RmsmpConfig> I;
    typedef I::U U;
    static U::Memory memory;
    U::Coord offsets[U::kPixels];
    for (int p = 0; p < U::kPixels; ++p) offsets[p] = static_cast<U::Coord>(4 * p);
    rmsmp::FetchRequest<U> request;
    request.y = 0;
    request.x = 0;
    request.offset = 0;
    request.group_pixels = 2;
    request.window = false;
    request.stride_two = false;
    request.plane_signed = false;
    request.active = true;
    U::Signed4 buses[U::kWindowTaps][U::kPixels][U::kChannels];
    rmsmp::Fetch<U>(memory, I::Tensor(), request, offsets, buses);
  }
};

int main() {
  TestArray<RmsmpConfig>();
  TestArray<arrays::PotE1>();
  TestArray<arrays::LutOnly>();
  CHECK(Dies(Conflict()));
  return check::Finish();
}
