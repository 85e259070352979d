// Compare the accelerator's output with the expected words, tensor by tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "tensor_table.hpp"

namespace testbench {

/// Counts of one tensor over all images.
struct TensorCount {
  std::uint64_t elements;
  std::uint64_t mismatches;
};

/// How many elements of `element_bits` bits are touched by the set bits of `word`.
inline unsigned ElementsIn(std::uint32_t word, unsigned element_bits) {
  if (element_bits == 32) {
    return word != 0 ? 1 : 0;
  }
  unsigned count = 0;
  for (int byte = 0; byte < 4; ++byte) {
    count += ((word >> (8 * byte)) & 0xff) != 0 ? 1 : 0;
  }
  return count;
}

/// Compares batch after batch and prints the first mismatches of every tensor.
class Comparison {
 public:
  /// \param name      "trace" or "deployed", for the printed lines
  /// \param program   what the program's output holds
  /// \param stride    words of the expected output per image
  /// \param printed   mismatches to print per tensor
  Comparison(const char* name, const Program& program, std::size_t stride, unsigned printed)
      : name_(name), program_(program), stride_(stride), printed_(printed),
        counts_(program.tensors.size(), TensorCount()) {}

  /// Compare the output of `images` images, the first of which is number `first`.
  void Add(const std::uint32_t* output, const std::uint32_t* expected, std::size_t first,
           std::size_t images) {
    for (std::size_t image = 0; image < images; ++image) {
      for (std::size_t t = 0; t < program_.tensors.size(); ++t) {
        const Tensor& tensor = program_.tensors[t];
        const std::uint32_t* got = output + image * program_.output_words + tensor.offset;
        const std::uint32_t* want = expected + (first + image) * stride_ + tensor.expected_offset;
        AddTensor(t, got, want, first + image);
      }
    }
  }

  /// Print one line per tensor; return whether everything agreed.
  bool Report() const {
    bool equal = true;
    for (std::size_t t = 0; t < counts_.size(); ++t) {
      std::printf("result program=%s tensor=%u mismatches=%llu of=%llu\n", name_,
                  program_.tensors[t].index,
                  static_cast<unsigned long long>(counts_[t].mismatches),
                  static_cast<unsigned long long>(counts_[t].elements));
      equal = equal && counts_[t].mismatches == 0;
    }
    return equal;
  }

 private:
  void AddTensor(std::size_t t, const std::uint32_t* got, const std::uint32_t* want,
                 std::size_t image) {
    const Tensor& tensor = program_.tensors[t];
    std::size_t phase = 0;
    for (std::size_t word = 0; word < tensor.words; ++word) {
      const std::uint32_t mask = tensor.masks[phase];
      phase = phase + 1 == tensor.masks.size() ? 0 : phase + 1;
      counts_[t].elements += ElementsIn(mask, tensor.element_bits);
      const std::uint32_t difference = (got[word] ^ want[word]) & mask;
      if (difference == 0) {
        continue;
      }
      if (counts_[t].mismatches < printed_) {
        std::printf(
            "mismatch program=%s tensor=%u image=%llu word=%llu expected=0x%08x got=0x%08x\n",
            name_, tensor.index, static_cast<unsigned long long>(image),
            static_cast<unsigned long long>(word), want[word], got[word]);
      }
      counts_[t].mismatches += ElementsIn(difference, tensor.element_bits);
    }
  }

  const char* name_;
  const Program& program_;
  std::size_t stride_;
  unsigned printed_;
  std::vector<TensorCount> counts_;
};

}  // namespace testbench
