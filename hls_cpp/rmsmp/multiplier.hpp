/// Products with a requantization multiplier: one DSP, or a few shifted copies that are added.
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// value * multiplier, kBits + 18 bits, from the 18 stored bits (docs/packed-design.md).
///
/// \tparam kTerms  Config::kMultiplierTerms: 0 for a multiplication
///
/// Term i has its exponent, 0 .. 17, in bits 6 i .. 6 i + 4 (31: there is none) and its sign in
/// bit 6 i + 5. The packer gives terms whose sum fits 18 signed bits, largest first: no partial
/// sum needs more bits than the product.
template <typename T, int kBits, int kTerms>
struct Multiplier {
  typedef typename T::template Int<18> Stored;
  typedef typename T::template Int<kBits> Value;
  typedef typename T::template Int<kBits + 18> Product;
  typedef typename T::template Uint<5> Exponent;

  static Product Times(Value value, Stored stored) {
#pragma HLS INLINE
    const typename T::template Uint<18> bits = T::template LowBits<18>(stored);
    Product sum = 0;
  Term:
    for (int i = 0; i < kTerms; ++i) {
#pragma HLS UNROLL
      const Exponent exponent = T::template LowBits<5>(bits >> (6 * i));
      const bool negative = T::template LowBits<1>(bits >> (6 * i + 5)) != 0;
      const bool absent = exponent == static_cast<Exponent>(31);
      const Product copy =
          absent ? static_cast<Product>(0)
                 : static_cast<Product>(static_cast<Product>(value) << exponent);
      sum = static_cast<Product>(negative ? sum - copy : sum + copy);
    }
    return sum;
  }
};

/// Any 18-bit number. Operands of exact widths: one DSP up to 27 (DSP48E2) or 25 bits.
template <typename T, int kBits>
struct Multiplier<T, kBits, 0> {
  static typename T::template Int<kBits + 18> Times(typename T::template Int<kBits> value,
                                                    typename T::template Int<18> stored) {
#pragma HLS INLINE
    return T::template Multiply<kBits, 18>(value, stored);
  }
};

}  // namespace rmsmp
