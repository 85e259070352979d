"""A slow interpreter of packed designs: memory, blocks, steps and drain as docs/hardware.md.

It reads only the blobs and the array's shape, so it proves that a packed design is complete
and means what it should, without a C++ compiler. For designs of some thousand cycles; the
generated C++ is a thousand times faster. Every claim of the page that the packer has to
make true is checked on the way: bank conflicts, positions of a drain, accumulator width.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.pack.design import PARAMS, PROGRAM, WEIGHTS, PackedDesign
from rmsmp_hls.pack.emulate_matmul import MatmulUnit
from rmsmp_hls.pack.emulate_memory import Memory, require
from rmsmp_hls.pack.emulate_vector import VectorUnit
from rmsmp_hls.pack.program import Opcode, Program, Segment, decode_program

Words = npt.NDArray[np.uint32]


def _stream(blob: bytes, word_bytes: int, segments: tuple[Segment, ...]) -> Iterator[bytes]:
    for segment in segments:
        for _ in range(segment.repeats):
            for word in range(segment.offset, segment.offset + segment.words):
                yield blob[word * word_bytes : (word + 1) * word_bytes]


class Emulator:
    """One array with its memory; `run` executes a program for one image after another.

    Memory and spill words start with arbitrary nibbles from `seed`.
    """

    def __init__(self, design: PackedDesign, program: str = PROGRAM, seed: int = 0) -> None:
        self.array: ArrayShape = design.array
        self.program: Program = decode_program(design.blob(program), program)
        self._weights, self._params = design.blob(WEIGHTS), design.blob(PARAMS)
        self.memory = Memory(design.array, self.program.spill_words, seed)
        self.matmul = MatmulUnit(design.array, self.memory)
        self.vector = VectorUnit(design.array, self.memory)

    def run(self, inputs: Words) -> tuple[Words, tuple[int, ...]]:
        """Return (output words [N, output_words], iterations of every operation per image)."""
        outputs = []
        counts: tuple[int, ...] = ()
        for image in inputs:
            require(len(image) == self.program.input_words, "wrong number of input words")
            words, counts = self._image(image)
            outputs.append(words)
        return np.array(outputs, dtype=np.uint32).reshape(
            len(inputs), self.program.output_words
        ), counts

    def _image(self, image: Words) -> tuple[list[int], tuple[int, ...]]:
        beat_bytes = self.array.weight_beat_bits // 8
        weights = _stream(self._weights, beat_bytes, self.program.weight_segments)
        params = _stream(self._params, PARAM_BYTES, self.program.param_segments)
        source = iter([int(word) for word in image])
        output: list[int] = []
        counts = []
        for record in self.program.records:
            if record.opcode is Opcode.LOAD:
                counts.append(self.memory.load(record, source))
            elif record.opcode is Opcode.STORE:
                counts.append(self.memory.store(record, output))
            elif record.opcode is Opcode.VECTOR:
                counts.append(self.vector.run(record, params))
            elif record.opcode is Opcode.MATMUL:
                counts.append(self.matmul.run(record, weights, params, output))
            else:
                counts.append(self.memory.move_spill(record))
        require(next(weights, None) is None, "weights are left over")
        require(next(params, None) is None, "row parameters are left over")
        require(next(source, None) is None, "input words are left over")
        require(len(output) == self.program.output_words, "wrong number of output words")
        return output, tuple(counts)
