"""Measured figures of the row lanes in SystemVerilog, and a line through them for other sizes.

The figures are raw counts of yosys (docs/lanes.md), out of context: neither placed, routed nor
timed. `rmsmp-hls lanes --measure` writes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.hw.array import DspFamily

SCHEMA = "rmsmp-hls/measured-lanes/1"
FITTED = (16, 32, 64)
"""Inputs of the lanes that the line is fitted to; the others show its error."""
FAMILIES = ("xc7", "xcup")
FOLDER = Path(__file__).parent / "measured"
_RESOURCES = ("lut", "lutram", "ff")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one synthesized module takes.

    Attributes:
        kind: shift_add, table, packed; decode (one weight), sequencer (one array), requantizeN
            (N bits of bounds).
        family: xc7 or xcup.
        codebook: of the weights; "" where there are none.
        inputs, pixels, rows: multiply-accumulates per cycle are their product.
        accumulator_bits: 0 of a module without accumulator.
        latency: cycles from operands to result.
        lut: raw LUTs, `lutram` included.
        lutram: those that need a SLICEM.
        ff, carry, dsp: flip-flops, CARRY4 or CARRY8, DSP slices.
    """

    kind: str
    family: str
    codebook: str
    inputs: int
    pixels: int
    rows: int
    accumulator_bits: int
    latency: int
    lut: int
    lutram: int
    ff: int
    carry: int
    dsp: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What tells it from the other figures of its family."""
        return (self.kind, self.codebook, self.inputs, self.pixels)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cycle."""
        return self.inputs * self.pixels * self.rows


@dataclass(frozen=True, slots=True)
class Line:
    """per_input * inputs + constant: a resource of one lane of any width."""

    per_input: float
    constant: float

    def at(self, inputs: int) -> float:
        """Return the value at a number of inputs, not below 0."""
        return max(0.0, self.per_input * inputs + self.constant)


@dataclass(frozen=True, slots=True)
class LaneCost:
    """A kind of lane as lines through its measured sizes.

    Attributes:
        lut, lutram, ff: lines, for all pixels and rows of the measured lane.
        pixels, rows: of the measured lane.
        accumulator_bits: their width.
        dsp: DSPs per input.
        error: largest relative error of `lut` at the sizes that it was not fitted to.
        figures: the measured sizes.
    """

    lut: Line
    lutram: Line
    ff: Line
    pixels: int
    rows: int
    accumulator_bits: int
    dsp: float
    error: float
    figures: tuple[Figure, ...]

    def at(self, resource: str, inputs: int) -> float:
        """Return "lut", "lutram" or "ff" of a lane: measured at its size, else on the line."""
        for figure in self.figures:
            if figure.inputs == inputs:
                return float(getattr(figure, resource))
        line: Line = getattr(self, resource)
        return line.at(inputs)

    @property
    def accumulators(self) -> int:
        """Accumulators in the lane, one per row and pixel."""
        return self.pixels * self.rows


def read_figures(path: Path) -> tuple[tuple[Figure, str], ...]:
    """Return the figures of a file, each with the version of yosys that made it.

    Raises:
        ArtefactError: the file is not one of measured figures.
    """
    names = {field.name for field in fields(Figure)}
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        return tuple(
            (Figure(**{k: v for k, v in entry.items() if k in names}), str(entry["yosys"]))
            for entry in content["figures"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"the measured figures cannot be read: {error}",
            where=str(path),
            fix="measure again: rmsmp-hls lanes --measure; or reinstall rmsmp-hls",
        ) from error


def rtl_family(dsp: DspFamily) -> str:
    """Return the fabric of a DSP family, by the name yosys has for it."""
    return "xcup" if dsp is DspFamily.DSP48E2 else "xc7"


@cache
def stored_figures(family: str) -> tuple[tuple[Figure, str], ...]:
    """Return the figures that rmsmp-hls comes with for one family."""
    return read_figures(FOLDER / f"{family}.json")


def forget() -> None:
    """Read the files again when they are asked for next."""
    stored_figures.cache_clear()
    lane_cost.cache_clear()


def fitted_lanes(family: str) -> tuple[tuple[str, str], ...]:
    """Return (kind, codebook) of every kind of lane with a line, in the order of the file."""
    seen: dict[tuple[str, str], set[int]] = {}
    for figure, _ in stored_figures(family):
        seen.setdefault((figure.kind, figure.codebook), set()).add(figure.inputs)
    return tuple(key for key, inputs in seen.items() if inputs >= set(FITTED))


def shared_figure(kind: str, family: str, codebook: str = "") -> Figure:
    """Return the figure of a module that lanes share.

    Raises:
        ConfigError: it was not measured.
    """
    for figure, _ in stored_figures(family):
        if figure.kind == kind and figure.codebook == codebook:
            return figure
    raise _unmeasured(kind, family, codebook)


@cache
def lane_cost(kind: str, family: str, codebook: str) -> LaneCost:
    """Return the lines of one kind of lane, fitted to 16, 32 and 64 inputs.

    Raises:
        ConfigError: it was not measured.
    """
    all_sizes = [f for f, _ in stored_figures(family) if f.kind == kind and f.codebook == codebook]
    fitted = [f for f in all_sizes if f.inputs in FITTED]
    if len(fitted) != len(FITTED):
        raise _unmeasured(kind, family, codebook)
    lines = {
        name: _least_squares([(f.inputs, getattr(f, name)) for f in fitted]) for name in _RESOURCES
    }
    errors = [
        abs(lines["lut"].at(f.inputs) - f.lut) / f.lut for f in all_sizes if f.inputs not in FITTED
    ]
    one = fitted[0]
    return LaneCost(
        lut=lines["lut"], lutram=lines["lutram"], ff=lines["ff"], pixels=one.pixels,
        rows=one.rows, accumulator_bits=one.accumulator_bits, dsp=one.dsp / one.inputs,
        error=max(errors, default=0.0),
        figures=tuple(all_sizes),
    )  # fmt: skip


def _least_squares(points: list[tuple[int, int]]) -> Line:
    """Return the line with the least sum of squared relative errors."""
    weights = [1 / y**2 if y else 1.0 for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    over = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True))
    under = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = over / under
    return Line(slope, mean_y - slope * mean_x)


def _unmeasured(kind: str, family: str, codebook: str) -> ConfigError:
    return ConfigError(
        f"no measured figure of {kind} lanes for codebook {codebook!r} on {family}",
        where="measured figures",
        fix="measure it: rmsmp-hls lanes --measure",
    )
