"""A packed design made by hand: one load, one stored tensor, logits. It computes nothing."""

from __future__ import annotations

from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.pack.design import (
    PARAMS,
    PROGRAM,
    TRACE,
    WEIGHTS,
    InputSpec,
    OutputEntry,
    PackedDesign,
    ProgramSpec,
)


def array(book: str = "SP2-4", dsp: DspFamily = DspFamily.DSP48E2) -> ArrayShape:
    """Return the shape of hls_cpp/example."""
    return ArrayShape(
        shift_add_lanes=4, fixed4_lanes=2, fixed8_lanes=2, channels=8, pixels=2, banks=4,
        drain_rows=2, vector_lanes=4, tile_groups=16, activation_depth=1024,
        weight_word_bits=64, acc_bits=20, shift_add_codebook=book, dsp=dsp, min_step=8,
    )  # fmt: skip


STORED = OutputEntry("conv1", 0, 12, channels=6, height=2, width=3, signed=False)
LOGITS = OutputEntry("fc", 12, 4, 3, 1, 1, True, logits=(2, -1, 0, 1), argmax=True)
DEPLOYED = OutputEntry("fc", 0, 4, 3, 1, 1, True, logits=(2, -1, 0, 1), argmax=True)


def design(name: str = "conv1", shape: ArrayShape | None = None) -> PackedDesign:
    """Return the design; `name` is the name of the stored tensor."""
    stored = OutputEntry(name, 0, 12, channels=6, height=2, width=3, signed=False)
    return PackedDesign(
        array=shape or array(),
        input=InputSpec("x", 1, 2, 2, 8, False, 0.5, words=4),
        programs=(
            ProgramSpec(PROGRAM, 5, ((0, "x", 8), (1, name, 40), (2, "fc", 20)), (DEPLOYED,)),
            ProgramSpec(
                TRACE, 17, ((0, "x", 8), (1, name, 40), (2, name, 12), (3, "fc", 20)),
                (stored, LOGITS),
            ),
        ),
        ops=(),
        blobs=(
            (PROGRAM, bytes(4 * 100)), (TRACE, bytes(4 * 140)), (WEIGHTS, bytes(8 * 30)),
            (PARAMS, bytes(16 * 8)),
        ),
    )  # fmt: skip
