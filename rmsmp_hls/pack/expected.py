"""What the output of a program must be, word for word: the inverse of `read_outputs`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rmsmp_hls.pack.design import OutputEntry, PackedDesign
from rmsmp_hls.pack.transfer import Words, argmax_key, code_words

Tensor = npt.NDArray[np.integer]


def output_words(design: PackedDesign, program_name: str, tensors: Mapping[str, Tensor]) -> Words:
    """Return the output words of a program, uint32 [N, output words].

    Words of lanes without a row are 0.

    Args:
        design: the packed design.
        program_name: "program.bin" or "program_trace.bin".
        tensors: tensor -> integers [N, C, H, W]; logits are accumulators [N, C, 1, 1], and
            `argmax_key(tensor)` -> integers [N] where the program returns the top-1 channel.
    """
    program = design.program(program_name)
    images = len(tensors[program.outputs[0].tensor])
    words = np.zeros((images, program.output_words), dtype=np.uint32)
    for entry in program.outputs:
        end = entry.offset + entry.words
        words[:, entry.offset : end] = _entry_words(entry, tensors[entry.tensor])
        if entry.argmax:
            words[:, end] = tensors[argmax_key(entry.tensor)].astype(np.uint32)
    return words


def _entry_words(entry: OutputEntry, tensor: Tensor) -> Words:
    if not entry.logits:
        return code_words(tensor, entry.byte_slots)
    lanes = np.array(entry.logits)
    rows = np.flatnonzero(lanes >= 0)
    words = np.zeros((len(tensor), entry.words), dtype=np.uint32)
    sums = tensor[:, lanes[rows], 0, 0].astype(np.int64)
    words[:, rows] = (sums & 0xFFFFFFFF).astype(np.uint32)
    return words
