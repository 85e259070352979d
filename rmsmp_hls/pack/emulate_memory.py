"""The activation memory of the emulator, and what moves whole words in and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import ceil_div, line_words
from rmsmp_hls.pack.program import MoveFlags, Opcode, Record

Ints = npt.NDArray[np.int64]
Place = tuple[int, int, int]
"""Base, line stride and pixel stride of a tensor."""


def require(holds: bool, what: str) -> None:
    """Refuse a design that breaks a rule of the hardware."""
    if not holds:
        raise ArtefactError(what, where="emulation", fix="this is a fault of the packer")


def _take(source: Iterator[int], words: int) -> list[int]:
    """Return the next words of the input."""
    return list(islice(source, words))


class Memory:
    """`cells[bank, position, address]`, nibbles; executes LOAD, STORE, SAVE and RESTORE.

    It starts with arbitrary nibbles from `seed`: no result may depend on what was there before.
    """

    def __init__(self, array: ArrayShape, spill_words: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shape = (array.banks, array.channels, array.activation_depth)
        self.array = array
        self.cells: Ints = rng.integers(0, 16, shape)
        per_word = array.weight_word_bits // 4
        self.spill: Ints = rng.integers(0, 16, (spill_words, per_word))

    def address(self, place: Place, y: int, x: int, offset: int) -> int:
        """Return the address of pixel (y, x), `offset` behind its first block and plane."""
        base, line_stride, pixel_stride = place
        found = base + y * line_stride + x // self.array.banks * pixel_stride + offset
        require(0 <= found < self.array.activation_depth, "an address outside the memory")
        return found

    def code(self, place: Place, planes: int, signed: bool, y: int, x: int, block: int) -> Ints:
        """Return the codes of all TN positions of a channel block of a pixel."""
        code = np.zeros(self.array.channels, dtype=np.int64)
        for plane in range(planes):
            at = self.address(place, y, x, block * planes + plane)
            code += self.cells[x % self.array.banks, :, at] << (4 * plane)
        bits = 4 * planes
        return code - ((code >> (bits - 1)) << bits) if signed else code

    def write(self, record: Record, y: int, x: int, at: int, position: int, code: int) -> None:
        """Write one code to the destination of a MATMUL or VECTOR record."""
        planes = record["destination_planes"]
        place = (
            record["destination_base"],
            record["destination_line_stride"],
            record["destination_pixel_stride"],
        )
        for plane in range(planes):
            address = self.address(place, y, x, at * planes + plane)
            self.cells[x % self.array.banks, position, address] = code >> (4 * plane) & 15

    def load(self, record: Record, source: Iterator[int]) -> int:
        """Execute a LOAD; return its iterations."""
        if record["flags"] & MoveFlags.FOLDED:
            return self._load_folded(record, source)
        return self._move(record, source, [])

    def store(self, record: Record, output: list[int]) -> int:
        """Execute a STORE; return its iterations."""
        return self._move(record, None, output)

    def _move(self, record: Record, source: Iterator[int] | None, output: list[int]) -> int:
        """LOAD if `source` is given, else STORE."""
        planes = record["planes"]
        place = (record["base"], record["line_stride"], record["pixel_stride"])
        signed = bool(record["flags"] & MoveFlags.SIGNED)
        count = 0
        padding = line_words(record["width"], record["chunks"]) - record["width"] * record["chunks"]
        for y in range(record["height"]):
            for x in range(record["width"]):
                for chunk in range(record["chunks"]):
                    word = next(source) if source else 0
                    block, first = divmod(chunk * 4, self.array.channels)
                    for plane in range(planes):
                        count += 1
                        at = self.address(place, y, x, block * planes + plane)
                        cells = self.cells[x % self.array.banks, first : first + 4, at]
                        for lane in range(4):
                            shift = 8 * lane + 4 * plane
                            if source:
                                cells[lane] = word >> shift & 15
                            else:
                                word |= int(cells[lane]) << shift
                    if source is None:
                        for lane in range(4):
                            if signed and planes == 1 and word >> (8 * lane) & 8:
                                word |= 0xF0 << (8 * lane)
                        output.append(word)
            if source:
                _take(source, padding)
        return count

    def _load_folded(self, record: Record, source: Iterator[int]) -> int:
        kernel, stride, channels = (
            record[name] for name in ("fold_kernel", "fold_stride", "fold_channels")
        )
        require(record["chunks"] == 1 and channels <= 4, "a pixel of a folded input is one word")
        require(kernel * channels <= self.array.channels, "a folded pixel passes the positions")
        place = (record["base"], record["line_stride"], record["pixel_stride"])
        left, width, columns = record["fold_left"], record["width"], record["fold_columns"]
        starts = range(-ceil_div(left, columns) * columns, width + record["fold_right"], columns)
        for y in range(record["height"]):
            words = _take(source, line_words(width, 1))
            require(not any(words[width:]), "words behind a line of the input are not 0")
            for start in starts:
                reached: dict[int, list[tuple[int, int]]] = {}  # folded pixel: (kernel x, word)
                for x in range(start, start + columns):
                    word = words[x] if 0 <= x < width else 0
                    for pixel in range(record["fold_width"]):
                        kx = x + left - pixel * stride
                        if 0 <= kx < kernel:
                            reached.setdefault(pixel, []).append((kx, word))
                banks = {pixel % self.array.banks for pixel in reached}
                require(len(banks) == len(reached), "a bank is written twice in a cycle")
                for plane in range(record["planes"]):
                    for pixel, seen in reached.items():
                        at = self.address(place, y, pixel, plane)
                        cells = self.cells[pixel % self.array.banks, :, at]
                        for kx, word in seen:
                            for channel in range(channels):
                                nibble = word >> (8 * channel + 4 * plane) & 15
                                cells[kx * channels + channel] = nibble
        return record["height"] * len(starts) * record["planes"]

    def move_spill(self, record: Record) -> int:
        """Execute a SAVE or RESTORE; return its iterations."""
        width = self.array.banks * self.array.channels
        words = -(-width // self.spill.shape[1])
        first = number = record["offset"]
        end = number + record["runs"] * record["run"] * words
        require(end <= len(self.spill), "a spill outside the words of the program")
        for run in range(record["runs"]):
            for step in range(record["run"]):
                at = record["base"] + run * record["stride"] + step
                require(at < self.array.activation_depth, "an address outside the memory")
                there = self.spill[number : number + words].reshape(-1)
                if record.opcode is Opcode.SAVE:
                    there[:width] = self.cells[:, :, at].reshape(-1)
                else:
                    self.cells[:, :, at] = there[:width].reshape(self.cells.shape[:2])
                number += words
        return number - first
