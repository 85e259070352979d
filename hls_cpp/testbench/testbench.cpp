// Self-checking testbench: runs the top function on every image and compares every word.
//
//   testbench [DATA_FOLDER] [--skip N] [--images N] [--deployed N] [--batch N] [--output FILE]
//
// Prints one fact per line (docs/hls-project.md lists them). Returns 0 if everything agrees,
// 1 if something differs, 2 if the files or arguments are wrong.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../sim/sim_counters.hpp"
#include "../sim/words.hpp"
#include "arguments.hpp"
#include "compare.hpp"
#include "files.hpp"
#include "tensor_table.hpp"
#include "top.hpp"

#include "rmsmp/weight_ports.hpp"

/// Words of a weight port, as an argument of the top function.
#define WEIGHT_WORDS(port) vectors.weights[port].data()

namespace {

using testbench::BadFile;

const std::uint32_t kUnwritten = 0xdeadbeef;
const std::uint8_t kUnsaved = 0xa5;

/// Everything read from the data folder.
struct Vectors {
  testbench::TensorTable table;
  std::vector<RmsmpUnits::WeightWord> weights[RMSMP_WEIGHT_PORTS];  ///< of every port
  std::vector<RmsmpUnits::ParamWord> params;
  std::vector<std::uint32_t> input;
  std::vector<std::uint32_t> expected;
  std::size_t first;  ///< images first .. last - 1 are simulated
  std::size_t last;
};

Vectors ReadVectors(const testbench::Arguments& arguments) {
  const std::string folder = arguments.data + "/";
  Vectors vectors;
  vectors.table = testbench::ReadTensorTable(folder + "tensors.txt");
  const std::vector<RmsmpUnits::WeightWord> weights =
      rmsmp::sim::WordsFromBytes<rmsmp::Types, RmsmpUnits::kWordBits>(
          testbench::ReadBytes(folder + "weights.bin"));
  vectors.params =
      rmsmp::sim::WordsFromBytes<rmsmp::Types, 128>(testbench::ReadBytes(folder + "params.bin"));
  vectors.input = testbench::ReadWords(folder + "input.bin");
  vectors.expected = testbench::ReadWords(folder + "expected_trace.bin");
  const std::size_t images = vectors.input.size() / vectors.table.input_words;
  if (images == 0 || vectors.input.size() % vectors.table.input_words != 0) {
    throw BadFile(folder + "input.bin", "is not a whole number of images");
  }
  if (vectors.expected.size() != images * vectors.table.trace.output_words) {
    throw BadFile(folder + "expected_trace.bin", "does not hold as many images as input.bin");
  }
  if (arguments.skip >= images) {
    throw std::invalid_argument("--skip leaves no image");
  }
  vectors.first = arguments.skip;
  vectors.last = images;
  if (arguments.images != 0) {
    vectors.last = std::min(images, vectors.first + arguments.images);
  }
  // Co-simulation copies the declared depth of every port.
  for (std::size_t port = 0; port < RMSMP_WEIGHT_PORTS; ++port) {
    std::vector<RmsmpUnits::WeightWord>& own = vectors.weights[port];
    own = rmsmp::sim::WordsOfPort(weights, port, RMSMP_WEIGHT_PORTS);
    own.resize(std::max<std::size_t>(own.size(), kRmsmpWeightDepth));
  }
  vectors.params.resize(std::max<std::size_t>(vectors.params.size(), kRmsmpParamDepth));
  return vectors;
}

/// A program as words of its port, and what its header says.
struct ProgramFile {
  std::vector<RmsmpUnits::Word32> words;
  std::size_t operations;
  std::size_t spill_words;
};

/// A program file, checked against the table.
ProgramFile ReadProgram(const std::string& path, std::size_t input_words,
                        std::size_t output_words) {
  const std::vector<std::uint32_t> words = testbench::ReadWords(path);
  if (words.size() < 8 || words[0] != 0x4d534d52u || words[1] != 3) {
    throw BadFile(path, "is not a program of version 3");
  }
  if (words[5] != input_words || words[6] != output_words) {
    throw BadFile(path, "does not fit tensors.txt");
  }
  ProgramFile program = {std::vector<RmsmpUnits::Word32>(words.begin(), words.end()), words[2],
                         words[7]};
  program.words.resize(std::max<std::size_t>(program.words.size(), kRmsmpProgramDepth), 0);
  return program;
}

/// Memory of the spill port: a pattern, so that what is restored but was never saved shows.
std::vector<RmsmpUnits::WeightWord> UnsavedWords(std::size_t words) {
  const std::size_t count = std::max<std::size_t>(words, kRmsmpSpillDepth);
  return rmsmp::sim::WordsFromBytes<rmsmp::Types, RmsmpUnits::kWordBits>(
      std::vector<std::uint8_t>(count * (RmsmpUnits::kWordBits / 8), kUnsaved));
}

/// Loop iterations of every operation for one image; every image must take the same.
class IterationCounts {
 public:
  explicit IterationCounts(std::size_t operations) : operations_(operations), equal_(true) {}

