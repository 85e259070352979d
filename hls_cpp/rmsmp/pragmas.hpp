/// Pragma dialects of Vivado HLS and Vitis HLS, and what only C simulation runs.
#pragma once

#define RMSMP_PRAGMA(text) _Pragma(#text)

/// Memory with one read and one write port. Vitis HLS defines __VITIS_HLS__; Vivado HLS
/// knows RESOURCE only.
#ifdef __VITIS_HLS__
#define RMSMP_BRAM_S2P(name) \
  RMSMP_PRAGMA(HLS BIND_STORAGE variable = name type = ram_s2p impl = bram)
#define RMSMP_LUTRAM_S2P(name) \
  RMSMP_PRAGMA(HLS BIND_STORAGE variable = name type = ram_s2p impl = lutram)
#else
#define RMSMP_BRAM_S2P(name) RMSMP_PRAGMA(HLS RESOURCE variable = name core = RAM_S2P_BRAM)
#define RMSMP_LUTRAM_S2P(name) RMSMP_PRAGMA(HLS RESOURCE variable = name core = RAM_2P_LUTRAM)
#endif

/// Shallow memories lie in LUT RAM, deep ones in block RAM. config.hpp says which are shallow
/// (macros, because a pragma cannot depend on a constant).
#if defined(RMSMP_ACTIVATIONS_IN_LUTRAM) && RMSMP_ACTIVATIONS_IN_LUTRAM
#define RMSMP_ACTIVATION_STORAGE(name) RMSMP_LUTRAM_S2P(name)
#else
#define RMSMP_ACTIVATION_STORAGE(name) RMSMP_BRAM_S2P(name)
#endif
#if defined(RMSMP_PARTIAL_SUMS_IN_LUTRAM) && RMSMP_PARTIAL_SUMS_IN_LUTRAM
#define RMSMP_PARTIAL_SUM_STORAGE(name) RMSMP_LUTRAM_S2P(name)
#else
#define RMSMP_PARTIAL_SUM_STORAGE(name) RMSMP_BRAM_S2P(name)
#endif

/// For a hot function with many callers, which C++ compilers else do not inline in C simulation;
/// hardware follows the INLINE pragma.
#define RMSMP_INLINE inline __attribute__((always_inline))

/// RMSMP_SIM(statements): counters and checks of C simulation, nothing in hardware. They
/// never change a value that the hardware computes.
///
/// kSynthesis: data paths have no enable in hardware; C simulation skips idle cycles with
/// `if (kSynthesis || active)`, whose result nobody reads when it is idle.
#ifdef __SYNTHESIS__
#define RMSMP_SIM(...)
namespace rmsmp {
static const bool kSynthesis = true;
}
#else
#include "../sim/sim_checks.hpp"
#include "../sim/sim_counters.hpp"
#define RMSMP_SIM(...) __VA_ARGS__
namespace rmsmp {
static const bool kSynthesis = false;
}
#endif
