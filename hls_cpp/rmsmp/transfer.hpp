/// The processes at the memory ports: tight burst loops between DRAM and streams.
///
/// Order of the program's streams: an operation's segments are sent before its record, so
/// that everything an operation waits for is on its way when the operation starts and no
/// FIFO depth can deadlock the region.
#pragma once

#include "program.hpp"

namespace rmsmp {

/// `length` words from `first` on to a stream.
template <typename Word>
void SendWords(const Word* memory, unsigned int first, unsigned int length,
               hls::stream<Word>& words) {
#pragma HLS INLINE
Burst:
  for (unsigned int i = 0; i < length; ++i) {
// One word per cycle, unconditional and consecutive: a burst.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 3 max = 65536
    words.write(memory[first + i]);
  }
}

/// Program to: records (count first, per image), weight and parameter segments (count
/// first, per image), words of input and output per image.
///
/// The program has one weight and one parameter segment per MATMUL and one parameter segment
/// per VECTOR with a table, in the order of the operations.
template <typename U>
void LoadProgram(const typename U::Word32* program, typename U::Stream32& ops,
                 typename U::Stream32& weight_segments, typename U::Stream32& param_segments,
                 typename U::Stream32& input_words, typename U::Stream32& output_words,
                 unsigned int images) {
#pragma HLS INLINE off
  typedef typename U::Word32 Word32;
Image:
  for (unsigned int image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
    Word32 header[kHeaderWords];
  Header:
    for (int i = 0; i < kHeaderWords; ++i) {
#pragma HLS PIPELINE II = 1
      header[i] = program[i];
    }
    const unsigned int count = static_cast<unsigned int>(header[2]);
    RMSMP_SIM(sim::Require(static_cast<unsigned int>(header[0]) == unsigned(kMagic) &&
                               static_cast<unsigned int>(header[1]) == unsigned(kVersion),
                           "not a program of this version", "version",
                           static_cast<long long>(header[1])));
    RMSMP_SIM(sim::SpillWords() = static_cast<long long>(header[7]));
    input_words.write(header[5]);
    output_words.write(header[6]);
    weight_segments.write(header[3]);
    param_segments.write(header[4]);
    ops.write(header[2]);
    const unsigned int weights_at = kHeaderWords + kOperationWords * count;
    const unsigned int params_at =
        weights_at + kSegmentWords * static_cast<unsigned int>(header[3]);
    unsigned int record_at = kHeaderWords;
    unsigned int weight_at = weights_at;
    unsigned int param_at = params_at;
  Record:
    for (unsigned int op = 0; op < count; ++op) {
#pragma HLS LOOP_TRIPCOUNT min = 4 max = 128
      Word32 record[kOperationWords];
    ReadRecord:
      for (int i = 0; i < kOperationWords; ++i) {
#pragma HLS PIPELINE II = 1
        record[i] = program[record_at + i];
      }
      record_at += kOperationWords;
      const bool matmul = record[0] == Word32(kMatmul);
      const bool table =
          record[0] == Word32(kVector) && (record[1] & Word32(kVectorTable)) != 0;
      if (matmul) {
        SendWords<Word32>(program, weight_at, kSegmentWords, weight_segments);
        weight_at += kSegmentWords;
      }
      if (matmul || table) {
        SendWords<Word32>(program, param_at, kSegmentWords, param_segments);
        param_at += kSegmentWords;
      }
    SendRecord:
      for (int i = 0; i < kOperationWords; ++i) {
#pragma HLS PIPELINE II = 1
        ops.write(record[i]);
      }
    }
    RMSMP_SIM(sim::Require(weight_at == params_at,
                           "a program needs one weight segment per MATMUL", "weight segments",
                           static_cast<long long>(header[3])));
    RMSMP_SIM(sim::Require(
        param_at - params_at == kSegmentWords * static_cast<unsigned int>(header[4]),
        "a program needs one parameter segment per MATMUL and per table", "parameter segments",
        static_cast<long long>(header[4])));
  }
}

/// Word `port` of a beat.
template <typename Storage, int kBits, typename Beat>
void PutWord(Beat& beat, int port, const typename Storage::template Word<kBits>& word) {
#pragma HLS INLINE
PutLimb:
  for (int i = 0; i < kBits / 32; ++i) {
#pragma HLS UNROLL
    Storage::template SetBits<32>(beat, port * kBits + 32 * i,
                                  Storage::template GetBits<32>(word, 32 * i));
  }
}

/// A number of ports, to choose a function by it: no port that is not there is ever read.
template <int kPorts>
struct Ports {};

/// Beat `at`: a word of every port.
template <typename Storage, int kBits, typename Word, typename Beat>
void ReadBeat(Ports<1>, const Word* port0, const Word*, const Word*, const Word*, unsigned int at,
              Beat& beat) {
#pragma HLS INLINE
  PutWord<Storage, kBits>(beat, 0, port0[at]);
}
template <typename Storage, int kBits, typename Word, typename Beat>
void ReadBeat(Ports<2>, const Word* port0, const Word* port1, const Word*, const Word*,
              unsigned int at, Beat& beat) {
#pragma HLS INLINE
  PutWord<Storage, kBits>(beat, 0, port0[at]);
  PutWord<Storage, kBits>(beat, 1, port1[at]);
}
template <typename Storage, int kBits, typename Word, typename Beat>
void ReadBeat(Ports<4>, const Word* port0, const Word* port1, const Word* port2,
              const Word* port3, unsigned int at, Beat& beat) {
#pragma HLS INLINE
  PutWord<Storage, kBits>(beat, 0, port0[at]);
  PutWord<Storage, kBits>(beat, 1, port1[at]);
  PutWord<Storage, kBits>(beat, 2, port2[at]);
  PutWord<Storage, kBits>(beat, 3, port3[at]);
}

/// Segments of a blob to a stream: (first beat, beats, repeats) each. A beat is a word of every
/// port. Of the four pointers only the first kPorts are read; callers with fewer repeat one.
template <typename Storage, int kPorts, int kBits>
void LoadSegments(const typename Storage::template Word<kBits>* port0,
                  const typename Storage::template Word<kBits>* port1,
                  const typename Storage::template Word<kBits>* port2,
                  const typename Storage::template Word<kBits>* port3,
                  hls::stream<typename Storage::template Word<32> >& segments,
                  hls::stream<typename Storage::template Word<kPorts * kBits> >& beats,
                  unsigned int images) {
#pragma HLS INLINE
  typedef typename Storage::template Word<kPorts * kBits> Beat;
Image:
  for (unsigned int image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
    const unsigned int count = static_cast<unsigned int>(segments.read());
  Segment:
    for (unsigned int segment = 0; segment < count; ++segment) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
      const unsigned int first = static_cast<unsigned int>(segments.read());
      const unsigned int length = static_cast<unsigned int>(segments.read());
      const unsigned int repeats = static_cast<unsigned int>(segments.read());
    Repeat:
      for (unsigned int repeat = 0; repeat < repeats; ++repeat) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
      Burst:
        for (unsigned int i = 0; i < length; ++i) {
// One word of every port per cycle, unconditional and consecutive: a burst on each.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 3 max = 65536
          Beat beat = Beat();
          ReadBeat<Storage, kBits>(Ports<kPorts>(), port0, port1, port2, port3, first + i, beat);
          beats.write(beat);
        }
      }
    }
  }
}

