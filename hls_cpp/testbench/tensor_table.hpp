// What lies where in the output of one image: data/tensors.txt, see docs/hls-project.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ios>
#include <string>
#include <vector>

#include "files.hpp"

namespace testbench {

/// One tensor in the output of a program. Offsets and sizes are 32-bit words of one image.
struct Tensor {
  unsigned index;               ///< number of the tensor, the same in both programs
  std::size_t offset;           ///< in this program's output
  std::size_t expected_offset;  ///< in the expected output of the trace program
  std::size_t words;
  unsigned element_bits;             ///< 8 or 32
  std::vector<std::uint32_t> masks;  ///< bits of word w that count: masks[w % masks.size()]
};

/// The outputs of one program.
struct Program {
  std::size_t output_words;
  std::vector<Tensor> tensors;
};

/// The whole table.
struct TensorTable {
  std::size_t input_words;
  Program trace;
  Program deployed;
};

namespace detail {

/// Reads words of a text file and refuses anything unexpected.
class TableReader {
 public:
  explicit TableReader(const std::string& path) : path_(path), file_(path.c_str()) {
    if (!file_) {
      throw BadFile(path, "cannot be opened");
    }
  }
  void Expect(const std::string& word) {
    std::string got;
    if (!(file_ >> got) || got != word) {
      throw BadFile(path_, "expected '" + word + "', found '" + got + "'");
    }
  }
  std::size_t Number(const std::string& name) {
    Expect(name);
    std::size_t value = 0;
    if (!(file_ >> std::dec >> value)) {
      throw BadFile(path_, "no number after '" + name + "'");
    }
    return value;
  }
  std::uint32_t Mask() {
    std::uint32_t value = 0;
    if (!(file_ >> std::hex >> value)) {
      throw BadFile(path_, "a mask is missing");
    }
    return value;
  }
  void ExpectEnd() {
    std::string got;
    if (file_ >> got) {
      throw BadFile(path_, "unexpected '" + got + "' at the end");
    }
  }
  void Require(bool holds, const std::string& rule) {
    if (!holds) {
      throw BadFile(path_, rule);
    }
  }

 private:
  std::string path_;
  std::ifstream file_;
};

inline Program ReadProgram(TableReader& reader, const std::string& name,
                           std::size_t expected_words) {
  Program program;
  reader.Expect(name);
  program.output_words = reader.Number("output_words");
  const std::size_t limit = expected_words == 0 ? program.output_words : expected_words;
  const std::size_t count = reader.Number("tensors");
  for (std::size_t i = 0; i < count; ++i) {
    Tensor tensor;
    tensor.index = static_cast<unsigned>(reader.Number("tensor"));
    tensor.offset = reader.Number("offset");
    tensor.expected_offset = reader.Number("expected_offset");
    tensor.words = reader.Number("words");
    tensor.element_bits = static_cast<unsigned>(reader.Number("element_bits"));
    const std::size_t period = reader.Number("masks");
    reader.Require(tensor.element_bits == 8 || tensor.element_bits == 32,
                   "element_bits must be 8 or 32");
    reader.Require(period >= 1 && period <= tensor.words, "a tensor has no word or no mask");
    reader.Require(tensor.offset + tensor.words <= program.output_words,
                   "a tensor passes the end of the output");
    reader.Require(tensor.expected_offset + tensor.words <= limit,
                   "a tensor passes the end of the expected output");
    for (std::size_t mask = 0; mask < period; ++mask) {
      tensor.masks.push_back(reader.Mask());
    }
    program.tensors.push_back(tensor);
  }
  return program;
}

}  // namespace detail

/// Read and check the table.
inline TensorTable ReadTensorTable(const std::string& path) {
  detail::TableReader reader(path);
  TensorTable table;
  reader.Require(reader.Number("rmsmp-tensors") == 1, "unknown version of this table");
  table.input_words = reader.Number("input_words");
  reader.Require(table.input_words >= 1, "input_words must be positive");
  table.trace = detail::ReadProgram(reader, "trace", 0);
  table.deployed = detail::ReadProgram(reader, "deployed", table.trace.output_words);
  reader.ExpectEnd();
  return table;
}

}  // namespace testbench
