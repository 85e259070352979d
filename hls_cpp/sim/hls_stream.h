/// hls::stream for C simulation with an ordinary compiler; never listed for synthesis.
///
/// Unbounded, as in every C simulation. Reading an empty stream ends the program with the
/// stream's name; a stream destroyed with data left is reported and counted.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "sim_fail.hpp"

namespace hls {

namespace sim {

/// Streams destroyed with unread data since the last reset: each is a token-count mismatch.
inline std::size_t& StreamsLeftWithData() {
  static std::size_t count = 0;
  return count;
}

}  // namespace sim

/// First-in first-out channel. The second parameter is accepted for source compatibility.
template <typename T, int kDepth = 0>
class stream {
 public:
  stream() : name_("unnamed"), ring_(16), head_(0), size_(0) {}
  explicit stream(const char* name) : name_(name), ring_(16), head_(0), size_(0) {}
  ~stream() {
    if (size_ != 0) {
      ++sim::StreamsLeftWithData();
      std::fprintf(stderr, "rmsmp simulation error: stream '%s' left with %lu unread elements\n",
                   name_.c_str(), static_cast<unsigned long>(size_));
    }
  }

  bool empty() const { return size_ == 0; }
  bool full() const { return false; }
  std::size_t size() const { return size_; }

  T read() {
    if (size_ == 0) rmsmp::sim::Fail("read from an empty stream", name_.c_str(), 0);
    T value = ring_[head_];
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
    return value;
  }
  void read(T& value) { value = read(); }
  bool read_nb(T& value) {
    if (size_ == 0) return false;
    value = read();
    return true;
  }

  void write(const T& value) {
    if (size_ == ring_.size()) Grow();
    ring_[(head_ + size_) & (ring_.size() - 1)] = value;
    ++size_;
  }
  bool write_nb(const T& value) {
    write(value);
    return true;
  }
  stream& operator>>(T& value) {
    read(value);
    return *this;
  }
  stream& operator<<(const T& value) {
    write(value);
    return *this;
  }

 private:
  stream(const stream&);
  stream& operator=(const stream&);

  void Grow() {
    std::vector<T> larger(ring_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_.swap(larger);
    head_ = 0;
  }

  std::string name_;
  std::vector<T> ring_;  // a power of two of elements
  std::size_t head_;
  std::size_t size_;
};

}  // namespace hls
