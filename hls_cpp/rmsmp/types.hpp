/// The one place that includes vendor headers, and the storage policies.
///
/// RMSMP_NATIVE defined: `Types` is NativeTypes and ap_int.h is not needed at all.
/// Otherwise `Types` is ApTypes, and both policies exist.
#pragma once

#include <hls_stream.h>
#ifndef RMSMP_NATIVE
#include <ap_int.h>
#endif

#include "native_types.hpp"
#ifndef RMSMP_NATIVE
#include "ap_types.hpp"
#endif

namespace rmsmp {

#ifdef RMSMP_NATIVE
typedef NativeTypes Types;
#else
typedef ApTypes Types;
#endif

/// Bits of the unsigned number `kNumber`; 0 has none.
template <unsigned kNumber>
struct BitsFor {
  enum { kBits = 1 + BitsFor<(kNumber >> 1)>::kBits };
};
template <>
struct BitsFor<0> {
  enum { kBits = 0 };
};

}  // namespace rmsmp
