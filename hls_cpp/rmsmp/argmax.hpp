/// Channel of the largest result; the lowest channel wins ties, in whatever order they come.
#pragma once

#include "pragmas.hpp"
#include "units.hpp"

namespace rmsmp {

/// One key orders results and channels at once: result above, inverted channel below. A
/// single comparison and selection per cycle closes the loop at II = 1.
template <typename U>
class Argmax {
 public:
  typedef typename U::Storage T;
  typedef typename T::template Int<56> Key;
  typedef typename T::template Uint<24> Channel;

  /// Start a search; the first result of any size wins.
  void Reset() {
#pragma HLS INLINE
    best_ = static_cast<Key>(-(1ll << 55));
  }

  void Offer(bool valid, typename U::Bound result, Channel channel) {
#pragma HLS INLINE
    const Channel inverted = static_cast<Channel>(kTop - channel);
    const Key high = static_cast<Key>(static_cast<Key>(result) << 24);
    const Key key = static_cast<Key>(high | static_cast<Key>(inverted));
    best_ = valid && key > best_ ? key : best_;
  }

  typename U::Word32 Winner() const {
#pragma HLS INLINE
    return static_cast<typename U::Word32>(kTop - T::template LowBits<24>(best_));
  }

 private:
  enum { kTop = (1 << 24) - 1 };
  Key best_;
};

}  // namespace rmsmp
