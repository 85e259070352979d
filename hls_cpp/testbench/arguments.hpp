// The testbench's command line:
// [DATA_FOLDER] [--skip N] [--images N] [--deployed N] [--batch N] [--output FILE].
#pragma once

#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace testbench {

/// What was asked for.
struct Arguments {
  std::string data;      ///< folder of the binary files
  std::string output;    ///< where to write the trace program's output words; "" for nowhere
  std::size_t skip;      ///< leave out the first so many images
  std::size_t images;    ///< at most so many images; 0 for all
  std::size_t deployed;  ///< at most so many of them with the deployed program; 0 for all
  std::size_t batch;     ///< images per call of the top function
};

/// Parse the command line; throws std::invalid_argument with a sentence.
inline Arguments ParseArguments(int argc, char** argv) {
  Arguments arguments = {"data", "", 0, 0, 0, 4};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.compare(0, 2, "--") != 0) {
      arguments.data = word;
      continue;
    }
    if (i + 1 == argc) {
      throw std::invalid_argument("the option " + word + " needs a value");
    }
    const std::string value = argv[++i];
    if (word == "--output") {
      arguments.output = value;
      continue;
    }
    char* end = 0;
    const unsigned long number = std::strtoul(value.c_str(), &end, 10);
    if (value.empty() || *end != '\0' || (number == 0 && word != "--skip") || value[0] == '-') {
      throw std::invalid_argument(word + " needs a positive number, not '" + value + "'");
    }
    if (word == "--images") {
      arguments.images = number;
    } else if (word == "--skip") {
      arguments.skip = number;
    } else if (word == "--deployed") {
      arguments.deployed = number;
    } else if (word == "--batch") {
      arguments.batch = number;
    } else {
      throw std::invalid_argument("unknown option " + word);
    }
  }
  return arguments;
}

}  // namespace testbench
