/// Window coordinates to the signed nibbles that the row lanes see.
#pragma once

#include "window.hpp"

namespace rmsmp {

/// What one cycle reads: TP pixels of one line at one address offset.
template <typename U>
struct FetchRequest {
  typename U::Coord y;            // line, may lie in the padding
  typename U::Coord x;            // column of pixel 0
  typename U::Address offset;     // channel block * planes + plane
  typename U::Dim group_pixels;   // pixels of a group; the others are idle
  bool window;                    // depthwise: neighbouring columns, see window.hpp
  bool stride_two;                // of a window: pixels lie two columns apart, not one
  bool plane_signed;              // the plane's nibbles are signed as stored
  bool active;                    // something reads the result
};

/// The buses of a dense layer: pixel lane p from bank[p], code 0 where it is not `inside`.
template <typename U>
void SpreadPixels(const typename U::Nibble (&word)[U::kBanks][U::kChannels],
                  const bool (&inside)[U::kPixels], const typename U::Bank (&bank)[U::kPixels],
                  typename U::Nibble flip,
                  typename U::Signed4 (&buses)[U::kWindowTaps][U::kPixels][U::kChannels]) {
#pragma HLS INLINE
  typedef typename U::Nibble Nibble;
Pixel:
  for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
    const int from = static_cast<int>(bank[p]);
  Position:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      const Nibble stored = inside[p] ? word[from][n] : static_cast<Nibble>(0);
      const typename U::Signed4 seen =
          U::Storage::template AsSigned<4>(static_cast<Nibble>(stored ^ flip));
    Bus:
      for (int b = 0; b < U::kWindowTaps; ++b) {
#pragma HLS UNROLL
        if (kSynthesis || b == 0) buses[b][p][n] = seen;  // C simulation reads only the first
      }
    }
  }
}

/// Pixel lane p gets column x + pixel_offset[p], channel positions 0 .. TN - 1, the same on all
/// buses; of a window every bus gets its own part (window.hpp).
///
/// An unsigned nibble u enters as u - 8 (top bit flipped), a signed one as it is; padding
/// is the code 0. The pixels of a group lie in distinct banks, which the packer arranges
/// (group_pixels <= NB / gcd(stride, NB)) and C simulation checks.
template <typename U>
void Fetch(const typename U::Memory& memory, const Tensor<U>& source,
           const FetchRequest<U>& request, const typename U::Coord (&pixel_offset)[U::kPixels],
           typename U::Signed4 (&buses)[U::kWindowTaps][U::kPixels][U::kChannels]) {
#pragma HLS INLINE
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  typedef typename U::Nibble Nibble;

  bool inside[U::kPixels];
#pragma HLS ARRAY_PARTITION variable = inside complete
  typename U::Bank bank[U::kPixels];
#pragma HLS ARRAY_PARTITION variable = bank complete
  Address address[U::kPixels];
#pragma HLS ARRAY_PARTITION variable = address complete
  const bool line_inside = request.active && request.y >= 0 && request.y < source.height;
  const Address line =
      static_cast<Address>(LineAddress<U>(source, request.y) + request.offset);
Locate:
  for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
    const Coord x = static_cast<Coord>(request.x + pixel_offset[p]);
    inside[p] = line_inside && x >= 0 && x < source.width && request.group_pixels > p;
    bank[p] = BankOf<U>(x);
    address[p] = static_cast<Address>(line + ColumnAddress<U>(source, x));
  }

  bool used[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = used complete
  Address bank_address[U::kBanks];
#pragma HLS ARRAY_PARTITION variable = bank_address complete
Route:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    used[b] = false;
    bank_address[b] = 0;
  RoutePixel:
    for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
      const bool hit = inside[p] && bank[p] == static_cast<typename U::Bank>(b);
      RMSMP_SIM(sim::Require(!(hit && used[b]), "two pixels of a group lie in one bank", "bank", b));
      used[b] = used[b] || hit;
      bank_address[b] = hit ? address[p] : bank_address[b];
    }
  }
  const bool window = U::kWindowTaps > 1 && request.window;
  if (window) {
    LocateWindow<U>(source, request.x, line, line_inside, used, bank_address);
  }

  Nibble word[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = word complete dim = 0
  ReadBanks<U>(memory, used, bank_address, word);

  const Nibble flip = static_cast<Nibble>(request.plane_signed ? 0 : 8);
  if (window) {
    SpreadWindow<U>(word, used, BankOf<U>(request.x), flip, request.stride_two, buses);
  } else {
    SpreadPixels<U>(word, inside, bank, flip, buses);
  }
}

}  // namespace rmsmp
