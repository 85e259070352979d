/// hls_cpp/sim: the stream, the counters and the checks of C simulation, and that they bite.
#include "check.hpp"
#include "dies.hpp"
#include "hls_stream.h"
#include "sim_checks.hpp"
#include "sim_counters.hpp"

struct ReadEmpty {
  void operator()() const {
    hls::stream<int> channel("channel");
    channel.read();
  }
};
struct ReadOutside {
  void operator()() const { rmsmp::sim::CheckRead(0, 16, 2, 16); }
};
struct ReadOwnWrite {
  void operator()() const {
    rmsmp::sim::CheckWrite(1, 3, 2, 16);
    rmsmp::sim::CheckRead(1, 3, 2, 16);
  }
};
struct ReadOlderWrite {
  void operator()() const {
    rmsmp::sim::CheckWrite(1, 3, 2, 16);
    rmsmp::sim::BeginOperation();
    rmsmp::sim::CheckRead(1, 3, 2, 16);
  }
};
struct ReadAfter {
  int cycles;
  void operator()() const {
    rmsmp::sim::DistanceCheck check(4, 8);
    check.Write(2, 10);
    check.Read(1, 11);
    check.Read(2, static_cast<uint64_t>(10 + cycles));
  }
};

int main() {
  {
    hls::stream<int> channel("channel");
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 100; ++i) channel.write(round * 1000 + i);
      CHECK_EQUAL(channel.size(), 100);
      for (int i = 0; i < 90; ++i) CHECK_EQUAL(channel.read(), round * 1000 + i);
      for (int i = 90; i < 100; ++i) CHECK_EQUAL(channel.read(), round * 1000 + i);
    }
    CHECK(channel.empty());
    int value = 5;
    CHECK(!channel.read_nb(value));
    channel << 7;
    channel >> value;
    CHECK_EQUAL(value, 7);
  }
  CHECK_EQUAL(hls::sim::StreamsLeftWithData(), 0);
  CHECK(Dies(ReadEmpty()));
  CHECK(Dies(ReadOutside()));
  CHECK(Dies(ReadOwnWrite()));
  CHECK(!Dies(ReadOlderWrite()));
  const ReadAfter soon = {7}, late = {8};
  CHECK(Dies(soon));
  CHECK(!Dies(late));

  if (std::freopen("/dev/null", "w", stderr) != nullptr) {
    hls::stream<int> forgotten("forgotten");
    forgotten.write(1);
  }
  CHECK_EQUAL(hls::sim::StreamsLeftWithData(), 1);

  rmsmp::sim::ResetCounters();
  rmsmp::sim::BeginCount();
  rmsmp::sim::CountIterations(3);
  rmsmp::sim::BeginCount();
  rmsmp::sim::CountIterations(4);
  rmsmp::sim::CountIterations(5);
  CHECK_EQUAL(rmsmp::sim::IterationCounts().size(), 2);
  CHECK_EQUAL(rmsmp::sim::IterationCounts()[1], 9);
  return check::Finish();
}
