/// Blobs of bytes to words of the memory ports, for testbenches; little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rmsmp {
namespace sim {

/// Words of `kBits` bits from `bytes`, low byte first; a last partial word is padded with 0.
template <typename Types, int kBits>
std::vector<typename Types::template Word<kBits> > WordsFromBytes(
    const std::vector<uint8_t>& bytes) {
  const std::size_t per_word = kBits / 8;
  std::vector<typename Types::template Word<kBits> > words((bytes.size() + per_word - 1) /
                                                           per_word);
  for (std::size_t w = 0; w < words.size(); ++w) {
    for (std::size_t i = 0; i < per_word; ++i) {
      const std::size_t at = w * per_word + i;
      const unsigned byte = at < bytes.size() ? bytes[at] : 0;
      Types::template SetBits<8>(words[w], static_cast<int>(8 * i),
                                 static_cast<typename Types::template Uint<8> >(byte));
    }
  }
  return words;
}

/// Every `ports`-th word from `port` on: what lies behind one of the weight ports.
template <typename Word>
std::vector<Word> WordsOfPort(const std::vector<Word>& words, std::size_t port, std::size_t ports) {
  std::vector<Word> own;
  for (std::size_t w = port; w < words.size(); w += ports) {
    own.push_back(words[w]);
  }
  return own;
}

/// Words of `kBits` bits from 32-bit words, the first lowest; a last partial word is padded with 0.
template <typename Types, int kBits>
std::vector<typename Types::template Word<kBits> > WordsFrom32(const uint32_t* words,
                                                               std::size_t count) {
  const std::size_t per_word = kBits / 32;
  std::vector<typename Types::template Word<kBits> > wide((count + per_word - 1) / per_word);
  for (std::size_t i = 0; i < wide.size() * per_word; ++i) {
    typedef typename Types::template Uint<32> Part;
    Types::template SetBits<32>(wide[i / per_word], static_cast<int>(32 * (i % per_word)),
                                static_cast<Part>(i < count ? words[i] : 0));
  }
  return wide;
}

}  // namespace sim
}  // namespace rmsmp
