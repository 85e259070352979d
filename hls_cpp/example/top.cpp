/// Top function of the example array: ports and their protocols, nothing else.
#include "config.hpp"
#include "accelerator.hpp"

typedef rmsmp::Types::Word<32> Word32;
typedef rmsmp::Types::Word<RmsmpConfig::kWeightWordBits> WeightWord;
typedef rmsmp::Types::Word<128> ParamWord;
typedef rmsmp::Types::Word<32 * rmsmp::kBeatWords> InputWord;

/// Run `program` on `images` images. Ports and blobs: docs/packed-design.md.
void rmsmp_top(const Word32* program, const WeightWord* weights0, const ParamWord* params,
               const InputWord* input, Word32* output, WeightWord* spill, unsigned int images) {
#pragma HLS INTERFACE m_axi port = program offset = slave bundle = gmem_program depth = 4096 \
    latency = 32 num_read_outstanding = 2 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = weights0 offset = slave bundle = gmem_weights0 depth = 65536 \
    latency = 32 num_read_outstanding = 16 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = params offset = slave bundle = gmem_params depth = 4096 \
    latency = 32 num_read_outstanding = 4 max_read_burst_length = 16
#pragma HLS INTERFACE m_axi port = input offset = slave bundle = gmem_input depth = 16384 \
    latency = 32 num_read_outstanding = 8 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = output offset = slave bundle = gmem_output depth = 65536 \
    latency = 32 num_write_outstanding = 8 max_write_burst_length = 64
#pragma HLS INTERFACE m_axi port = spill offset = slave bundle = gmem_spill depth = 65536 \
    latency = 32 num_read_outstanding = 8 max_read_burst_length = 64 \
    num_write_outstanding = 8 max_write_burst_length = 64
#pragma HLS INTERFACE s_axilite port = program bundle = control
#pragma HLS INTERFACE s_axilite port = weights0 bundle = control
#pragma HLS INTERFACE s_axilite port = params bundle = control
#pragma HLS INTERFACE s_axilite port = input bundle = control
#pragma HLS INTERFACE s_axilite port = output bundle = control
#pragma HLS INTERFACE s_axilite port = spill bundle = control
#pragma HLS INTERFACE s_axilite port = images bundle = control
#pragma HLS INTERFACE s_axilite port = return bundle = control
  rmsmp::Accelerator<RmsmpConfig, rmsmp::Types>(program, weights0, params, input, output, spill,
                                              images);
}
