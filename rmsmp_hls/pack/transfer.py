"""Host side of the data: codes -> input words, output words -> tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.cycles import ceil_div, line_words
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.pack.design import PackedDesign

Codes = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]


def argmax_key(tensor: str) -> str:
    """Return the key of the top-1 channels of logits `tensor` in what `read_outputs` returns."""
    return f"{tensor}:argmax"


def input_words(design: PackedDesign, codes: Codes) -> Words:
    """Return the input words of a batch, uint32 [N, words]: of every line the pixels' words, then
    0 up to a whole beat of the input port.

    Args:
        design: the packed design.
        codes: int64 [N, C, H, W] input codes.

    Raises:
        ConfigError: wrong shape, or codes outside the input's format.
    """
    spec = design.input
    codes = np.asarray(codes, dtype=np.int64)
    shape = (spec.channels, spec.height, spec.width)
    form = ActFormat(spec.bits, spec.signed, spec.scale, spec.narrow)
    low, high = form.low, form.high
    if codes.ndim != 4 or codes.shape[1:] != shape:
        raise ConfigError(f"codes have shape {codes.shape}, not (N, *{shape})", where=spec.name)
    if codes.size and (codes.min() < low or codes.max() > high):
        raise ConfigError(
            f"codes reach {codes.min()}..{codes.max()}, the input takes {low}..{high}",
            where=spec.name,
            fix="quantize the input with its scale and bounds",
        )
    chunks = ceil_div(spec.channels, 4)
    lines = code_words(codes, range(spec.channels)).reshape(len(codes), spec.height, -1)
    words = np.zeros((len(codes), spec.height, line_words(spec.width, chunks)), dtype=np.uint32)
    words[..., : lines.shape[2]] = lines
    return words.reshape(len(codes), spec.words)


def code_words(codes: npt.NDArray[np.integer], slots: Sequence[int]) -> Words:
    """Return codes [N, C, H, W] as 32-bit words [N, H * W * ceil((largest slot + 1) / 4)].

    Byte `slots[c]` of a pixel holds channel c, four bytes to a word; bytes without one are 0.
    """
    images, _, height, width = codes.shape
    chunks = ceil_div(max(slots) + 1, 4)
    padded = np.zeros((images, height, width, 4 * chunks), dtype=np.uint8)
    padded[..., list(slots)] = codes.transpose(0, 2, 3, 1).astype(np.uint8)  # the lowest byte
    words = padded.reshape(images, height * width * chunks, 4).view("<u4")[..., 0]
    return np.ascontiguousarray(words, dtype=np.uint32)


def read_outputs(design: PackedDesign, program_name: str, words: Words) -> dict[str, Codes]:
    """Return the tensors in the output of a program.

    Args:
        design: the packed design.
        program_name: "program.bin" or "program_trace.bin".
        words: uint32 [N, output words].

    Returns:
        tensor -> int64 [N, C, H, W]; logits are accumulators [N, C, 1, 1], and
        `argmax_key(tensor)` -> int64 [N] where the accelerator returns the top-1 channel.

    Raises:
        ConfigError: `words` has another shape than the program's output.
    """
    program = design.program(program_name)
    words = np.ascontiguousarray(words, dtype="<u4")
    if words.ndim != 2 or words.shape[1] != program.output_words:
        raise ConfigError(
            f"{words.shape} output words, the program makes (N, {program.output_words})",
            where=program_name,
        )
    found: dict[str, Codes] = {}
    for entry in program.outputs:
        end = entry.offset + entry.words
        part = np.ascontiguousarray(words[:, entry.offset : end])
        if entry.logits:
            lanes = np.array(entry.logits)
            rows = np.flatnonzero(lanes >= 0)
            values = np.zeros((len(words), entry.channels, 1, 1), dtype=np.int64)
            values[:, lanes[rows], 0, 0] = part.view("<i4")[:, rows]
            if entry.argmax:
                found[argmax_key(entry.tensor)] = words[:, end].astype(np.int64)
        else:
            codes = part.view(np.int8 if entry.signed else np.uint8)
            image = codes.reshape(len(words), entry.height, entry.width, -1)
            values = image[..., list(entry.byte_slots)].transpose(0, 3, 1, 2).astype(np.int64)
        found[entry.tensor] = values
    return found
