/// Windows for depthwise layers: several horizontal taps of a channel in one cycle.
///
/// A dense layer shows all lanes the same TN channels. A row of a depthwise layer reads one
/// channel: of TN multipliers one would work. So the lanes hang on kWindowTaps buses, lane or
/// pair `i` of its kind on bus i mod kWindowTaps. In a dense layer all buses carry the same; in a
/// depthwise one bus b carries channel positions b * kBusChannels .. of the block, each with
/// kWindowTaps neighbouring columns: position n is tap n div kBusChannels of channel position
/// b * kBusChannels + n mod kBusChannels. The lane's own sum over TN adds the taps up.
#pragma once

#include "activation_memory.hpp"

namespace rmsmp {

/// Read addresses of the NB columns from `x` on: each lies in a bank of its own.
///
/// \param line  address of the line and the channel block
template <typename U>
void LocateWindow(const Tensor<U>& source, typename U::Coord x, typename U::Address line,
                  bool line_inside, bool (&used)[U::kBanks],
                  typename U::Address (&address)[U::kBanks]) {
#pragma HLS INLINE
  typedef typename U::Address Address;
  typedef typename U::Coord Coord;
  const int first = static_cast<int>(BankOf<U>(x));
  // Banks below the first hold the next column address; one product serves both.
  const Address here = static_cast<Address>(line + ColumnAddress<U>(source, x));
  const Address next = static_cast<Address>(here + source.pixel_stride);
Bank:
  for (int b = 0; b < U::kBanks; ++b) {
#pragma HLS UNROLL
    const Coord at = static_cast<Coord>(x + ((b - first) & (U::kBanks - 1)));
    used[b] = line_inside && at >= 0 && at < source.width;
    address[b] = b < first ? next : here;
  }
}

/// The buses of a depthwise layer.
///
/// \param word        what the banks gave; banks that are not `used` count as code 0
/// \param first       bank of the first column
/// \param flip        bits to flip in a stored nibble, see Fetch
/// \param stride_two  pixels lie two columns apart, not one
/// \param buses       out: [bus][pixel][position]
template <typename U>
void SpreadWindow(const typename U::Nibble (&word)[U::kBanks][U::kChannels],
                  const bool (&used)[U::kBanks], typename U::Bank first,
                  typename U::Nibble flip, bool stride_two,
                  typename U::Signed4 (&buses)[U::kWindowTaps][U::kPixels][U::kChannels]) {
#pragma HLS INLINE
  typedef typename U::Nibble Nibble;
  typename U::Signed4 column[U::kBanks][U::kChannels];
#pragma HLS ARRAY_PARTITION variable = column complete dim = 0
Rotate:
  for (int j = 0; j < U::kBanks; ++j) {
#pragma HLS UNROLL
    const int from = (static_cast<int>(first) + j) & (U::kBanks - 1);
    const bool real = used[from];
  Position:
    for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
      const Nibble stored = real ? word[from][n] : static_cast<Nibble>(0);
      column[j][n] = U::Storage::template AsSigned<4>(static_cast<Nibble>(stored ^ flip));
    }
  }
Bus:
  for (int b = 0; b < U::kWindowTaps; ++b) {
#pragma HLS UNROLL
  BusPixel:
    for (int p = 0; p < U::kPixels; ++p) {
#pragma HLS UNROLL
    BusPosition:
      for (int n = 0; n < U::kChannels; ++n) {
#pragma HLS UNROLL
        const int tap = n / U::kBusChannels;
        const int channel = b * U::kBusChannels + n % U::kBusChannels;
        // A group has no pixel whose window passes the banks: what those lanes see is not used.
        const int near = p + tap < U::kBanks ? p + tap : U::kBanks - 1;
        const int far = 2 * p + tap < U::kBanks ? 2 * p + tap : U::kBanks - 1;
        buses[b][p][n] = stride_two ? column[far][channel] : column[near][channel];
      }
    }
  }
}

}  // namespace rmsmp
