/// transfer.hpp: order and repetition of segments, images, counts; a wrong program is refused.
#include "check.hpp"
#include "arrays.hpp"
#include "dies.hpp"
#include "transfer.hpp"
#include "words.hpp"

typedef rmsmp::Units<RmsmpConfig, rmsmp::Types> U;
static const unsigned kMagic = 0x4d534d52;

/// Two MATMUL, a VECTOR with a table between them, one LOAD; segments as docs/packed-design.md
/// says.
static std::vector<U::Word32> Program(unsigned magic, unsigned table) {
  std::vector<U::Word32> words;
  const unsigned header[] = {magic, rmsmp::kVersion, 4, 2, 3, 8, 7, 9};
  for (unsigned word : header) words.push_back(U::Word32(word));
  const unsigned opcodes[] = {1, 2, 3, 2};
  for (unsigned op = 0; op < 4; ++op) {
    words.push_back(U::Word32(opcodes[op]));
    words.push_back(U::Word32(op == table ? 16 : 15));
    for (unsigned i = 2; i < 40; ++i) words.push_back(U::Word32(1000 * op + i));
  }
  const unsigned segments[] = {0, 4, 3, 4, 2, 1, 0, 1, 2, 3, 1, 1, 1, 2, 1};
  for (unsigned word : segments) words.push_back(U::Word32(word));
  return words;
}

struct Refused {
  unsigned magic, table;
  void operator()() const {
    const std::vector<U::Word32> program = Program(magic, table);
    U::Stream32 a("a"), b("b"), c("c"), d("d"), e("e");
    rmsmp::LoadProgram<U>(program.data(), a, b, c, d, e, 1);
  }
};

static U::WeightWord Numbered(unsigned number) {
  U::WeightWord word;
  for (int i = 0; i < RmsmpConfig::kWeightWordBits / 8; ++i) {
    rmsmp::Types::SetBits<8>(word, 8 * i, static_cast<rmsmp::Types::Uint<8> >(number + 10 * i));
  }
  return word;
}

/// The blob's words in turn behind `ports` ports come back as beats, in order, as often as told.
template <int kPorts>
struct Interleaved {
  typedef rmsmp::Units<arrays::WithPorts<RmsmpConfig, kPorts>, rmsmp::Types> V;
  typename V::Stream32 segments;
  typename V::WeightStream beats;
  std::vector<U::WeightWord> port[kPorts];

  Interleaved() : segments("segments"), beats("beats") {
    std::vector<U::WeightWord> blob;
    for (unsigned i = 0; i < 3 * kPorts; ++i) blob.push_back(Numbered(i));
    for (int p = 0; p < kPorts; ++p) port[p] = rmsmp::sim::WordsOfPort(blob, p, kPorts);
    const unsigned words[] = {1, 1, 2, 2};  // one segment: beats 1 and 2, twice
    for (unsigned word : words) segments.write(U::Word32(word));
  }

  void Check() {
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (int number = 1; number < 3; ++number) {
        const typename V::WeightBeat beat = beats.read();
        for (int p = 0; p < kPorts; ++p) {
          for (int byte = 0; byte < 8; ++byte) {
            CHECK_EQUAL(rmsmp::Types::GetBits<8>(beat, 64 * p + 8 * byte),
                        kPorts * number + p + 10 * byte);
          }
        }
      }
    }
    CHECK(segments.empty() && beats.empty());
  }
};

static void TestPorts() {
  Interleaved<1> one;
  rmsmp::LoadWeights<Interleaved<1>::V>(one.port[0].data(), one.segments, one.beats, 1);
  one.Check();
  Interleaved<2> two;
  rmsmp::LoadWeights<Interleaved<2>::V>(two.port[0].data(), two.port[1].data(), two.segments,
                                        two.beats, 1);
  two.Check();
  Interleaved<4> four;
  rmsmp::LoadWeights<Interleaved<4>::V>(four.port[0].data(), four.port[1].data(),
                                        four.port[2].data(), four.port[3].data(), four.segments,
                                        four.beats, 1);
  four.Check();
}

