"""Random windows and sizes: kernels, strides, paddings and dilations that leave some output."""

from __future__ import annotations

from tests.fuzz.case import Value
from tests.fuzz.choices import Choices

CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16, 17, 20, 33, 40)
_USUAL_CHANNELS = CHANNELS[:-2]
_SIZES = tuple(range(1, 14))


def channels(choices: Choices) -> int:
    """Return a number of channels, seldom more than 20."""
    return choices.pick(CHANNELS if choices.chance(10) else _USUAL_CHANNELS)


def image_size(choices: Choices) -> int:
    """Return a height or width, 1..13."""
    return choices.pick(_SIZES)


def conv_window(choices: Choices, sizes: tuple[int, ...]) -> dict[str, Value]:
    """Return kernel, stride, padding and dilation of a convolution on an image of these sizes."""
    square = choices.weighted({1: 25, 3: 45, 0: 30})
    same = choices.chance(50)  # keeps the sizes: what residual networks do
    found: dict[str, list[int]] = {"kernel": [], "stride": [], "padding": [], "dilation": []}
    for size in sizes:
        kernel = square or choices.integer(1, 7)
        dilation = choices.integer(1, 3) if kernel > 1 and choices.chance(15) else 1
        padding = dilation * (kernel - 1) // 2 if same else choices.integer(0, 3)
        while dilation * (kernel - 1) + 1 > size + 2 * padding:
            kernel, dilation = kernel - 1, 1
        stride = 1 if same and choices.chance(80) else choices.weighted({1: 55, 2: 35, 3: 10})
        for name, value in zip(found, (kernel, stride, padding, dilation), strict=True):
            found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def pool_window(choices: Choices, sizes: tuple[int, ...], dilated: bool) -> dict[str, Value]:
    """Return the window of a pool; torch wants its padding to be half the kernel at most."""
    square = choices.weighted({2: 40, 3: 30, 0: 30})
    found: dict[str, list[int]] = {"kernel": [], "stride": [], "padding": [], "dilation": []}
    for size in sizes:
        kernel = min(square or choices.integer(1, 5), size)
        padding = choices.integer(0, kernel // 2) if choices.chance(40) else 0
        dilation = 2 if dilated and choices.chance(10) else 1
        if dilation * (kernel - 1) + 1 > size + 2 * padding:
            dilation = 1
        stride = choices.integer(1, 3) if choices.chance(50) else kernel
        for name, value in zip(found, (kernel, stride, padding, dilation), strict=True):
            found[name].append(value)
    if not dilated:
        del found["dilation"]
    return {name: tuple(values) for name, values in found.items()}


def divisor(choices: Choices, number: int) -> int:
    """Return a divisor of `number`."""
    return choices.pick([n for n in range(1, number + 1) if number % n == 0])
