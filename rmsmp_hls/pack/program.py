"""Program words: the one place that knows which field lies in which word.

Named fields -> words and back; the table is that of docs/packed-design.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ArtefactError

MAGIC = 0x4D534D52
VERSION = 3
HEADER_WORDS = 8
OP_WORDS = 40
SEGMENT_WORDS = 3

Words = npt.NDArray[np.uint32]


class Opcode(IntEnum):
    """What an operation record asks for."""

    LOAD = 1
    MATMUL = 2
    VECTOR = 3
    STORE = 4
    SAVE = 5
    RESTORE = 6


class MatmulFlags(IntFlag):
    """Word 1 of a MATMUL."""

    INPUT_SIGNED = 1
    LOGITS = 2
    ARGMAX = 4
    WINDOW = 8


class VectorFlags(IntFlag):
    """Word 1 of a VECTOR."""

    A_SIGNED = 1
    B_SIGNED = 2
    MAXIMUM = 4
    BINARY = 8
    TABLE = 16
    MULTIPLY = 32
    BROADCAST = 64


class MoveFlags(IntFlag):
    """Word 1 of a LOAD or STORE."""

    SIGNED = 1
    FOLDED = 2


def _numbered(first: int, *names: str) -> dict[str, int]:
    return {name: first + offset for offset, name in enumerate(names)}


_WINDOW = _numbered(
    9, "kernel_h", "kernel_w", "stride_h", "stride_w", "padding_top", "padding_left",
    "dilation_h", "dilation_w",
)  # fmt: skip
_DESTINATION = _numbered(
    17, "destination_base", "destination_height", "destination_width", "destination_planes",
    "destination_line_stride", "destination_pixel_stride",
)  # fmt: skip


def _source(fourth: str) -> dict[str, int]:
    return _numbered(2, "base", "height", "width", fourth, "planes", "line_stride", "pixel_stride")


_MOVE = {"flags": 1, **_source("chunks")}
_SPILL = _numbered(2, "base", "run", "runs", "stride", "offset")
FIELDS: dict[Opcode, dict[str, int]] = {
    Opcode.LOAD: {
        **_MOVE, "fold_columns": 9, "fold_kernel": 10, "fold_stride": 12, "fold_left": 14,
        "fold_right": 17, "fold_width": 19, "fold_channels": 35,
    },
    Opcode.STORE: _MOVE,
    Opcode.MATMUL: {
        "flags": 1, **_source("blocks"), **_WINDOW, **_DESTINATION,
        **_numbered(
            23, "group_pixels", "groups_per_line", "groups", "groups_per_tile", "pixel_tiles",
            "row_tiles", "shift", "low", "high", "steps", "repeat", "tiles_per_group",
            "group_stride",
        ),
    },
    Opcode.VECTOR: {
        "flags": 1, **_source("blocks"), **_WINDOW, **_DESTINATION,
        **_numbered(
            23, "b_base", "b_planes", "b_line_stride", "b_pixel_stride", "multiplier_a",
            "multiplier_b", "shift", "low", "high", "bias",
        ),
        **_numbered(34, "tap_planes", "repeat_h", "repeat_w"),
    },
    Opcode.SAVE: _SPILL,
    Opcode.RESTORE: _SPILL,
}  # fmt: skip
"""Word of every field of every opcode; the numbers of word 0 are the opcodes. `bias` takes two
words, low word first."""

_SIGNED = frozenset(("low", "high", "multiplier_a", "multiplier_b"))


@dataclass(frozen=True, slots=True)
class Record:
    """One operation: its opcode and all fields of that opcode by name."""

    opcode: Opcode
    fields: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.fields[name]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a blob that is sent `repeats` times: offset and length in words of its port."""

    offset: int
    words: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Program:
    """A decoded program; `spill_words`: words of the spill port that it uses."""

    records: tuple[Record, ...]
    weight_segments: tuple[Segment, ...]
    param_segments: tuple[Segment, ...]
    input_words: int
    output_words: int
    spill_words: int = 0


