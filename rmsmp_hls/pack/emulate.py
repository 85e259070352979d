"""A slow interpreter of packed designs: memory, blocks, steps and drain as docs/hardware.md.

It reads only the blobs and the array's shape, so it proves that a packed design is complete
and means what it should, without a C++ compiler. For designs of some thousand cycles; the
generated C++ is a thousand times faster. Every claim of the page that the packer has to
make true is checked on the way: bank conflicts, positions of a drain, accumulator width.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.pack.design import PARAMS, PROGRAM, WEIGHTS, PackedDesign
from rmsmp_hls.pack.params import PARAM_BYTES, RowParameters
from rmsmp_hls.pack.program import (
    MatmulFlags,
    MoveFlags,
    Opcode,
    Program,
    Record,
    Segment,
    VectorFlags,
    decode_program,
)

Words = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]


def _require(holds: bool, what: str) -> None:
    """Refuse a design that breaks a rule of the hardware."""
    if not holds:
        raise ArtefactError(what, where="emulation", fix="this is a fault of the packer")


def _stream(blob: bytes, word_bytes: int, segments: tuple[Segment, ...]) -> Iterator[bytes]:
    for segment in segments:
        for _ in range(segment.repeats):
            for word in range(segment.offset, segment.offset + segment.words):
                yield blob[word * word_bytes : (word + 1) * word_bytes]


class Emulator:
    """One array with its memory; `run` executes a program for one image after another.

    The activation memory starts with arbitrary nibbles from `seed`: no result may depend on
    what was there before.
    """

    def __init__(self, design: PackedDesign, program: str = PROGRAM, seed: int = 0) -> None:
        self.array: ArrayShape = design.array
        self.program: Program = decode_program(design.blob(program), program)
        self._weights, self._params = design.blob(WEIGHTS), design.blob(PARAMS)
        shape = (design.array.banks, design.array.channels, design.array.activation_depth)
        self.memory = np.random.default_rng(seed).integers(0, 16, shape)
        book = codebook(design.array.shift_add_codebook)
        signed = [m if code < 8 else -m for code in range(16) for m in [self._level(book, code)]]
        self._table = np.array(signed, dtype=np.int64)

    @staticmethod
    def _level(book: object, code: int) -> int:
        magnitudes: tuple[int, ...] = book.magnitudes  # type: ignore[attr-defined]
        return magnitudes[code & 7] if code & 7 < len(magnitudes) else 0

    def run(self, inputs: Words) -> tuple[Words, tuple[int, ...]]:
        """Return (output words [N, output_words], iterations of every operation per image)."""
        outputs = []
        counts: tuple[int, ...] = ()
        for image in inputs:
            _require(len(image) == self.program.input_words, "wrong number of input words")
            words, counts = self._image(image)
            outputs.append(words)
        return np.array(outputs, dtype=np.uint32).reshape(
            len(inputs), self.program.output_words
        ), counts

    def _image(self, image: Words) -> tuple[list[int], tuple[int, ...]]:
        array = self.array
        weights = _stream(self._weights, array.weight_word_bits // 8, self.program.weight_segments)
        params = _stream(self._params, PARAM_BYTES, self.program.param_segments)
        source = iter(int(word) for word in image)
        output: list[int] = []
        counts = []
        for record in self.program.records:
            if record.opcode is Opcode.LOAD:
                counts.append(self._move(record, source, None))
            elif record.opcode is Opcode.STORE:
                counts.append(self._move(record, None, output))
            elif record.opcode is Opcode.VECTOR:
                counts.append(self._vector(record))
            else:
                counts.append(self._matmul(record, weights, params, output))
        _require(next(weights, None) is None, "weights are left over")
        _require(next(params, None) is None, "row parameters are left over")
        _require(next(source, None) is None, "input words are left over")
        _require(len(output) == self.program.output_words, "wrong number of output words")
        return output, tuple(counts)

    def _address(self, fields: tuple[int, int, int], y: int, x: int, offset: int) -> int:
        base, line_stride, pixel_stride = fields
        return base + y * line_stride + x // self.array.banks * pixel_stride + offset

    def _move(self, record: Record, source: Iterator[int] | None, output: list[int] | None) -> int:
        """LOAD if `source` is given, else STORE."""
        width = self.array.channels
        planes = record["planes"]
        fields = (record["base"], record["line_stride"], record["pixel_stride"])
        signed = bool(record["flags"] & MoveFlags.SIGNED)
        count = 0
        for y in range(record["height"]):
            for x in range(record["width"]):
                for chunk in range(record["chunks"]):
                    word = next(source) if source else 0
                    block, first = chunk * 4 // width, chunk * 4 % width
                    for plane in range(planes):
                        count += 1
                        at = self._address(fields, y, x, block * planes + plane)
                        cells = self.memory[x % self.array.banks, first : first + 4, at]
                        for lane in range(4):
                            shift = 8 * lane + 4 * plane
                            if source:
                                cells[lane] = word >> shift & 15
                            else:
                                word |= int(cells[lane]) << shift
                    if output is not None:
                        for lane in range(4):
                            if signed and planes == 1 and word >> (8 * lane) & 8:
                                word |= 0xF0 << (8 * lane)
                        output.append(word)
        return count

    def _code(
        self, fields: tuple[int, int, int], planes: int, signed: bool, y: int, x: int, block: int
    ) -> Ints:
        """Return the codes of all TN positions of a channel block of a pixel."""
        code = np.zeros(self.array.channels, dtype=np.int64)
        for plane in range(planes):
            at = self._address(fields, y, x, block * planes + plane)
            code += self.memory[x % self.array.banks, :, at] << (4 * plane)
        bits = 4 * planes
        return code - ((code >> (bits - 1)) << bits) if signed else code

    def _write(self, record: Record, y: int, x: int, at: int, position: int, code: int) -> None:
        planes = record["destination_planes"]
        fields = (
            record["destination_base"],
            record["destination_line_stride"],
            record["destination_pixel_stride"],
        )
        for plane in range(planes):
            address = self._address(fields, y, x, at * planes + plane)
            self.memory[x % self.array.banks, position, address] = code >> (4 * plane) & 15

    def _vector(self, record: Record) -> int:
        flags = record["flags"]
        binary = bool(flags & VectorFlags.BINARY)
        maximum = bool(flags & VectorFlags.MAXIMUM)
        a = (record["base"], record["line_stride"], record["pixel_stride"])
        b = (record["b_base"], record["b_line_stride"], record["b_pixel_stride"])
        taps = [(ky, kx) for ky in range(record["kernel_h"]) for kx in range(record["kernel_w"])]
        passes = 2 if binary else len(taps)
        _require(
            record["destination_planes"] < 2 or passes * record["tap_planes"] >= 2,
            "a high nibble meets the next low nibble",
        )
        count = 1
        for y in range(record["destination_height"]):
            for x in range(record["destination_width"]):
                for block in range(record["blocks"]):
                    chunks = self.array.channels // self.array.vector_lanes
                    count += chunks * passes * record["tap_planes"]
                    code = np.full(self.array.channels, -(1 << 40) if maximum else 0)
                    for ky, kx in taps:
                        sy = y * record["stride_h"] - record["padding_top"]
                        sx = x * record["stride_w"] - record["padding_left"]
                        sy += ky * record["dilation_h"]
                        sx += kx * record["dilation_w"]
                        if not (0 <= sy < record["height"] and 0 <= sx < record["width"]):
                            continue
                        signed = bool(flags & VectorFlags.A_SIGNED)
                        part = self._code(a, record["planes"], signed, sy, sx, block)
                        if maximum:
                            code = np.maximum(code, part)
                        else:
                            code = code + part * record["multiplier_a"]
                    if binary:
                        signed = bool(flags & VectorFlags.B_SIGNED)
                        part = self._code(b, record["b_planes"], signed, y, x, block)
                        code = code + part * record["multiplier_b"]
                    if not maximum:
                        code = (code + record["bias"]) >> record["shift"]
                        code = np.clip(code, record["low"], record["high"])
                    for position in range(self.array.channels):
                        self._write(record, y, x, block, position, int(code[position]))
        return count

    def _tile(self, weights: Iterator[bytes]) -> Ints:
        """Return one weight tile as signed integers [TM, TN]; a fixed-8 lane is one row."""
        array = self.array
        data = b"".join(next(weights) for _ in range(array.weight_words))
        pairs = np.frombuffer(data, dtype=np.uint8)
        nibbles = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1).astype(np.int64)
        rows = nibbles[: array.nibble_rows * array.channels].reshape(-1, array.channels)
        shift, four = array.shift_add_lanes, array.fixed4_lanes
        signed = rows - ((rows >> 3) << 4)
        eight = signed[shift + four :]
        return np.concatenate(
            [
                self._table[rows[:shift]],
                signed[shift : shift + four],
                eight[0::2] + 16 * eight[1::2],
            ]
        )

    def _activations(self, record: Record, group: int, step: int) -> Ints:
        """Return the signed nibbles [TP, TN] that one group reads in one step."""
        planes, blocks = record["planes"], record["blocks"]
        tap, rest = divmod(step, blocks * planes)
        block, plane = divmod(rest, planes)
        ky, kx = divmod(tap, record["kernel_w"])
        signed = bool(record["flags"] & MatmulFlags.INPUT_SIGNED)
        as_is = signed and plane == planes - 1
        fields = (record["base"], record["line_stride"], record["pixel_stride"])
        y, first = divmod(group, record["groups_per_line"])
        sy = y * record["stride_h"] - record["padding_top"] + ky * record["dilation_h"]
        nibbles = np.full(
            (self.array.pixels, self.array.channels), 0 if as_is else -8, dtype=np.int64
        )
        read: dict[int, int] = {}
        for pixel in range(record["group_pixels"]):
            x = first * record["group_pixels"] + pixel
            sx = x * record["stride_w"] - record["padding_left"] + kx * record["dilation_w"]
            if x >= record["destination_width"]:
                continue
            if 0 <= sy < record["height"] and 0 <= sx < record["width"]:
                at = self._address(fields, sy, sx, block * planes + plane)
                bank = sx % self.array.banks
                _require(read.setdefault(bank, at) == at, "a bank is read twice in a cycle")
                raw = self.memory[bank, :, at]
                nibbles[pixel] = raw - ((raw >> 3) << 4) if as_is else raw - 8
        return nibbles

    def _matmul(
        self, record: Record, weights: Iterator[bytes], params: Iterator[bytes], output: list[int]
    ) -> int:
        array = self.array
        limit = 1 << (array.acc_bits - 1)
        per_group = array.rows // array.drain_rows * record["repeat"]
        count = drain_before = 0
        best: tuple[int, int] | None = None
        for tile in range(record["pixel_tiles"]):
            first = tile * record["groups_per_tile"]
            groups = range(first, min(first + record["groups_per_tile"], record["groups"]))
            _require(0 < len(groups) <= array.tile_groups, "a pixel tile is empty or too large")
            for row_tile in range(record["row_tiles"]):
                rows = [RowParameters.decode(next(params)) for _ in range(array.rows)]
                psum = np.zeros((len(groups), array.rows, array.pixels), dtype=np.int64)
                for step in range(record["steps"]):
                    lanes = self._tile(weights)
                    shift = 4 * (step % record["planes"])
                    for index, group in enumerate(groups):
                        dot = lanes @ self._activations(record, group, step).T
                        psum[index] += dot << shift
                    _require(
                        bool((psum >= -limit).all() and (psum < limit).all()),
                        f"a partial sum does not fit {array.acc_bits} bits",
                    )
                best = self._drain(record, groups, rows, psum, output, best)
                compute = record["steps"] * max(len(groups), array.weight_words, array.min_step)
                prologue = array.weight_words if tile == row_tile == 0 else 0
                count += max(compute + prologue, array.rows, drain_before)
                drain_before = len(groups) * per_group
        if record["flags"] & MatmulFlags.ARGMAX:
            assert best is not None, "logits have a row"
            output.append(best[1])
        return count + drain_before

    def _drain(
        self,
        record: Record,
        groups: range,
        rows: list[RowParameters],
        psum: Ints,
        output: list[int],
        best: tuple[int, int] | None,
    ) -> tuple[int, int] | None:
        """Write a block back; return the best (y, channel) so far of logits."""
        logits = bool(record["flags"] & MatmulFlags.LOGITS)
        for start in range(0, len(rows), self.array.drain_rows):
            valid = [r.position for r in rows[start : start + self.array.drain_rows] if r.valid]
            _require(logits or len(set(valid)) == len(valid), "two rows drain to one position")
        for index, group in enumerate(groups):
            y, first = divmod(group, record["groups_per_line"])
            for lane, row in enumerate(rows):
                for pixel in range(record["group_pixels"]):
                    acc = int(psum[index, lane, pixel]) + row.correction
                    scaled = (acc * row.multiplier + row.bias) >> record["shift"]
                    result = min(max(scaled, record["low"]), record["high"])
                    channel = row.block * self.array.channels + row.position
                    if logits:
                        output.append(acc & 0xFFFFFFFF)
                        if row.valid and (best is None or (result, -channel) > (best[0], -best[1])):
                            best = (result, channel)
                        continue
                    x = first * record["group_pixels"] + pixel
                    if row.valid and x < record["destination_width"]:
                        self._write(record, y, x, row.block, row.position, result)
        return best
