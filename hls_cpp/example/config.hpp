/// The shape of the example array: constants only.
///
/// Every field is one of `ArrayShape` (docs/hardware.md); the shift-add table is that of
/// codebook SP2-4, magnitudes 0, 1, 2, 4, 5, 6, 8.
#pragma once

/// Memories that are shallow enough for LUT RAM; the others lie in block RAM.
#define RMSMP_ACTIVATIONS_IN_LUTRAM 0
#define RMSMP_PARTIAL_SUMS_IN_LUTRAM 1

/// kWeightPorts, for lists of pointers.
#define RMSMP_WEIGHT_PORTS 1

struct RmsmpConfig {
  enum {
    kShiftAddLanes = 4,
    kFixed4Lanes = 2,
    kFixed8Lanes = 2,
    kChannels = 8,
    kPixels = 2,
    kBanks = 4,
    kDrainRows = 2,
    kVectorLanes = 4,
    kTileGroups = 16,
    kActivationDepth = 1024,
    kWeightWordBits = 64,
    kAccBits = 20,
    kMinStep = 8,
    kMultiplierTerms = 0,
    kWindowTaps = 2,
    kWeightPorts = 1
  };

  /// 2 x 2 packing of DSP48E2: field width, products per cascade, offset, width of port A.
  enum { kDspFieldBits = 11, kDspCascade = 16, kDspOffset = 960, kDspPortBits = 27 };

  /// Shift-add codebook. Of magnitude index m, bit m of kTerm1Used says whether the first
  /// term is there, hexadecimal digit m of kTerm1Shifts its shift. All shifts of a term lie
  /// in kTerm1Base .. kTerm1Base + 2^kTerm1Bits - 1. The same for the second term.
  enum {
    kTerm1Used = 0x7e,
    kTerm1Shifts = 0x02102100,
    kTerm1Base = 0,
    kTerm1Bits = 2,
    kTerm2Used = 0x70,
    kTerm2Shifts = 0x02220000,
    kTerm2Base = 2,
    kTerm2Bits = 0,
    kMaxMagnitude = 8
  };

  /// FIFO depths, in elements.
  enum {
    kStreamDepthOps = 64,
    kStreamDepthSegments = 16,
    kStreamDepthCounts = 2,
    kStreamDepthWeights = 512,
    kStreamDepthParams = 16,
    kStreamDepthInputs = 32,
    kStreamDepthOutputs = 64
  };
};