  /// Take the counts of a call that ran `images` images.
  void Add(std::size_t images) {
    const std::vector<std::uint64_t>& counts = rmsmp::sim::IterationCounts();
    if (counts.empty()) {
      return;  // co-simulation: the RTL does not count
    }
    if (counts.size() != operations_ * images) {
      equal_ = false;
      return;
    }
    if (first_.empty()) {
      first_.assign(counts.begin(), counts.begin() + operations_);
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
      equal_ = equal_ && counts[i] == first_[i % operations_];
    }
  }

  /// Print one line per operation; return whether all images took the same.
  bool Report(const char* name) const {
    for (std::size_t op = 0; op < first_.size(); ++op) {
      std::printf("iterations program=%s op=%llu count=%llu\n", name,
                  static_cast<unsigned long long>(op),
                  static_cast<unsigned long long>(first_[op]));
    }
    if (!equal_) {
      std::printf("images of the %s program take different numbers of iterations\n", name);
    }
    return equal_;
  }

 private:
  std::size_t operations_;
  bool equal_;
  std::vector<std::uint64_t> first_;
};

/// Run one program on images vectors.first .. last - 1; set the seconds inside the top function;
/// write the output if a path is given.
bool RunProgram(const char* name, const std::string& path, const testbench::Program& layout,
                std::size_t last, std::size_t batch, Vectors& vectors, double* seconds,
                const std::string& output_path) {
  const std::size_t input_words = vectors.table.input_words;
  ProgramFile program = ReadProgram(path, input_words, layout.output_words);
  testbench::Comparison comparison(name, layout, vectors.table.trace.output_words, 8);
  IterationCounts iterations(program.operations);
  std::vector<std::uint32_t> all;
  *seconds = 0;
  for (std::size_t first = vectors.first; first < last; first += batch) {
    const std::size_t images = std::min(batch, last - first);
    const std::uint32_t* source = vectors.input.data() + first * input_words;
    std::vector<RmsmpUnits::InputWord> input =
        rmsmp::sim::WordsFrom32<rmsmp::Types, 32 * rmsmp::kBeatWords>(source,
                                                                      images * input_words);
    input.resize(std::max<std::size_t>(input.size(), kRmsmpInputDepth));
    std::vector<RmsmpUnits::Word32> output(
        std::max<std::size_t>(images * layout.output_words, kRmsmpOutputDepth), kUnwritten);
    std::vector<RmsmpUnits::WeightWord> spill = UnsavedWords(program.spill_words);
    rmsmp::sim::ResetCounters();
    const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    RMSMP_TOP(program.words.data(), RMSMP_WEIGHT_PORT_LIST(WEIGHT_WORDS), vectors.params.data(),
              input.data(), output.data(), spill.data(), static_cast<unsigned int>(images));
    *seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    iterations.Add(images);
    std::vector<std::uint32_t> words(images * layout.output_words);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = static_cast<std::uint32_t>(output[i]);
    }
    comparison.Add(words.data(), vectors.expected.data(), first, images);
    if (!output_path.empty()) {
      all.insert(all.end(), words.begin(), words.end());
    }
  }
  if (!output_path.empty()) {
    testbench::WriteWords(output_path, all);
  }
  const bool equal = comparison.Report();
  return iterations.Report(name) && equal;
}

int Run(int argc, char** argv) {
  const testbench::Arguments arguments = testbench::ParseArguments(argc, argv);
  Vectors vectors = ReadVectors(arguments);
  const std::string folder = arguments.data + "/";
  const std::size_t images = vectors.last - vectors.first;
  const std::size_t deployed =
      arguments.deployed == 0 ? images : std::min(images, arguments.deployed);
  double seconds = 0;
  double deployed_seconds = 0;
  bool equal = RunProgram("trace", folder + "program_trace.bin", vectors.table.trace,
                          vectors.last, arguments.batch, vectors, &seconds, arguments.output);
  equal = RunProgram("deployed", folder + "program.bin", vectors.table.deployed,
                     vectors.first + deployed, arguments.batch, vectors, &deployed_seconds, "") &&
          equal;
#ifdef RMSMP_OWN_STREAM
  equal = equal && hls::sim::StreamsLeftWithData() == 0;
#endif
#ifdef RMSMP_NATIVE
  const char* storage = "native";
#else
  const char* storage = "ap_int";
#endif
  std::printf("images=%llu deployed=%llu seconds=%.9f storage=%s\n",
              static_cast<unsigned long long>(images),
              static_cast<unsigned long long>(deployed), seconds, storage);
  return equal ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
