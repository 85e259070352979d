/// The Compute process: owner of the activation memory, runs one operation after another.
#pragma once

#include "folded_load.hpp"
#include "matmul.hpp"
#include "spill.hpp"
#include "tensor_io.hpp"
#include "vector_unit.hpp"

namespace rmsmp {

/// \tparam kDistance  claimed dependence distance of partial sums (Config::kMinStep)
/// \param spill       DRAM for tensors that do not fit, written before it is read
template <typename U, int kDistance>
void Compute(typename U::Stream32& ops, typename U::WeightStream& weights,
             typename U::ParamStream& params, typename U::InputStream& input,
             typename U::Stream32& output, typename U::WeightWord* spill, unsigned int images) {
#pragma HLS INLINE off
  // Static because C simulation has a small stack. No operation reads what no earlier one of
  // the same image wrote, so neither initial values nor the last image's matter.
  static typename U::Memory memory;
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 1
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 3
  RMSMP_ACTIVATION_STORAGE(memory)

Image:
  for (unsigned int image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
    const unsigned int count = static_cast<unsigned int>(ops.read());
  Operation:
    for (unsigned int number = 0; number < count; ++number) {
#pragma HLS LOOP_TRIPCOUNT min = 4 max = 128
      typename U::Word32 words[kOperationWords];
#pragma HLS ARRAY_PARTITION variable = words complete
    Record:
      for (int i = 0; i < kOperationWords; ++i) {
#pragma HLS PIPELINE II = 1
        words[i] = ops.read();
      }
      RMSMP_SIM(sim::BeginOperation(); sim::BeginCount());
      const int opcode = static_cast<int>(words[0]);
      if (opcode == kLoad) {
        if (detail::Flag<U>(words[1], kLoadFolded)) {
          LoadFolded<U>(DecodeFold<U>(words), input, memory);
        } else {
          LoadTensor<U>(DecodeTransfer<U>(words), input, memory);
        }
      } else if (opcode == kMatmul) {
        Matmul<U, kDistance>(DecodeMatmul<U>(words), weights, params, output, memory);
      } else if (opcode == kVector) {
        VectorUnit<U>(DecodeVector<U>(words), params, memory);
      } else if (opcode == kStore) {
        StoreTensor<U>(DecodeTransfer<U>(words), memory, output);
      } else if (opcode == kSave) {
        SaveTensor<U>(DecodeSpill<U>(words), memory, spill);
      } else if (opcode == kRestore) {
        RestoreTensor<U>(DecodeSpill<U>(words), spill, memory);
      }
      RMSMP_SIM(sim::Require(opcode >= kLoad && opcode <= kRestore, "unknown operation", "opcode",
                             opcode));
    }
  }
}

}  // namespace rmsmp
