"""From a word and byte of the output to the element of a tensor, and what counts at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rmsmp_hls.codegen.layout import OutputTensor, Position, read_layout
from rmsmp_hls.errors import ArtefactError
from tests.codegen import tiny_design


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(6, 2, 3), (4, 1, 1), (9, 3, 2), (1, 2, 2)]
)
def test_positions_follow_y_x_channel(channels: int, height: int, width: int) -> None:
    """Against an array packed the slow way: every element is found, every pad byte masked."""
    chunks = -(-channels // 4)
    padded = np.full((height, width, chunks * 4), -1)
    padded[:, :, :channels] = np.arange(height * width * channels).reshape(height, width, channels)
    words = padded.reshape(-1, 4)
    tensor = OutputTensor("t", 0, len(words), channels, height, width, False)
    seen = 0
    for word, content in enumerate(words):
        mask = tensor.masks[word % len(tensor.masks)]
        for byte, number in enumerate(content):
            assert (mask >> (8 * byte) & 0xFF == 0xFF) == (number >= 0)
            if number >= 0:
                at = tensor.position(word, byte)
                assert number == (at.y * width + at.x) * channels + at.channel
                seen += 1
    assert seen == tensor.elements


def test_logits_positions_and_masks() -> None:
    """One channel per word, lanes without a row masked, the top-1 index last."""
    tensor = read_layout(tiny_design.design()).trace.tensors[1]
    assert tensor.masks == (0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    assert tensor.elements == 4
    assert [tensor.position(word, 0).channel for word in range(5)] == [2, -1, 0, 1, -1]
    assert tensor.value(0xFFFFFFFE, 0) == -2
    assert tensor.value(7, 0) == 7


def test_values_follow_the_sign() -> None:
    """A code byte is two's complement only where the tensor is signed."""
    signed = OutputTensor("t", 0, 1, 4, 1, 1, True)
    assert [signed.value(0x80FF7F00, byte) for byte in range(4)] == [0, 127, -1, -128]
    assert dataclasses.replace(signed, signed=False).value(0x80FF7F00, 3) == 128
    assert signed.position(0, 3) == Position(3, 0, 0)


def test_layout_of_a_design() -> None:
    """Words, pairs of tensors, and iterations of both programs."""
    layout = read_layout(tiny_design.design())
    assert layout.input_words == 4
    assert layout.trace.output_words == 17
    assert layout.deployed_in_trace == (1,)
    assert layout.deployed.iterations == (("x", 8), ("conv1", 40), ("fc", 20))
    assert [tensor.words for tensor in layout.trace.tensors] == [12, 5]


def test_contradictions_are_refused() -> None:
    """A tensor of wrong size, past the end, or unknown to the trace program."""
    design = tiny_design.design()
    deployed, trace = design.programs

    def with_outputs(**changes: object) -> None:
        entry = dataclasses.replace(trace.outputs[0], **changes)  # type: ignore[arg-type]
        broken = dataclasses.replace(trace, outputs=(entry, trace.outputs[1]))
        read_layout(dataclasses.replace(design, programs=(deployed, broken)))

    with_outputs()
    with pytest.raises(ArtefactError, match="has 13 words"):
        with_outputs(words=13)
    with pytest.raises(ArtefactError, match="passes the end"):
        with_outputs(offset=6)
    unknown = dataclasses.replace(deployed.outputs[0], tensor="else")
    broken = dataclasses.replace(deployed, outputs=(unknown,))
    with pytest.raises(ArtefactError, match="contradicts itself"):
        read_layout(dataclasses.replace(design, programs=(broken, trace)))


def test_slots_say_which_bytes_hold_channels() -> None:
    """Channels in bytes 6, 0 and 9 of three words; the other bytes mean nothing."""
    tensor = OutputTensor("t", 0, 6, 3, 1, 2, False, slots=(6, 0, 9))
    assert tensor.masks == (0x000000FF, 0x00FF0000, 0x0000FF00)
    assert tensor.position(4, 2) == Position(0, 0, 1)
    assert [tensor.position(0, 0).channel, tensor.position(2, 1).channel] == [1, 2]
