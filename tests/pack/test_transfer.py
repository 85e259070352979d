"""Words in and out: four codes of neighbouring channels, low byte first; lines in whole beats."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.pack.design import PROGRAM, TRACE
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.transfer import input_words, read_outputs
from rmsmp_hls.schedule.schedule import make_schedule
from tests.schedule.graphs import Builder, fmt
from tests.schedule.test_schedule import ARRAY


def packed(signed: bool, argmax: bool = False):
    net = Builder((6, 2, 3), fmt(8, signed)).matmul("c", "x", 5, fmt(8, signed))
    if argmax:
        net.sum_pool("p", "c", net.ops[-1].window.__class__((2, 3)), fmt()).matmul(
            "f", "p", 5, None
        )
    graph = net.graph(argmax)
    return pack(graph, make_schedule(graph, ARRAY))


@pytest.mark.parametrize("signed", [False, True])
def test_inputs_are_packed_by_pixel_and_four_channels(signed: bool) -> None:
    """Word by word against a loop, every line padded; a stored tensor, which is not, reads back."""
    low, high = (-127, 127) if signed else (0, 255)
    codes = np.random.default_rng(0).integers(low, high + 1, (2, 6, 2, 3))
    design = packed(signed)
    words = input_words(design, codes)
    assert words.dtype == np.uint32
    assert words.shape == (2, 16)
    lines = [
        [
            sum((int(image[c, y, x]) & 255) << 8 * (c % 4) for c in range(4 * k, min(4 * k + 4, 6)))
            for x in range(3)
            for k in range(2)
        ]
        for image in codes
        for y in range(2)
    ]
    assert words.reshape(4, 8).tolist() == [[*line, 0, 0] for line in lines]
    stored = words.reshape(2, 2, 8)[:, :, :6].reshape(2, 12)
    output = np.concatenate([stored, stored], axis=1)
    assert design.program(TRACE).output_words == output.shape[1]
    np.testing.assert_array_equal(read_outputs(design, TRACE, output)["x"], codes)


def test_logits_are_put_back_in_channel_order() -> None:
    """Lane order in, channel order out; the last word is the top-1 channel."""
    design = packed(False, argmax=True)
    entry = design.program(PROGRAM).outputs[0]
    words = np.array([[(channel - 3) & 0xFFFFFFFF for channel in entry.logits] + [4]])
    found = read_outputs(design, PROGRAM, words.astype(np.uint32))
    assert found["f"].reshape(-1).tolist() == [-3, -2, -1, 0, 1]
    assert found["f:argmax"].tolist() == [4]


def test_wrong_data_is_refused() -> None:
    """Shapes and code ranges."""
    design = packed(True)
    with pytest.raises(ConfigError, match="codes have shape"):
        input_words(design, np.zeros((6, 2, 3)))
    with pytest.raises(ConfigError, match=r"the input takes -127\.\.127"):
        input_words(design, np.full((1, 6, 2, 3), -128))
    with pytest.raises(ConfigError, match="output words"):
        read_outputs(design, PROGRAM, np.zeros((1, 3), dtype=np.uint32))
