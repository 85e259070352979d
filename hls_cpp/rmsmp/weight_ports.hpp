/// RMSMP_WEIGHT_PORT_LIST(of): of(0), of(1), ... for every weight port.
///
/// The number of a function's pointers is fixed before templates are, so config.hpp says it as a
/// macro too: RMSMP_WEIGHT_PORTS is kWeightPorts.
#pragma once

#if RMSMP_WEIGHT_PORTS == 1
#define RMSMP_WEIGHT_PORT_LIST(of) of(0)
#elif RMSMP_WEIGHT_PORTS == 2
#define RMSMP_WEIGHT_PORT_LIST(of) of(0), of(1)
#elif RMSMP_WEIGHT_PORTS == 4
#define RMSMP_WEIGHT_PORT_LIST(of) of(0), of(1), of(2), of(3)
#else
#error "config.hpp, included before, must define RMSMP_WEIGHT_PORTS as 1, 2 or 4"
#endif