def encode_record(record: Record) -> Words:
    """Return the 40 words of one operation.

    Raises:
        KeyError: a field is missing or unknown. OverflowError: a value does not fit its word.
    """
    table = FIELDS[record.opcode]
    if set(table) != set(record.fields):
        raise KeyError(f"fields of {record.opcode.name}: {set(table) ^ set(record.fields)}")
    words = np.zeros(OP_WORDS, dtype=np.uint32)
    words[0] = record.opcode
    for name, word in table.items():
        value = record.fields[name]
        if name == "bias":
            if not -(1 << 63) <= value < 1 << 63:
                raise OverflowError("bias does not fit 64 bits")
            words[word], words[word + 1] = value & 0xFFFFFFFF, (value >> 32) & 0xFFFFFFFF
            continue
        low, high = (-(1 << 31), 1 << 31) if name in _SIGNED else (0, 1 << 32)
        if not low <= value < high:
            raise OverflowError(f"{name} = {value} does not fit its program word")
        words[word] = value & 0xFFFFFFFF
    return words


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def decode_record(words: Sequence[int]) -> Record:
    """Return the operation of 40 words; ValueError if the opcode is unknown."""
    opcode = Opcode(int(words[0]))
    fields = {}
    for name, word in FIELDS[opcode].items():
        value = int(words[word])
        if name == "bias":
            value = _signed(value | int(words[word + 1]) << 32, 64)
        elif name in _SIGNED:
            value = _signed(value, 32)
        fields[name] = value
    return Record(opcode, fields)


def encode_program(program: Program) -> bytes:
    """Return the bytes of a program: header, operations, weight and parameter segments."""
    head = (
        MAGIC, VERSION, len(program.records), len(program.weight_segments),
        len(program.param_segments), program.input_words, program.output_words,
        program.spill_words,
    )  # fmt: skip
    parts = [np.array(head, dtype=np.uint32)]
    parts += [encode_record(record) for record in program.records]
    parts += [
        np.array([segment.offset, segment.words, segment.repeats], dtype=np.uint32)
        for segment in (*program.weight_segments, *program.param_segments)
    ]
    return np.concatenate(parts).astype("<u4").tobytes()


def decode_program(data: bytes, where: str) -> Program:
    """Return the program in `data`; the inverse of `encode_program`.

    Raises:
        ArtefactError: not a program, another version, or a wrong length.
    """
    if len(data) % 4 or len(data) < 4 * HEADER_WORDS:
        raise ArtefactError("not a program: too short or no whole words", where=where)
    words = [int(word) for word in np.frombuffer(data, dtype="<u4")]
    if words[0] != MAGIC:
        raise ArtefactError(f"not a program: begins with {words[0]:#010x}", where=where)
    if words[1] != VERSION:
        raise ArtefactError(
            f"program version {words[1]}, this release knows {VERSION}",
            where=where,
            fix="pack the design again with this release",
        )
    counts = words[2:5]
    if len(words) != HEADER_WORDS + counts[0] * OP_WORDS + sum(counts[1:]) * SEGMENT_WORDS:
        raise ArtefactError(
            f"{len(words)} words do not hold {counts[0]} operations and "
            f"{counts[1]} + {counts[2]} segments",
            where=where,
        )
    end = HEADER_WORDS + counts[0] * OP_WORDS
    try:
        records = tuple(
            decode_record(words[start : start + OP_WORDS])
            for start in range(HEADER_WORDS, end, OP_WORDS)
        )
    except ValueError as error:
        raise ArtefactError(f"unknown opcode: {error}", where=where) from error
    segments = tuple(
        Segment(*words[start : start + SEGMENT_WORDS])
        for start in range(end, len(words), SEGMENT_WORDS)
    )
    return Program(records, segments[: counts[1]], segments[counts[1] :], *words[5:8])
