/// The accelerator: one dataflow region of six processes (docs/hardware.md, "Processes").
#pragma once

#include "compute.hpp"
#include "transfer.hpp"
#include "weight_ports.hpp"

/// The pointer of a weight port, and its name.
#define RMSMP_WEIGHT_POINTER(port) \
  const typename Storage::template Word<Config::kWeightWordBits>* weights##port
#define RMSMP_WEIGHT_NAME(port) weights##port

namespace rmsmp {

/// Run the program on `images` images.
///
/// \tparam Config   constants of the array (example/config.hpp)
/// \tparam Storage  ApTypes | NativeTypes
///
/// The other parameters only give the pragmas plain names for constants of Config.
template <typename Config, typename Storage, int kOpsDepth = Config::kStreamDepthOps,
          int kSegmentsDepth = Config::kStreamDepthSegments,
          int kCountsDepth = Config::kStreamDepthCounts,
          int kWeightsDepth = Config::kStreamDepthWeights,
          int kParamsDepth = Config::kStreamDepthParams,
          int kInputsDepth = Config::kStreamDepthInputs,
          int kOutputsDepth = Config::kStreamDepthOutputs, int kDistance = Config::kMinStep>
void Accelerator(const typename Storage::template Word<32>* program,
                 RMSMP_WEIGHT_PORT_LIST(RMSMP_WEIGHT_POINTER),
                 const typename Storage::template Word<128>* params,
                 const typename Storage::template Word<32 * kBeatWords>* input,
                 typename Storage::template Word<32>* output,
                 typename Storage::template Word<Config::kWeightWordBits>* spill,
                 unsigned int images) {
#pragma HLS INLINE off
#pragma HLS DATAFLOW
  typedef Units<Config, Storage> U;
  typename U::Stream32 ops("ops");
#pragma HLS STREAM variable = ops depth = kOpsDepth
  typename U::Stream32 weight_segments("weight_segments");
#pragma HLS STREAM variable = weight_segments depth = kSegmentsDepth
  typename U::Stream32 param_segments("param_segments");
#pragma HLS STREAM variable = param_segments depth = kSegmentsDepth
  typename U::Stream32 input_words("input_words");
#pragma HLS STREAM variable = input_words depth = kCountsDepth
  typename U::Stream32 output_words("output_words");
#pragma HLS STREAM variable = output_words depth = kCountsDepth
  typename U::WeightStream weight_tiles("weight_tiles");
#pragma HLS STREAM variable = weight_tiles depth = kWeightsDepth
  typename U::ParamStream row_params("row_params");
#pragma HLS STREAM variable = row_params depth = kParamsDepth
  typename U::InputStream inputs("inputs");
#pragma HLS STREAM variable = inputs depth = kInputsDepth
  typename U::Stream32 outputs("outputs");
#pragma HLS STREAM variable = outputs depth = kOutputsDepth

  LoadProgram<U>(program, ops, weight_segments, param_segments, input_words, output_words, images);
  LoadWeights<U>(RMSMP_WEIGHT_PORT_LIST(RMSMP_WEIGHT_NAME), weight_segments, weight_tiles, images);
  LoadParams<U>(params, param_segments, row_params, images);
  LoadInput<U>(input, input_words, inputs, images);
  Compute<U, kDistance>(ops, weight_tiles, row_params, inputs, outputs, spill, images);
  StoreOutput<U>(output_words, outputs, output, images);
}

}  // namespace rmsmp
