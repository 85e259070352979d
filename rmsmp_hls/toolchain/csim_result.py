"""What a C simulation found, and how to say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.codegen.layout import read_layout
from rmsmp_hls.errors import MismatchError
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.toolchain.gxx import Storage


@dataclass(frozen=True, slots=True)
class TensorResult:
    """One tensor over all images; `elements` counts codes, logits and top-1 indices."""

    name: str
    elements: int
    mismatches: int


@dataclass(frozen=True, slots=True)
class OpIterations:
    """Loop iterations of one operation for one image: as simulated and by the cycle formula."""

    tensor: str
    simulated: int
    predicted: int


@dataclass(frozen=True, slots=True)
class WordMismatch:
    """A differing 32-bit word; `tensor` counts the trace program's tensors, `word` in it."""

    program: str
    tensor: int
    image: int
    word: int
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class CsimResult:
    """Outcome of one C simulation; every element of every tensor was compared.

    Attributes:
        storage: what the integers were stored in.
        images: images simulated with the trace program.
        deployed_images: the first so many of them also with the deployed program.
        seconds: time inside the top function for the trace program, seconds, summed over the
            processes that shared the images.
        tensors: every tensor of the trace program, in order.
        deployed: what the deployed program sends, in order.
        iterations: of each operation of the deployed program.
        trace_iterations: of each operation of the trace program.
        mismatches: the first differing words of each tensor.
        output: file of the trace program's output words, uint32 [images, output words].
        log: the testbench's whole output.
    """

    storage: Storage
    images: int
    deployed_images: int
    seconds: float
    tensors: tuple[TensorResult, ...]
    deployed: tuple[TensorResult, ...]
    iterations: tuple[OpIterations, ...]
    trace_iterations: tuple[OpIterations, ...]
    mismatches: tuple[WordMismatch, ...]
    output: Path
    log: Path

    @property
    def mismatch_count(self) -> int:
        """Differing elements of both programs."""
        return sum(tensor.mismatches for tensor in (*self.tensors, *self.deployed))

    @property
    def element_count(self) -> int:
        """Compared elements of both programs."""
        return sum(tensor.elements for tensor in (*self.tensors, *self.deployed))

    @property
    def iterations_as_predicted(self) -> bool:
        """Whether every operation took as many iterations as the cycle formula says."""
        return all(i.simulated == i.predicted for i in (*self.iterations, *self.trace_iterations))

    @property
    def exact(self) -> bool:
        """Whether nothing differed."""
        return self.mismatch_count == 0


def explain_mismatches(result: CsimResult, design: PackedDesign, *, most: int = 8) -> MismatchError:
    """Return the error that names the first differing elements of a simulation.

    Elements of the earliest tensor come first: later ones usually follow from it.

    Args:
        result: a simulation that is not exact.
        design: its packed design.
        most: elements to list.
    """
    tensors = read_layout(design).trace.tensors
    lines = []
    order = sorted(
        result.mismatches, key=lambda m: (m.program != "trace", m.tensor, m.image, m.word)
    )
    for mismatch in order:
        tensor = tensors[mismatch.tensor]
        mask = tensor.masks[mismatch.word % len(tensor.masks)]
        difference = (mismatch.expected ^ mismatch.got) & mask
        for byte in range(4 if tensor.element_bits == 8 else 1):
            if tensor.element_bits == 8 and not (difference >> (8 * byte)) & 0xFF:
                continue
            at = tensor.position(mismatch.word, byte)
            where = "top-1 index" if at.channel < 0 else f"channel {at.channel}"
            if tensor.element_bits == 8:
                where += f", y {at.y}, x {at.x}"
            lines.append(
                f"layer {tensor.name!r}, image {mismatch.image}, {where}: "
                f"expected {tensor.value(mismatch.expected, byte)}, "
                f"got {tensor.value(mismatch.got, byte)}"
                + (" (deployed program)" if mismatch.program == "deployed" else "")
            )
    counts = [
        f"{tensor.name!r}: {tensor.mismatches} of {tensor.elements}"
        for tensor in result.tensors
        if tensor.mismatches
    ]
    head = (
        f"the C simulation ({result.storage.value} storage) differs from the integer reference "
        f"in {result.mismatch_count} of {result.element_count} elements"
    )
    what = "\n  ".join([head, *lines[:most], *(f"in all, {count}" for count in counts)])
    return MismatchError(
        what,
        where=str(result.log),
        fix="the hardware or the packing is wrong: please report it with this log",
    )
