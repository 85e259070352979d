/// Arrays that the tests build: both DSP families, the three shift-add codebooks, lanes of
/// each kind absent once, several cascades, one, two and four weight ports, requantization by
/// multiplication and by one, two and three shifts.
#pragma once

#include "../example/config.hpp"

namespace arrays {

struct Pot {
  enum { kTerm1Used = 0xfe, kTerm1Shifts = 0x65432100, kTerm1Base = 0, kTerm1Bits = 3 };
  enum { kTerm2Used = 0, kTerm2Shifts = 0, kTerm2Base = 0, kTerm2Bits = 0, kMaxMagnitude = 64 };
};

struct Apot {
  enum { kTerm1Used = 0xfe, kTerm1Shifts = 0x33221100, kTerm1Base = 0, kTerm1Bits = 2 };
  enum { kTerm2Used = 0xa8, kTerm2Shifts = 0x10100000, kTerm2Base = 0, kTerm2Bits = 1 };
  enum { kMaxMagnitude = 10 };
};

struct Sp2 {
  enum { kTerm1Used = 0x7e, kTerm1Shifts = 0x02102100, kTerm1Base = 0, kTerm1Bits = 2 };
  enum { kTerm2Used = 0x70, kTerm2Shifts = 0x02220000, kTerm2Base = 2, kTerm2Bits = 0 };
  enum { kMaxMagnitude = 8 };
};

struct Dsp48e1 {
  enum { kDspFieldBits = 10, kDspCascade = 8, kDspOffset = 480, kDspPortBits = 25 };
};

struct Dsp48e2 {
  enum { kDspFieldBits = 11, kDspCascade = 16, kDspOffset = 960, kDspPortBits = 27 };
};

struct Depths {
  enum { kStreamDepthOps = 64, kStreamDepthSegments = 16, kStreamDepthCounts = 2 };
  enum { kStreamDepthWeights = 512, kStreamDepthParams = 16 };
  enum { kStreamDepthInputs = 32, kStreamDepthOutputs = 64 };
};

/// PoT, DSP48E1, two cascades per row pair, one drain step per group of rows.
struct PotE1 : Pot, Dsp48e1, Depths {
  enum { kShiftAddLanes = 5, kFixed4Lanes = 2, kFixed8Lanes = 1, kChannels = 16, kPixels = 4 };
  enum { kBanks = 8, kDrainRows = 4, kVectorLanes = 8, kTileGroups = 12 };
  enum { kActivationDepth = 2000, kWeightWordBits = 32, kAccBits = 24, kMinStep = 8 };
  enum { kMultiplierTerms = 2 };
  enum { kWindowTaps = 4, kWeightPorts = 4 };
};

/// APoT, DSP48E2 with two cascades, no fixed-4 lane, a tile of one weight beat.
struct ApotE2 : Apot, Dsp48e2, Depths {
  enum { kShiftAddLanes = 1, kFixed4Lanes = 0, kFixed8Lanes = 2, kChannels = 32, kPixels = 2 };
  enum { kBanks = 2, kDrainRows = 1, kVectorLanes = 16, kTileGroups = 64 };
  enum { kActivationDepth = 3000, kWeightWordBits = 512, kAccBits = 27, kMinStep = 16 };
  enum { kMultiplierTerms = 0 };
  enum { kWindowTaps = 1, kWeightPorts = 2 };
};

/// Only shift-add lanes, more of them than min_step; four channels; drain of three rows.
struct LutOnly : Sp2, Dsp48e2, Depths {
  enum { kShiftAddLanes = 12, kFixed4Lanes = 0, kFixed8Lanes = 0, kChannels = 4, kPixels = 4 };
  enum { kBanks = 4, kDrainRows = 3, kVectorLanes = 4, kTileGroups = 7 };
  enum { kActivationDepth = 4096, kWeightWordBits = 32, kAccBits = 18, kMinStep = 8 };
  enum { kMultiplierTerms = 3 };
  enum { kWindowTaps = 4, kWeightPorts = 1 };
};

/// Only fixed lanes; groups of six pixels, which divide no line of eight.
struct DspOnly : Sp2, Dsp48e1, Depths {
  enum { kShiftAddLanes = 0, kFixed4Lanes = 2, kFixed8Lanes = 0, kChannels = 8, kPixels = 6 };
  enum { kBanks = 8, kDrainRows = 2, kVectorLanes = 8, kTileGroups = 20 };
  enum { kActivationDepth = 2048, kWeightWordBits = 128, kAccBits = 20, kMinStep = 9 };
  enum { kMultiplierTerms = 1 };
  enum { kWindowTaps = 1, kWeightPorts = 2 };
};

/// An array with another number of weight ports.
template <typename Array, int kPorts>
struct WithPorts : Array {
  enum { kWeightPorts = kPorts };
};

}  // namespace arrays
