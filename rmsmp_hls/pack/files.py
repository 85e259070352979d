"""The packed design as files: `design.json` and blobs, and back with everything checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.pack.design import (
    BLOBS,
    PARAMS,
    PROGRAM,
    WEIGHTS,
    OpSummary,
    OutputEntry,
    PackedDesign,
    ProgramSpec,
)
from rmsmp_hls.pack.header import parse_header
from rmsmp_hls.pack.program import Opcode, decode_program

HEADER = "design.json"
SCHEMA = "rmsmp-hls/packed-design"
VERSION = 3
_REPACK = "pack the design again (rmsmp-hls build --from schedule)"


def _array(array: ArrayShape) -> dict[str, object]:
    values = {field.name: getattr(array, field.name) for field in fields(array)}
    return values | {"dsp": array.dsp.name}


def _output(entry: OutputEntry) -> dict[str, object]:
    common: dict[str, object] = {
        "tensor": entry.tensor,
        "offset": entry.offset,
        "words": entry.words,
    }
    if entry.logits:
        return common | {"logits": list(entry.logits), "argmax": entry.argmax}
    codes = common | {
        "channels": entry.channels,
        "height": entry.height,
        "width": entry.width,
        "signed": entry.signed,
    }
    return codes | {"slots": list(entry.slots)} if entry.slots else codes


def _program(spec: ProgramSpec) -> dict[str, object]:
    return {
        "output_words": spec.output_words,
        "iterations": [list(entry) for entry in spec.iterations],
    }


def _summary(op: OpSummary) -> dict[str, object]:
    common: dict[str, object] = {
        "name": op.name,
        "opcode": op.opcode,
        "module": op.module,
        "scale": op.scale,
    }
    if op.opcode != Opcode.MATMUL.name:
        return common
    return common | {
        "rows": dict(op.rows),
        "row_order": list(op.row_order),
        "row_tiles": op.row_tiles,
        "pixel_tiles": op.pixel_tiles,
    }


def design_header(design: PackedDesign) -> dict[str, object]:
    """Return the content of `design.json`."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "array": _array(design.array),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in design.blobs
        },
        "spill_words": design.spill_words,
        "input": {field.name: getattr(design.input, field.name) for field in fields(design.input)},
        "programs": {spec.file: _program(spec) for spec in design.programs},
        "outputs": {spec.file: [_output(e) for e in spec.outputs] for spec in design.programs},
        "ops": [_summary(op) for op in design.ops],
    }


def design_files(design: PackedDesign) -> dict[str, bytes]:
    """Return the files of a design by name; the same design gives the same bytes."""
    text = json.dumps(design_header(design), indent=1, sort_keys=True, allow_nan=False)
    return {HEADER: (text + "\n").encode("ascii"), **dict(design.blobs)}


def _read_header(folder: Path) -> Mapping[str, object]:
    path = folder / HEADER
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactError(
            f"cannot read the packed design: {error.strerror}", where=str(path), fix=_REPACK
        ) from error
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"not JSON: {error}", where=str(path), fix=_REPACK) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ArtefactError(
            f"not a packed design: schema is {found!r}, not {SCHEMA!r}",
            where=str(path),
            fix="give the folder of a packed design",
        )
    if data.get("version") != VERSION:
        raise ArtefactError(
            f"version {data.get('version')!r} of the format, this release knows {VERSION}",
            where=str(path),
            fix=f"{_REPACK}, or use the release that wrote it",
        )
    return data


def _read_blobs(folder: Path, header: Mapping[str, object]) -> tuple[tuple[str, bytes], ...]:
    """Return the blobs, or one error that lists every one that is missing or changed."""
    listed = header.get("files")
    if not isinstance(listed, dict) or set(listed) != set(BLOBS):
        raise ArtefactError(
            f"`files` must list exactly {', '.join(BLOBS)}", where=HEADER, fix=_REPACK
        )
    findings, blobs = [], []
    for name in BLOBS:
        path = folder / name
        entry = listed[name] if isinstance(listed[name], dict) else {}
        try:
            data = path.read_bytes()
        except OSError as error:
            findings.append(
                ArtefactError(f"cannot read: {error.strerror}", where=str(path), fix=_REPACK)
            )
            continue
        if len(data) != entry.get("bytes"):
            text = f"has {len(data)} bytes, {HEADER} says {entry.get('bytes')!r}"
            findings.append(ArtefactError(text, where=str(path), fix=_REPACK))
        elif hashlib.sha256(data).hexdigest() != entry.get("sha256"):
            text = f"its SHA-256 differs from that in {HEADER}: it was changed"
            findings.append(ArtefactError(text, where=str(path), fix=_REPACK))
        blobs.append((name, data))
    if findings:
        raise ArtefactError.gather(findings)
    return tuple(blobs)


def _check_against_blobs(design: PackedDesign, where: str) -> None:
    """Refuse a header that does not belong to its blobs."""
    findings = []
    beat = design.array.weight_beat_bits // 8
    room = {WEIGHTS: len(design.blob(WEIGHTS)) // beat, PARAMS: len(design.blob(PARAMS))}
    room[PARAMS] //= PARAM_BYTES
    if len(design.blob(WEIGHTS)) % beat or len(design.blob(PARAMS)) % PARAM_BYTES:
        findings.append("weights.bin or params.bin is no whole number of beats or words")
    for spec in design.programs:
        program = decode_program(design.blob(spec.file), f"{where}: {spec.file}")
        if program.input_words != design.input.words:
            findings.append(f"{spec.file} reads {program.input_words} input words")
        if program.output_words != spec.output_words:
            findings.append(f"{spec.file} writes {program.output_words} output words")
        if len(program.records) != len(spec.iterations):
            findings.append(f"{spec.file} has {len(program.records)} records")
        if program.spill_words > design.spill_words:
            findings.append(f"{spec.file} uses {program.spill_words} words of the spill port")
        for blob, segments in (
            (WEIGHTS, program.weight_segments),
            (PARAMS, program.param_segments),
        ):
            if any(s.offset + s.words > room[blob] for s in segments):
                findings.append(f"a segment of {spec.file} lies outside {blob}")
    if len({number for number, _, _ in design.program(PROGRAM).iterations}) != len(design.ops):
        findings.append("`ops` and the operations of the deployed program differ in number")
    if findings:
        raise ArtefactError.gather(
            [
                ArtefactError(f"{text}, which the header contradicts", where=where, fix=_REPACK)
                for text in findings
            ]
        )


def load_design(folder: Path) -> PackedDesign:
    """Return the packed design in a folder.

    Raises:
        ArtefactError: a file is missing or damaged, the schema or version is not ours, or
            header and blobs contradict each other.
    """
    header = _read_header(folder)
    design = parse_header(header, _read_blobs(folder, header), str(folder / HEADER))
    _check_against_blobs(design, str(folder))
    return design
