// Read and write the testbench's binary files. Little-endian words, as docs/packed-design.md.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace testbench {

/// A file that is missing or not what it should be; the testbench then ends with 2.
struct BadFile : std::runtime_error {
  BadFile(const std::string& path, const std::string& what)
      : std::runtime_error(path + ": " + what) {}
};

/// The whole file.
inline std::vector<unsigned char> ReadBytes(const std::string& path) {
  std::ifstream file(path.c_str(), std::ios::binary);
  if (!file) {
    throw BadFile(path, "cannot be opened");
  }
  std::vector<unsigned char> bytes((std::istreambuf_iterator<char>(file)),
                                   std::istreambuf_iterator<char>());
  if (file.bad()) {
    throw BadFile(path, "cannot be read");
  }
  return bytes;
}

/// The whole file as 32-bit words.
inline std::vector<std::uint32_t> ReadWords(const std::string& path) {
  const std::vector<unsigned char> bytes = ReadBytes(path);
  if (bytes.size() % 4 != 0) {
    throw BadFile(path, "is not a whole number of 32-bit words");
  }
  std::vector<std::uint32_t> words(bytes.size() / 4);
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint32_t>(bytes[4 * i]) |
               static_cast<std::uint32_t>(bytes[4 * i + 1]) << 8 |
               static_cast<std::uint32_t>(bytes[4 * i + 2]) << 16 |
               static_cast<std::uint32_t>(bytes[4 * i + 3]) << 24;
  }
  return words;
}

/// Write 32-bit words, replacing the file.
inline void WriteWords(const std::string& path, const std::vector<std::uint32_t>& words) {
  std::ofstream file(path.c_str(), std::ios::binary | std::ios::trunc);
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (int byte = 0; byte < 4; ++byte) {
      file.put(static_cast<char>((words[i] >> (8 * byte)) & 0xff));
    }
  }
  file.close();
  if (!file) {
    throw BadFile(path, "cannot be written");
  }
}

}  // namespace testbench
