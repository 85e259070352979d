/// Runs the records of a network through Compute: no other process, no port but the spill one.
#pragma once

#include "compute.hpp"
#include "network.hpp"
#include "words.hpp"

/// Streams and spill memory around the operations of `net`.
template <typename Config>
class Machine {
 public:
  typedef rmsmp::Units<Config, rmsmp::Types> U;

  explicit Machine(const network::Network<Config>& net)
      : weights("weights"),
        params("params"),
        input("input"),
        output("output"),
        ops("ops"),
        spill(net.spill_words + 1),
        net_(net) {
    for (const typename U::InputWord& beat :
         rmsmp::sim::WordsFrom32<rmsmp::Types, 32 * rmsmp::kBeatWords>(net.input.data(),
                                                                       net.input.size())) {
      input.write(beat);
    }
    const auto weight_beats =
        rmsmp::sim::WordsFromBytes<rmsmp::Types, U::kBeatBits>(net.weights);
    const auto param_words = rmsmp::sim::WordsFromBytes<rmsmp::Types, 128>(net.params);
    Send(net.weight_segments, weight_beats, weights);
    Send(net.param_segments, param_words, params);
    rmsmp::sim::ResetCounters();
  }

  typename U::WeightStream weights;
  typename U::ParamStream params;
  typename U::InputStream input;
  typename U::Stream32 output, ops;
  std::vector<typename U::WeightWord> spill;

  void RunAll() {
    typedef typename U::Word32 Word32;
    ops.write(static_cast<Word32>(net_.ops.size()));
    for (const std::vector<uint32_t>& record : net_.ops) {
      for (uint32_t word : record) ops.write(static_cast<Word32>(word));
    }
    rmsmp::sim::SpillWords() = static_cast<long long>(net_.spill_words);
    rmsmp::Compute<U, Config::kMinStep>(ops, weights, params, input, output, spill.data(), 1);
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

  const network::Network<Config>& net_;
};
