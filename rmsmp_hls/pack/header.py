"""`design.json` -> PackedDesign: every field present and of its type, or one error.

Field errors are gathered and raised once. What a value refers to in the blobs is checked
by `rmsmp_hls/pack/files.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.cycles import ceil_div, line_words
from rmsmp_hls.pack.design import (
    PROGRAM,
    TRACE,
    InputSpec,
    OpSummary,
    OutputEntry,
    PackedDesign,
    ProgramSpec,
)
from rmsmp_hls.pack.program import Opcode


class _Reader:
    """Reads typed fields of JSON objects; notes what is wrong and goes on with a neutral value."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.findings: list[ArtefactError] = []

    def wrong(self, path: str, what: str) -> None:
        """Note a fault."""
        self.findings.append(ArtefactError(f"{path}: {what}", where=self.where))

    def mapping(self, value: object, path: str) -> Mapping[str, object]:
        """Return an object, or an empty one."""
        if isinstance(value, dict):
            return value
        self.wrong(path, "must be an object")
        return {}

    def sequence(self, value: object, path: str) -> list[object]:
        """Return a list, or an empty one."""
        if isinstance(value, list):
            return value
        self.wrong(path, "must be a list")
        return []

    def whole(self, source: Mapping[str, object], key: str, path: str, low: int = 0) -> int:
        """Return a whole number >= `low`."""
        value = source.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value < 1 << 32:
            return value
        self.wrong(f"{path}.{key}", f"must be a whole number, at least {low}")
        return low

    def flag(self, source: Mapping[str, object], key: str, path: str) -> bool:
        """Return a boolean."""
        value = source.get(key)
        if isinstance(value, bool):
            return value
        self.wrong(f"{path}.{key}", "must be true or false")
        return False

    def text(self, source: Mapping[str, object], key: str, path: str) -> str:
        """Return a text."""
        value = source.get(key)
        if isinstance(value, str):
            return value
        self.wrong(f"{path}.{key}", "must be a text")
        return ""

    def number(self, source: Mapping[str, object], key: str, path: str) -> float:
        """Return a finite number."""
        value = source.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self.wrong(f"{path}.{key}", "must be a finite number")
        return 0.0

    def lanes(self, source: Mapping[str, object], key: str, path: str) -> tuple[int, ...]:
        """Return a list of channels, -1 for none."""
        values = self.sequence(source.get(key), f"{path}.{key}")
        if all(isinstance(v, int) and not isinstance(v, bool) and v >= -1 for v in values):
            return tuple(int(v) for v in values)  # type: ignore[call-overload]
        self.wrong(f"{path}.{key}", "must list channels, -1 for none")
        return ()

    def slots(self, source: Mapping[str, object], path: str, channels: int) -> tuple[int, ...]:
        """Return the byte of every channel, () if they are not given."""
        values = self.sequence(source.get("slots", []), f"{path}.slots")
        whole = all(type(v) is int and 0 <= v < 1 << 20 for v in values)
        if whole and (not values or len(set(map(str, values))) == channels == len(values)):
            return tuple(int(str(v)) for v in values)
        self.wrong(f"{path}.slots", "must give every channel a byte, no byte twice")
        return ()


def _array(read: _Reader, value: object) -> ArrayShape | None:
    source = read.mapping(value, "array")
    values: dict[str, object] = {}
    before = len(read.findings)
    names = {field.name for field in fields(ArrayShape)}
    for name in sorted(set(source) - names):
        read.wrong(f"array.{name}", "unknown field")
    for name in sorted(names - {"dsp", "shift_add_codebook"}):
        if name in source or name != "multiplier_terms":  # absent in files of earlier versions
            values[name] = read.whole(source, name, "array")
    values["shift_add_codebook"] = read.text(source, "shift_add_codebook", "array")
    dsp = read.text(source, "dsp", "array")
    if dsp not in DspFamily.__members__:
        read.wrong("array.dsp", f"must be one of {', '.join(DspFamily.__members__)}")
    if len(read.findings) > before:
        return None
    try:
        return ArrayShape(**values, dsp=DspFamily[dsp])  # type: ignore[arg-type]
    except (ConfigError, ZeroDivisionError) as error:
        read.wrong("array", f"no array has this shape: {error}")
        return None


def _input(read: _Reader, value: object) -> InputSpec:
    source = read.mapping(value, "input")
    sizes = {
        name: read.whole(source, name, "input", 1)
        for name in ("channels", "height", "width", "bits", "words")
    }
    if not 2 <= sizes["bits"] <= 8:
        read.wrong("input.bits", "must be 2..8")
    line = line_words(sizes["width"], ceil_div(sizes["channels"], 4))
    if sizes["words"] != sizes["height"] * line:
        read.wrong("input.words", "does not match the input's shape")
    return InputSpec(
        name=read.text(source, "name", "input"),
        signed=read.flag(source, "signed", "input"),
        scale=read.number(source, "scale", "input"),
        narrow=read.flag(source, "narrow", "input") if "narrow" in source else True,
        **sizes,
    )


