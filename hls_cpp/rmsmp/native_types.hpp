/// Storage policy on native integers, for fast C simulation of whole networks.
///
/// Every type is at least as wide as asked; code that relies on wrapping goes through
/// `LowBits`. The same source on ApTypes (ap_types.hpp) gives the same bits.
#pragma once

#include <stdint.h>

namespace rmsmp {
namespace detail {

/// Smallest native integers of 8 << kClass bits.
template <int kClass>
struct NativeInteger;
template <>
struct NativeInteger<0> {
  typedef int8_t Signed;
  typedef uint8_t Unsigned;
};
template <>
struct NativeInteger<1> {
  typedef int16_t Signed;
  typedef uint16_t Unsigned;
};
template <>
struct NativeInteger<2> {
  typedef int32_t Signed;
  typedef uint32_t Unsigned;
};
template <>
struct NativeInteger<3> {
  typedef int64_t Signed;
  typedef uint64_t Unsigned;
};

template <int kWidth>
struct NativeWidth {
  static_assert(kWidth >= 1 && kWidth <= 64, "native integers have 1 .. 64 bits");
  typedef NativeInteger<(kWidth > 8) + (kWidth > 16) + (kWidth > 32)> Integer;
};

/// A memory word wider than 64 bits, or of 64: 32-bit limbs, lowest first.
template <int kBits>
struct NativeLimbs {
  static_assert(kBits % 32 == 0, "memory words are multiples of 32 bits");
  uint32_t limb[kBits / 32];
};

template <int kBits>
struct NativeWord {
  typedef NativeLimbs<kBits> Type;
};
template <>
struct NativeWord<32> {
  typedef uint32_t Type;
};

/// Replace bits low .. low + width - 1 of one limb.
inline void SetLimb(uint32_t& limb, int low, int width, uint32_t value) {
  const uint32_t mask = (~uint32_t(0) >> (32 - width)) << low;
  limb = (limb & ~mask) | (value << low);
}

}  // namespace detail

struct NativeTypes {
  template <int kWidth>
  using Int = typename detail::NativeWidth<kWidth>::Integer::Signed;
  template <int kWidth>
  using Uint = typename detail::NativeWidth<kWidth>::Integer::Unsigned;
  template <int kBits>
  using Word = typename detail::NativeWord<kBits>::Type;

  /// Low `kWidth` bits of any integer, as an unsigned number.
  template <int kWidth, typename Value>
  static Uint<kWidth> LowBits(Value value) {
    return static_cast<Uint<kWidth> >(static_cast<uint64_t>(value) & (~uint64_t(0) >> (64 - kWidth)));
  }

  /// The two's complement number that `kWidth` bits stand for; bits above must be 0.
  template <int kWidth>
  static Int<kWidth> AsSigned(Uint<kWidth> bits) {
    const Uint<kWidth> sign = static_cast<Uint<kWidth> >(Uint<kWidth>(1) << (kWidth - 1));
    return static_cast<Int<kWidth> >((bits ^ sign) - sign);
  }

  /// The exact product.
  template <int kLeft, int kRight>
  static Int<kLeft + kRight> Multiply(Int<kLeft> left, Int<kRight> right) {
    return static_cast<Int<kLeft + kRight> >(static_cast<Int<kLeft + kRight> >(left) * right);
  }

  /// Bits low .. low + kWidth - 1 of a memory word; kWidth <= 64.
  template <int kWidth, int kBits>
  static Uint<kWidth> GetBits(const detail::NativeLimbs<kBits>& word, int low) {
    const int first = low >> 5;
    const int shift = low & 31;
    uint64_t value = static_cast<uint64_t>(word.limb[first]) >> shift;
    if (kWidth + shift > 32 && first + 1 < kBits / 32) {
      value |= static_cast<uint64_t>(word.limb[first + 1]) << (32 - shift);
    }
    if (kWidth + shift > 64 && first + 2 < kBits / 32) {
      value |= static_cast<uint64_t>(word.limb[first + 2]) << (64 - shift);
    }
    return LowBits<kWidth>(value);
  }
  template <int kWidth>
  static Uint<kWidth> GetBits(uint32_t word, int low) {
    return LowBits<kWidth>(word >> low);
  }

  /// Replace bits low .. low + kWidth - 1; the field must not cross a 32-bit boundary.
  template <int kWidth, int kBits>
  static void SetBits(detail::NativeLimbs<kBits>& word, int low, Uint<kWidth> value) {
    detail::SetLimb(word.limb[low >> 5], low & 31, kWidth, static_cast<uint32_t>(value));
  }
  template <int kWidth>
  static void SetBits(uint32_t& word, int low, Uint<kWidth> value) {
    detail::SetLimb(word, low, kWidth, static_cast<uint32_t>(value));
  }
};

}  // namespace rmsmp