/// Weight tiles, ahead of the computation as far as the FIFO is deep; one, two or four ports.
template <typename U>
void LoadWeights(const typename U::WeightWord* weights0, typename U::Stream32& segments,
                 typename U::WeightStream& beats, unsigned int images) {
#pragma HLS INLINE off
  static_assert(U::kWeightPorts == 1, "as many pointers as weight_ports");
  LoadSegments<typename U::Storage, 1, U::kWordBits>(weights0, weights0, weights0, weights0,
                                                     segments, beats, images);
}
template <typename U>
void LoadWeights(const typename U::WeightWord* weights0, const typename U::WeightWord* weights1,
                 typename U::Stream32& segments, typename U::WeightStream& beats,
                 unsigned int images) {
#pragma HLS INLINE off
  static_assert(U::kWeightPorts == 2, "as many pointers as weight_ports");
  LoadSegments<typename U::Storage, 2, U::kWordBits>(weights0, weights1, weights1, weights1,
                                                     segments, beats, images);
}
template <typename U>
void LoadWeights(const typename U::WeightWord* weights0, const typename U::WeightWord* weights1,
                 const typename U::WeightWord* weights2, const typename U::WeightWord* weights3,
                 typename U::Stream32& segments, typename U::WeightStream& beats,
                 unsigned int images) {
#pragma HLS INLINE off
  static_assert(U::kWeightPorts == 4, "as many pointers as weight_ports");
  LoadSegments<typename U::Storage, 4, U::kWordBits>(weights0, weights1, weights2, weights3,
                                                     segments, beats, images);
}

/// Row parameters, behind one port.
template <typename U>
void LoadParams(const typename U::ParamWord* params, typename U::Stream32& segments,
                typename U::ParamStream& words, unsigned int images) {
#pragma HLS INLINE off
  LoadSegments<typename U::Storage, 1, 128>(params, params, params, params, segments, words,
                                            images);
}

/// Input images, one behind the other; the counts are of 32-bit words, whole beats.
template <typename U>
void LoadInput(const typename U::InputWord* input, typename U::Stream32& counts,
               typename U::InputStream& words, unsigned int images) {
#pragma HLS INLINE off
  unsigned int first = 0;
Image:
  for (unsigned int image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
    const unsigned int count = static_cast<unsigned int>(counts.read());
    const unsigned int length = count / kBeatWords;
    RMSMP_SIM(sim::Require(count % kBeatWords == 0, "an image ends within a beat of the input port",
                           "words", count));
    SendWords<typename U::InputWord>(input, first, length, words);
    first += length;
  }
}

/// Outputs of all images, one behind the other.
template <typename U>
void StoreOutput(typename U::Stream32& counts, typename U::Stream32& words,
                 typename U::Word32* output, unsigned int images) {
#pragma HLS INLINE off
  unsigned int first = 0;
Image:
  for (unsigned int image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 64
    const unsigned int length = static_cast<unsigned int>(counts.read());
  Burst:
    for (unsigned int i = 0; i < length; ++i) {
// One word per cycle, unconditional and consecutive: a burst.
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
      output[first + i] = words.read();
    }
    first += length;
  }
}

}  // namespace rmsmp
