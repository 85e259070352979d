/// Runs the records of a network through one unit at a time: no processes, no ports.
#pragma once

#include "compute.hpp"
#include "network.hpp"
#include "words.hpp"

/// Streams and memory around the operations of `net`; `Step` runs the next record.
template <typename Config>
class Machine {
 public:
  typedef rmsmp::Units<Config, rmsmp::Types> U;

  explicit Machine(const network::Network<Config>& net)
      : weights("weights"), params("params"), input("input"), output("output"), net_(net), op_(0) {
    for (uint32_t word : net.input) input.write(static_cast<typename U::Word32>(word));
    const auto weight_words =
        rmsmp::sim::WordsFromBytes<rmsmp::Types, Config::kWeightWordBits>(net.weights);
    const auto param_words = rmsmp::sim::WordsFromBytes<rmsmp::Types, 128>(net.params);
    Send(net.weight_segments, weight_words, weights);
    Send(net.param_segments, param_words, params);
    rmsmp::sim::ResetCounters();
  }

  typename U::WeightStream weights;
  typename U::ParamStream params;
  typename U::Stream32 input, output;

  void RunAll() {
    for (op_ = 0; op_ < net_.ops.size(); ++op_) Step(net_.ops[op_]);
  }

  /// All that the network promises: words, iterations, nothing left over.
  void Check() {
    CHECK_EQUAL(output.size(), net_.output.size());
    for (std::size_t i = 0; i < net_.output.size(); ++i) {
      const uint32_t word = static_cast<uint32_t>(output.read());
      CHECK_EQUAL(word & net_.output_mask[i], net_.output[i] & net_.output_mask[i]);
    }
    CHECK(weights.empty() && params.empty() && input.empty());
    for (std::size_t i = 0; i < net_.iterations.size(); ++i) {
      CHECK_EQUAL(rmsmp::sim::IterationCounts()[i], net_.iterations[i]);
    }
  }

 private:
  template <typename Word>
  static void Send(const std::vector<uint32_t>& segments, const std::vector<Word>& words,
                   hls::stream<Word>& stream) {
    for (std::size_t s = 0; s < segments.size(); s += 3) {
      for (uint32_t repeat = 0; repeat < segments[s + 2]; ++repeat) {
        for (uint32_t i = 0; i < segments[s + 1]; ++i) stream.write(words[segments[s] + i]);
      }
    }
  }

  void Step(const std::vector<uint32_t>& record) {
    static typename U::Memory memory;
    typename U::Word32 words[rmsmp::kOperationWords];
    for (int i = 0; i < rmsmp::kOperationWords; ++i) {
      words[i] = static_cast<typename U::Word32>(record[i]);
    }
    rmsmp::sim::BeginOperation();
    rmsmp::sim::BeginCount();
    if (record[0] == 1) rmsmp::LoadTensor<U>(rmsmp::DecodeTransfer<U>(words), input, memory);
    if (record[0] == 2) {
      rmsmp::Matmul<U, Config::kMinStep>(rmsmp::DecodeMatmul<U>(words), weights, params, output,
                                         memory);
    }
    if (record[0] == 3) rmsmp::VectorUnit<U>(rmsmp::DecodeVector<U>(words), memory);
    if (record[0] == 4) rmsmp::StoreTensor<U>(rmsmp::DecodeTransfer<U>(words), memory, output);
  }

  const network::Network<Config>& net_;
  std::size_t op_;
};
