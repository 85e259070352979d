"""The text of data/tensors.txt: what the testbench compares. Numbers only, no names."""

from __future__ import annotations

from rmsmp_hls.codegen.layout import DesignLayout, OutputTensor, ProgramLayout

VERSION = 1


def tensor_table(layout: DesignLayout) -> str:
    """Return the table of a design; docs/hls-project.md describes the format."""
    trace = layout.trace.tensors
    offsets = [tensor.offset for tensor in trace]
    lines = [f"rmsmp-tensors {VERSION}", f"input_words {layout.input_words}"]
    lines += _program("trace", layout.trace, range(len(trace)), offsets)
    lines += _program("deployed", layout.deployed, layout.deployed_in_trace, offsets)
    return "\n".join(lines) + "\n"


def _program(
    name: str, program: ProgramLayout, indices: range | tuple[int, ...], offsets: list[int]
) -> list[str]:
    head = f"{name} output_words {program.output_words} tensors {len(program.tensors)}"
    rows = zip(program.tensors, indices, strict=True)
    return [head, *(_tensor(tensor, index, offsets[index]) for tensor, index in rows)]


def _tensor(tensor: OutputTensor, index: int, expected_offset: int) -> str:
    masks = " ".join(f"{mask:08x}" for mask in tensor.masks)
    return (
        f"tensor {index} offset {tensor.offset} expected_offset {expected_offset}"
        f" words {tensor.words} element_bits {tensor.element_bits}"
        f" masks {len(tensor.masks)} {masks}"
    )
