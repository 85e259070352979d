/// Constants and number types of one array, from its Config and storage policy.
#pragma once

#include "types.hpp"

namespace rmsmp {

enum { kBeatWords = 4 };  // 32-bit words of a word of the input port

/// \tparam Config  constants of the array, see example/config.hpp
/// \tparam Types   ApTypes | NativeTypes
template <typename Config, typename Types>
struct Units {
  typedef Config Shape;
  typedef Types Storage;

  // Row lanes in order: shift-add, fixed-4, fixed-8; nibble rows: a fixed-8 lane has two.
  static constexpr int kShiftAddLanes = Config::kShiftAddLanes;
  static constexpr int kFixed4Lanes = Config::kFixed4Lanes;
  static constexpr int kFixed8Lanes = Config::kFixed8Lanes;
  static constexpr int kRows = kShiftAddLanes + kFixed4Lanes + kFixed8Lanes;
  static constexpr int kPairs = kFixed4Lanes / 2 + kFixed8Lanes;
  static constexpr int kNibbleRows = kShiftAddLanes + 2 * kPairs;
  // Arrays need an element also where a kind of lane is absent; loops use the true counts.
  static constexpr int kShiftAddSize = kShiftAddLanes > 0 ? kShiftAddLanes : 1;
  static constexpr int kPairSize = kPairs > 0 ? kPairs : 1;

  static constexpr int kChannels = Config::kChannels;
  static constexpr int kPixels = Config::kPixels;
  static constexpr int kWindowTaps = Config::kWindowTaps;
  static constexpr int kBusChannels = kChannels / kWindowTaps;
  static constexpr int kPixelPairs = kPixels / 2;
  static constexpr int kBanks = Config::kBanks;
  static constexpr int kDrainRows = Config::kDrainRows;
  static constexpr int kDrainSteps = kRows / kDrainRows;
  static constexpr int kVectorLanes = Config::kVectorLanes;
  static constexpr int kChunks = kChannels / kVectorLanes;
  static constexpr int kGroups = Config::kTileGroups;
  static constexpr int kDepth = Config::kActivationDepth;
  static constexpr int kMinStep = Config::kMinStep;
  static constexpr int kWordBits = Config::kWeightWordBits;
  static constexpr int kNibblesPerWord = kWordBits / 4;
  // A beat is what all weight ports deliver in one cycle: a word of each, that of port 0 lowest.
  static constexpr int kWeightPorts = Config::kWeightPorts;
  static constexpr int kBeatBits = kWeightPorts * kWordBits;
  static constexpr int kNibblesPerBeat = kBeatBits / 4;
  static constexpr int kTileNibbles = kNibbleRows * kChannels;
  static constexpr int kWeightBeats = (kTileNibbles + kNibblesPerBeat - 1) / kNibblesPerBeat;

  static constexpr int kBankBits = BitsFor<Config::kBanks - 1>::kBits;
  static constexpr int kChannelBits = BitsFor<Config::kChannels - 1>::kBits;
  static constexpr int kAddressBits = BitsFor<Config::kActivationDepth>::kBits + 1;
  static constexpr int kGroupBits = BitsFor<Config::kTileGroups>::kBits + 1;
  static constexpr int kAccBits = Config::kAccBits;
  static constexpr int kMultiplierTerms = Config::kMultiplierTerms;

  static_assert(kFixed4Lanes % 2 == 0, "fixed4_lanes must be even: a DSP takes two rows");
  static_assert(kRows >= 1, "the array has no row lane: set one of the *_lanes");
  static_assert(kPixels >= 2 && kPixels % 2 == 0, "pixels must be even: a DSP takes two pixels");
  static_assert((1 << kBankBits) == kBanks, "banks must be a power of two");
  static_assert((1 << kChannelBits) == kChannels, "channels must be a power of two");
  static_assert(kBusChannels * kWindowTaps == kChannels, "window_taps must divide channels");
  static_assert(kBanks >= kPixels, "banks must be at least pixels");
  static_assert(kRows % kDrainRows == 0, "drain_rows must divide the row lanes");
  static_assert(kDrainRows <= kChannels, "drain_rows must not pass channels");
  static_assert(kChannels % kVectorLanes == 0, "vector_lanes must divide channels");
  static_assert(kVectorLanes % 4 == 0, "vector_lanes must be a multiple of 4");
  static_assert(kWordBits % 32 == 0, "weight_word_bits must be a multiple of 32");
  static_assert(kWeightPorts == 1 || kWeightPorts == 2 || kWeightPorts == 4,
                "weight_ports must be 1, 2 or 4");
  static_assert(kBeatBits <= 1024, "a beat is one number: at most 1024 bits");
  static_assert(kAccBits >= 8 && kAccBits <= 32, "acc_bits must be 8 .. 32");
  static_assert(kMultiplierTerms >= 0 && kMultiplierTerms <= 3,
                "multiplier_terms must be 0 .. 3: terms of six bits in 18");
  static_assert(kMinStep >= 8, "min_step must be at least 8: latency of a partial sum");

  // Memory words and streams.
  typedef typename Types::template Word<32> Word32;
  typedef typename Types::template Word<kWordBits> WeightWord;
  typedef typename Types::template Word<kBeatBits> WeightBeat;
  typedef typename Types::template Word<128> ParamWord;
  typedef typename Types::template Word<32 * kBeatWords> InputWord;
  typedef hls::stream<Word32> Stream32;
  typedef hls::stream<WeightBeat> WeightStream;
  typedef hls::stream<ParamWord> ParamStream;
  typedef hls::stream<InputWord> InputStream;

  // Numbers. Signed where they take part in arithmetic, as wide as their ranges need.
  typedef typename Types::template Uint<4> Nibble;     // stored pattern
  typedef typename Types::template Int<4> Signed4;     // what a lane sees
  typedef typename Types::template Int<9> Code;        // -128 .. 255
  typedef typename Types::template Int<kAccBits> Acc;  // partial sum
  typedef typename Types::template Int<kAddressBits> Address;
  typedef typename Types::template Int<kGroupBits> Group;  // 0 .. tile_groups
  typedef typename Types::template Int<14> Dim;            // 0 .. 8191
  typedef typename Types::template Int<28> Coord;          // pixel coordinate with padding
  typedef int Count;                                       // iterations, steps, words
  typedef typename Types::template Int<32> Bound;          // result before it is a code
  typedef typename Types::template Uint<6> Shift;
  typedef typename Types::template Uint<kBankBits> Bank;
  typedef typename Types::template Uint<8> Position;  // channel mod TN

  /// Activation memory: a nibble of channel position `n` at [bank][address][n].
  typedef Nibble Memory[kBanks][kDepth][kChannels];
};

}  // namespace rmsmp