int main() {
  TestPorts();
  const unsigned images = 2;
  const std::vector<U::Word32> program = Program(kMagic, 2);
  U::Stream32 ops("ops"), weight_segments("weight_segments"), param_segments("param_segments");
  U::Stream32 input_words("input_words"), output_words("output_words");
  rmsmp::LoadProgram<U>(program.data(), ops, weight_segments, param_segments, input_words,
                        output_words, images);

  std::vector<U::WeightWord> blob;
  for (unsigned i = 0; i < 8; ++i) blob.push_back(Numbered(i));
  U::WeightStream weights("weights");
  rmsmp::LoadWeights<U>(blob.data(), weight_segments, weights, images);
  const int order[] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5};
  for (unsigned image = 0; image < images; ++image) {
    for (int number : order) {
      const U::WeightWord word = weights.read();
      CHECK_EQUAL(rmsmp::Types::GetBits<8>(word, 0), number);
      CHECK_EQUAL(rmsmp::Types::GetBits<8>(word, 56), number + 70);
    }
  }

  std::vector<U::ParamWord> rows(4);
  for (int i = 0; i < 4; ++i) {
    for (int b = 0; b < 16; ++b) {
      rmsmp::Types::SetBits<8>(rows[i], 8 * b, static_cast<rmsmp::Types::Uint<8> >(16 * i + b));
    }
  }
  U::ParamStream params("params");
  rmsmp::LoadParams<U>(rows.data(), param_segments, params, images);
  const int param_order[] = {0, 0, 3, 1, 2};
  for (unsigned image = 0; image < images; ++image) {
    for (int number : param_order) {
      CHECK_EQUAL(rmsmp::Types::GetBits<8>(params.read(), 120), 16 * number + 15);
    }
  }

  std::vector<U::InputWord> input(4);
  std::vector<U::Word32> output(14, U::Word32(0));
  for (unsigned i = 0; i < 4; ++i) {
    for (int k = 0; k < rmsmp::kBeatWords; ++k) {
      rmsmp::Types::SetBits<32>(input[i], 32 * k,
                                static_cast<rmsmp::Types::Uint<32> >(1000 * i + unsigned(k)));
    }
  }
  U::InputStream inputs("inputs");
  U::Stream32 outputs("outputs");
  rmsmp::LoadInput<U>(input.data(), input_words, inputs, images);
  for (unsigned i = 0; i < 4; ++i) {
    const U::InputWord beat = inputs.read();
    CHECK_EQUAL(rmsmp::Types::GetBits<32>(beat, 0), 1000 * i);
    CHECK_EQUAL(rmsmp::Types::GetBits<32>(beat, 96), 1000 * i + 3);
  }
  for (unsigned i = 0; i < 14; ++i) outputs.write(U::Word32(100 + i));
  rmsmp::StoreOutput<U>(output_words, outputs, output.data(), images);
  for (unsigned i = 0; i < 14; ++i) CHECK_EQUAL(output[i], 100 + i);

  for (unsigned image = 0; image < images; ++image) {
    CHECK_EQUAL(ops.read(), 4);
    for (unsigned i = 0; i < 160; ++i) CHECK_EQUAL(ops.read(), program[8 + i]);
  }
  CHECK(ops.empty() && weight_segments.empty() && param_segments.empty());
  CHECK(weights.empty() && params.empty() && inputs.empty() && outputs.empty());
  CHECK_EQUAL(rmsmp::sim::SpillWords(), 9);
  const Refused none = {kMagic, 2}, foreign = {12345, 2}, no_table = {kMagic, 4};
  CHECK(!Dies(none));
  CHECK(Dies(foreign));
  CHECK(Dies(no_table));
  return check::Finish();
}
