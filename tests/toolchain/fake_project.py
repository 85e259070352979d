"""A project whose top function is a few lines of arithmetic, to test everything around it.

The "hardware" makes word w of an image from the image's first input word. Words 20 and 21 of
its program plant an error: word number (minus 1) and bits to flip, in image 1 only. Words
30, 31, ... are the loop iterations of its operations. Word 22 makes it break a rule.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rmsmp_hls.codegen.file_writer import write_plan
from rmsmp_hls.codegen.project import ProjectSettings, generate, vector_files
from rmsmp_hls.pack.design import PROGRAM, TRACE, PackedDesign
from rmsmp_hls.pack.program import VERSION
from tests.codegen import tiny_design

IMAGES = 6
SETTINGS = ProjectSettings("fake_top", "xczu9eg-ffvb1156-2-e", 5.0)
TOP_CPP = r"""
#include "top.hpp"
#include "../sim/sim_counters.hpp"
#include "../sim/sim_fail.hpp"

void fake_top(const RmsmpUnits::Word32* program, const RmsmpUnits::WeightWord*,
              const RmsmpUnits::ParamWord*, const RmsmpUnits::InputWord* input,
              RmsmpUnits::Word32* output, RmsmpUnits::WeightWord* /*spill*/,
              unsigned int images) {
  const unsigned operations = static_cast<unsigned>(program[2]);
  const unsigned input_words = static_cast<unsigned>(program[5]);
  const unsigned output_words = static_cast<unsigned>(program[6]);
  const unsigned first = output_words == 17 ? 0 : 12;
  for (unsigned int image = 0; image < images; ++image) {
    const unsigned seed = static_cast<unsigned>(
        rmsmp::Types::GetBits<32>(input[image * input_words / rmsmp::kBeatWords], 0));
    for (unsigned op = 0; op < operations; ++op) {
      rmsmp::sim::BeginCount();
      rmsmp::sim::CountIterations(static_cast<unsigned>(program[30 + op]));
    }
    for (unsigned w = 0; w < output_words; ++w) {
      unsigned value = seed * 16777619u + (w + first) * 2654435761u;
      if (static_cast<unsigned>(program[20]) == w + 1 && seed == 1001u) {
        value ^= static_cast<unsigned>(program[21]);
      }
      output[image * output_words + w] = value;
    }
    rmsmp::sim::Require(static_cast<unsigned>(program[22]) == 0, "a rule", "here", 5);
  }
}
"""


def program(words: int, operations: int, output_words: int, counts: list[int]) -> np.ndarray:
    """Return program words that the testbench takes."""
    made = np.zeros(words, "<u4")
    made[:8] = [0x4D534D52, VERSION, operations, 0, 0, 4, output_words, 0]
    made[30 : 30 + len(counts)] = counts
    return made


def design(plant: tuple[int, int] = (0, 0), break_rule: bool = False) -> PackedDesign:
    """Return the design of the fake; `plant` is (word of the trace output + 1, bits)."""
    deployed, trace = program(100, 3, 5, [8, 40, 20]), program(140, 4, 17, [8, 40, 12, 20])
    trace[20:22] = plant
    trace[22] = break_rule
    plain = tiny_design.design()
    blobs = {**dict(plain.blobs), PROGRAM: deployed.tobytes(), TRACE: trace.tobytes()}
    return dataclasses.replace(plain, blobs=tuple(blobs.items()))


def vectors() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return (input words, expected words), with rubbish where nothing is compared."""
    inputs = np.arange(IMAGES * 4, dtype=np.uint32).reshape(IMAGES, 4)
    inputs[:, 0] = 1000 + np.arange(IMAGES)
    words = np.arange(17, dtype=np.uint32)
    expected = inputs[:, :1] * np.uint32(16777619) + words * np.uint32(2654435761)
    expected[:, 1::2][:, :6] ^= np.uint32(0xABCD0000)  # two pad bytes: 6 channels of 8
    expected[:, 13] = 0x12345678  # a lane without a row
    return inputs, expected


def write(folder: Path, packed: PackedDesign) -> Path:
    """Write the whole fake project with its vectors."""
    plan = generate(packed, SETTINGS)
    files = dict(plan)
    files["src/top.cpp"] = TOP_CPP.encode()
    write_plan(type(plan).of({**files, **vector_files(packed, *vectors())}), folder)
    return folder