def _output(read: _Reader, value: object, path: str) -> OutputEntry:
    source = read.mapping(value, path)
    tensor = read.text(source, "tensor", path)
    offset, words = read.whole(source, "offset", path), read.whole(source, "words", path, 1)
    if "logits" in source:
        lanes = read.lanes(source, "logits", path)
        rows = sorted(lane for lane in lanes if lane >= 0)
        if len(lanes) != words or not rows or rows != list(range(len(rows))):
            read.wrong(f"{path}.logits", "must give every word a channel or -1, no channel twice")
        argmax = read.flag(source, "argmax", path)
        return OutputEntry(tensor, offset, words, len(rows), 1, 1, True, lanes, argmax)
    shape = [read.whole(source, name, path, 1) for name in ("channels", "height", "width")]
    signed, slots = read.flag(source, "signed", path), read.slots(source, path, shape[0])
    entry = OutputEntry(tensor, offset, words, shape[0], shape[1], shape[2], signed, slots=slots)
    if words != entry.height * entry.width * entry.chunks:
        read.wrong(f"{path}.words", "does not match the tensor's shape")
    return entry


def _program(read: _Reader, file: str, programs: object, outputs: object) -> ProgramSpec:
    path = f"programs.{file}"
    source = read.mapping(read.mapping(programs, "programs").get(file), path)
    words = read.whole(source, "output_words", path)
    iterations: list[tuple[int, str, int]] = []
    known = 0
    for index, item in enumerate(read.sequence(source.get("iterations"), f"{path}.iterations")):
        parts = item if isinstance(item, list) else []
        if [type(part) for part in parts] == [int, str, int] and 0 <= parts[0] <= known:
            iterations.append((parts[0], parts[1], parts[2]))
            known = max(known, parts[0] + 1)
        else:
            read.wrong(
                f"{path}.iterations[{index}]", "must be [operation number, tensor, iterations]"
            )
    listed = read.sequence(read.mapping(outputs, "outputs").get(file), f"outputs.{file}")
    entries = tuple(
        _output(read, item, f"outputs.{file}[{index}]") for index, item in enumerate(listed)
    )
    end = 0
    for entry in entries:
        if entry.offset != end:
            read.wrong(f"outputs.{file}", f"{entry.tensor[:60]!r} does not follow its predecessor")
        end = entry.offset + entry.words + entry.argmax
    if end != words:
        read.wrong(f"outputs.{file}", f"entries end at word {end}, not at {words}")
    return ProgramSpec(file, words, tuple(iterations), entries)


def _summary(read: _Reader, value: object, path: str) -> OpSummary:
    source = read.mapping(value, path)
    name, opcode = read.text(source, "name", path), read.text(source, "opcode", path)
    module, scale = read.text(source, "module", path), read.number(source, "scale", path)
    if opcode not in Opcode.__members__:
        read.wrong(f"{path}.opcode", f"must be one of {', '.join(Opcode.__members__)}")
    if opcode != Opcode.MATMUL.name:
        return OpSummary(name, opcode, module, scale)
    rows = read.mapping(source.get("rows"), f"{path}.rows")
    counts = tuple((key, read.whole(rows, key, f"{path}.rows")) for key in sorted(rows))
    return OpSummary(
        name, opcode, module, scale, counts,
        read.lanes(source, "row_order", path),
        read.whole(source, "row_tiles", path, 1),
        read.whole(source, "pixel_tiles", path, 1),
    )  # fmt: skip


def parse_header(
    header: Mapping[str, object], blobs: tuple[tuple[str, bytes], ...], where: str
) -> PackedDesign:
    """Return the design that a header describes.

    Args:
        header: the JSON object; schema and version are checked already.
        blobs: the blobs.
        where: the file, for messages.

    Raises:
        ArtefactError: lists every field that is missing, of a wrong type or contradictory.
    """
    read = _Reader(where)
    array = _array(read, header.get("array"))
    spec = _input(read, header.get("input"))
    programs = tuple(
        _program(read, file, header.get("programs"), header.get("outputs"))
        for file in (PROGRAM, TRACE)
    )
    ops = tuple(
        _summary(read, item, f"ops[{index}]")
        for index, item in enumerate(read.sequence(header.get("ops"), "ops"))
    )
    spill_words = read.whole(header, "spill_words", "header")
    if read.findings or array is None:
        raise ArtefactError.gather(read.findings)
    return PackedDesign(
        array=array, input=spec, programs=programs, ops=ops, blobs=blobs, spill_words=spill_words
    )
