"""Program words lie where docs/packed-design.md says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.pack.program import (
    FIELDS,
    Opcode,
    Program,
    Record,
    Segment,
    decode_program,
    decode_record,
    encode_program,
    encode_record,
)

SIGNED = {"low", "high", "multiplier_a", "multiplier_b", "bias"}


@st.composite
def records(draw: st.DrawFn) -> Record:
    opcode = draw(st.sampled_from(Opcode))
    fields = {}
    for name in FIELDS[opcode]:
        bits = 63 if name == "bias" else 31
        low = -(1 << bits) if name in SIGNED else 0
        high = (1 << bits) - 1 if name in SIGNED else (1 << 32) - 1
        fields[name] = draw(st.integers(low, high))
    return Record(opcode, fields)


@given(records())
def test_records_decode_to_what_was_encoded(record: Record) -> None:
    """All fields of all opcodes, extremes included."""
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("opcode", list(Opcode))
def test_no_two_fields_share_a_word(opcode: Opcode) -> None:
    """A bias takes two words; nothing lies past word 39 or on the opcode."""
    words = list(FIELDS[opcode].values())
    if "bias" in FIELDS[opcode]:
        words.append(FIELDS[opcode]["bias"] + 1)
    assert len(set(words)) == len(words)
    assert min(words) > 0 and max(words) < 40


def test_fields_lie_in_the_words_of_the_page() -> None:
    """The numbers of the page's table, written out again."""
    matmul = {
        "flags": 1, "base": 2, "height": 3, "width": 4, "blocks": 5, "planes": 6,
        "line_stride": 7, "pixel_stride": 8, "kernel_h": 9, "stride_w": 12, "padding_top": 13,
        "dilation_w": 16, "destination_base": 17, "destination_height": 18,
        "destination_planes": 20, "destination_line_stride": 21, "destination_pixel_stride": 22,
        "group_pixels": 23, "groups_per_line": 24, "groups": 25, "groups_per_tile": 26,
        "pixel_tiles": 27, "row_tiles": 28, "shift": 29, "low": 30, "high": 31, "steps": 32,
        "repeat": 33, "tiles_per_group": 34, "group_stride": 35,
    }  # fmt: skip
    vector = {
        "b_base": 23, "b_planes": 24, "b_line_stride": 25, "b_pixel_stride": 26,
        "multiplier_a": 27, "multiplier_b": 28, "shift": 29, "low": 30, "high": 31, "bias": 32,
        "tap_planes": 34, "repeat_h": 35, "repeat_w": 36,
    }  # fmt: skip
    move = {"chunks": 5, "planes": 6, "line_stride": 7, "pixel_stride": 8}
    fold = {
        "fold_kernel": 10, "fold_stride": 12, "fold_left": 14, "fold_right": 17, "fold_width": 19,
        "fold_channels": 35,
    }  # fmt: skip
    spill = {"base": 2, "run": 3, "runs": 4, "stride": 5, "offset": 6}
    assert matmul.items() <= FIELDS[Opcode.MATMUL].items()
    assert vector.items() <= FIELDS[Opcode.VECTOR].items()
    assert (move | fold).items() <= FIELDS[Opcode.LOAD].items()
    assert FIELDS[Opcode.SAVE] == FIELDS[Opcode.RESTORE] == spill
    names = ["LOAD", "MATMUL", "VECTOR", "STORE", "SAVE", "RESTORE"]
    assert [Opcode[name] for name in names] == [1, 2, 3, 4, 5, 6]


def test_values_that_do_not_fit_are_refused() -> None:
    """No silent wrap."""
    fields = dict.fromkeys(FIELDS[Opcode.LOAD], 0)
    with pytest.raises(OverflowError, match="base"):
        encode_record(Record(Opcode.LOAD, fields | {"base": -1}))
    with pytest.raises(KeyError, match="wings"):
        encode_record(Record(Opcode.LOAD, fields | {"wings": 1}))


def test_programs_decode_to_what_was_encoded() -> None:
    """Header, operations, segments."""
    load = Record(Opcode.LOAD, dict.fromkeys(FIELDS[Opcode.LOAD], 3))
    program = Program((load, load), (Segment(0, 5, 2),), (Segment(1, 2, 3), Segment(4, 5, 6)), 7, 8)
    data = encode_program(program)
    assert len(data) == 4 * (8 + 2 * 40 + 3 * 3)
    assert data[:4] == b"RMSM"
    assert decode_program(data, "p") == program


@pytest.mark.parametrize(
    ("word", "value", "words"),
    [(0, 1, "begins with"), (1, 1, "program version 1"), (2, 9, "do not hold"), (8, 77, "opcode")],
)
def test_damaged_programs_are_refused(word: int, value: int, words: str) -> None:
    """Magic, version, counts, opcodes."""
    load = Record(Opcode.LOAD, dict.fromkeys(FIELDS[Opcode.LOAD], 0))
    data = np.frombuffer(encode_program(Program((load,), (), (), 0, 0)), dtype="<u4").copy()
    data[word] = value
    with pytest.raises(ArtefactError, match=words):
        decode_program(data.tobytes(), "p")
    with pytest.raises(ArtefactError, match="too short"):
        decode_program(data.tobytes()[:30], "p")
