"""Value types shared by the graph levels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class ConstTensor:
    """An immutable array with value equality.

    Frozen dataclasses do not freeze arrays and `==` on an array field raises, so arrays
    live only here: a private read-only copy, equal and hashable by the SHA-256 of
    dtype, shape and bytes.
    """

    __slots__ = ("_array", "_digest")

    def __init__(self, array: npt.ArrayLike) -> None:
        copy = np.array(array, order="C")
        if copy.dtype == object:
            raise TypeError("a ConstTensor holds numbers, not objects")
        copy.setflags(write=False)
        self._array = copy
        self._digest: str | None = None

    @property
    def array(self) -> npt.NDArray[np.generic]:
        """The read-only array."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._array.shape

    @property
    def digest(self) -> str:
        """SHA-256 over dtype, shape and bytes, hexadecimal."""
        if self._digest is None:
            head = f"{self._array.dtype.str}{self._array.shape}".encode()
            self._digest = hashlib.sha256(head + self._array.tobytes()).hexdigest()
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstTensor) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"ConstTensor({self._array.dtype}{list(self.shape)} {self.digest[:8]})"


@dataclass(frozen=True, slots=True)
class ActFormat:
    """Format of an activation tensor's codes. value = scale * code.

    Attributes:
        bits: 2..8.
        signed: codes are -(2^(bits-1)-1) .. 2^(bits-1)-1, else 0 .. 2^bits-1.
        scale: value of code 1; > 0.
        narrow: False: signed codes reach -2^(bits-1) too (files with quantizers of their own).
    """

    bits: int
    signed: bool
    scale: float
    narrow: bool = True

    @property
    def low(self) -> int:
        """Smallest code."""
        return self.narrow - (1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def planes(self) -> int:
        """Nibbles that hold a code: 1 up to 4 bits, else 2."""
        return 1 if self.bits <= 4 else 2


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel walks an image; all pairs are (vertical, horizontal).

    Attributes:
        kernel: kernel size.
        stride: step of the output.
        padding: (top, left, bottom, right), filled with the code of 0.
        dilation: distance of the taps.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of the output; formula of torch.nn.Conv2d."""
        top, left, bottom, right = self.padding
        spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        return (
            (height + top + bottom - spans[0]) // self.stride[0] + 1,
            (width + left + right - spans[1]) // self.stride[1] + 1,
        )

    def reads_only_padding(self, height: int, width: int) -> bool:
        """Whether a tap of some output pixel is never inside the image: its maximum is none."""
        sides = zip((height, width), self.output_size(height, width), self.kernel, self.stride,
                    self.padding[:2], self.dilation, strict=True)  # fmt: skip
        for size, outputs, kernel, stride, before, dilation in sides:
            early = range(min(outputs, -(-before // stride)))  # windows that start in the padding
            starts = [*(at * stride - before for at in early), (outputs - 1) * stride - before]
            for start in starts:
                first = start if start >= 0 else start % dilation  # first tap behind the padding
                if first >= size or first > start + (kernel - 1) * dilation:
                    return True
        return False


Shape = tuple[int, ...]
"""Shape of a tensor without the batch dimension: (C, H, W) or (F,)."""
