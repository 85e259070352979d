"""The row lanes in SystemVerilog: what can be asked for, and the files of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from rmsmp_hls.codegen.render import render
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.numerics.codebooks import Scheme, codebook
from rmsmp_hls.resources import asset_files
from rmsmp_hls.rtl.product import product_of
from rmsmp_hls.rtl.text import adder_ports, passed_bits
from rmsmp_hls.rtl.tree import Carry, Operand, Tree, plane_tree, signed_bits, sum_tree

MOST_PRODUCT, LEAST_PRODUCT = 64, -56
"""Extremes of a product of two signed nibbles: -8 * -8 and -8 * 7."""


class LaneKind(Enum):
    """How a row lane multiplies."""

    SHIFT_ADD = "shift_add"
    TABLE = "table"
    PACKED = "packed"


class RtlFamily(Enum):
    """The fabric, by the name yosys has for it."""

    XC7 = "xc7"
    XCUP = "xcup"

    @property
    def dsp(self) -> DspFamily:
        """Its DSP slice."""
        return DspFamily.DSP48E2 if self is RtlFamily.XCUP else DspFamily.DSP48E1

    @property
    def ultrascale(self) -> int:
        """The parameter ULTRASCALE of all modules."""
        return int(self is RtlFamily.XCUP)


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """One lane to generate.

    Attributes:
        kind: how it multiplies.
        family: primitives of which fabric.
        inputs: products per row, pixel and cycle; a power of two, 8 .. 128.
        codebook: of its weights; a packed slot takes Fixed-4 only.
        pixels: output pixels (1 of a shift-add lane, 2 of a packed slot, any of a table lane).
        accumulator_bits: width of its accumulators; 0: it gives the dot product of one cycle.
    """

    kind: LaneKind
    family: RtlFamily
    inputs: int
    codebook: str
    pixels: int = 1
    accumulator_bits: int = 24

    def __post_init__(self) -> None:
        """Refuse what no lane can be; all findings at once."""
        book = codebook(self.codebook)
        wanted = {LaneKind.SHIFT_ADD: 1, LaneKind.PACKED: 2}.get(self.kind, self.pixels)
        rules = (
            (self.inputs in (8, 16, 32, 64, 128), "inputs must be 8, 16, 32, 64 or 128"),
            (book.bits == 4, "lanes take codes of 4 bits"),
            (self.pixels == wanted, f"a {self.kind.value} lane has {wanted} pixel(s)"),
            (1 <= self.pixels <= 16, "pixels must be 1 .. 16"),
            (
                self.accumulator_bits == 0 or 16 <= self.accumulator_bits <= 32,
                "accumulator_bits must be 0 or 16 .. 32",
            ),
            (
                self.kind is not LaneKind.PACKED or book.scheme is Scheme.FIXED,
                "a packed slot takes Fixed-4",
            ),
        )
        broken = [ConfigError(text, where="lane") for holds, text in rules if not holds]
        if broken:
            raise ConfigError.gather(broken)

    @property
    def rows(self) -> int:
        """Rows of weights that it takes."""
        return 2 if self.kind is LaneKind.PACKED else 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cycle."""
        return self.rows * self.inputs * self.pixels

    @property
    def name(self) -> str:
        """Its module."""
        form = f"acc{self.accumulator_bits}" if self.accumulator_bits else "dot"
        return "_".join(
            ("rmsmp", self.kind.value, identifier(self.codebook), f"n{self.inputs}",
             f"p{self.pixels}", form, self.family.value)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lane:
    """A generated lane.

    Attributes:
        spec: what was asked for.
        files: {file name: text}, the top module is `spec.name`.
        latency: cycles from operands to result.
        bits: width of one result.
    """

    spec: LaneSpec
    files: dict[str, str]
    latency: int
    bits: int


def identifier(name: str) -> str:
    """Return a codebook's name as part of an identifier."""
    return name.lower().replace("-", "_")


def static_files() -> dict[str, str]:
    """Return the modules that all lanes are made of."""
    return {name: data.decode() for name, data in asset_files("templates/rtl", "*.sv").items()}


def simulation_files() -> dict[str, str]:
    """Return the models that only a simulation needs: the DSP48E2."""
    return {name: data.decode() for name, data in asset_files("templates/rtl/sim", "*.v").items()}


def generate_lane(spec: LaneSpec) -> Lane:
    """Return the SystemVerilog of one lane.

    Raises:
        ConfigError: the codebook fits no shift-add structure.
    """
    make = {
        LaneKind.SHIFT_ADD: _shift_add,
        LaneKind.TABLE: _table,
        LaneKind.PACKED: _packed,
    }[spec.kind]
    files, latency, bits = make(spec)
    return Lane(spec, {**static_files(), **files}, latency, bits)


def _view(spec: LaneSpec, latency: int, bits: int, **more: Any) -> dict[str, Any]:
    return {
        "name": spec.name, "inputs": spec.inputs, "codebook": spec.codebook,
        "ident": identifier(spec.codebook), "pixels": spec.pixels, "latency": latency,
        "bits": bits, "accumulates": bool(spec.accumulator_bits),
        "ultrascale": spec.family.ultrascale, **more,
    }  # fmt: skip


def _tree_view(tree: Tree) -> dict[str, Any]:
    adders = [
        {
            "name": adder.name, "width": adder.width, "adder_bits": adder.adder_bits,
            "accumulates": adder.accumulates, "ports": adder_ports(adder),
            "passed": passed_bits(adder),
        }
        for adder in tree.adders
    ]  # fmt: skip
    return {"adders": adders, "delays": tree.delays, "result": tree.result}


def _shift_add(spec: LaneSpec) -> tuple[dict[str, str], int, int]:
    book = codebook(spec.codebook)
    product = product_of(book)
    operands = [
        Operand(f"x{k}", product.bits, product.low, product.high, stage=1)
        for k in range(spec.inputs)
    ]
    carries = [Carry(f"minus{k}", stage=1) for k in range(spec.inputs)]
    tree = sum_tree("s", operands, carries, spec.accumulator_bits)
    view = _view(
        spec, tree.stage, tree.width,
        controls=len(product.controls), product_bits=product.bits, tree=_tree_view(tree),
    )  # fmt: skip
    unit = {
        "codebook": book.name, "ident": identifier(book.name), "controls": product.controls,
        "control_names": ", ".join(c.name for c in product.controls), "bits": product.bits,
        "luts": product.luts, "decoder": product.decoder, "plain_bits": product.plain_bits,
        "chain": product.chain, "carry": product.carry, "wires": product.wires,
    }  # fmt: skip
    files = {
        f"rmsmp_product_{identifier(book.name)}.sv": render("rtl/product.sv.j2", product=unit),
        f"{spec.name}.sv": render("rtl/shift_add_lane.sv.j2", lane=view),
    }
    return files, tree.stage, tree.width


def code_weights(name: str) -> tuple[int, ...]:
    """Return the weight of each of the 16 stored codes; codes without a meaning count 0.

    Fixed-4 takes -8 too, which the low nibble of a fixed-8 row can be.
    """
    book = codebook(name)
    if book.scheme is Scheme.FIXED:
        return tuple(code - 16 if code >= 8 else code for code in range(16))
    magnitudes = (*book.magnitudes, *(0,) * (8 - len(book.magnitudes)))
    return tuple(-magnitudes[c & 7] if c & 8 else magnitudes[c & 7] for c in range(16))


def table_bits(name: str) -> int:
    """Return the width of a table entry: a sum of up to four weights.

    A sum of 4 * (largest weight) that alone needs another bit is left out: such a group of four
    weights cannot be loaded (`table_fits`). Of the codebooks here, that is four times +8 of SP2-4.
    """
    weights = code_weights(name)
    return signed_bits(4 * min(weights), 4 * max(weights) - 1)


def table_fits(name: str, weights: tuple[int, ...]) -> bool:
    """Return whether tables of the group of four `weights` can be loaded."""
    bits = table_bits(name)
    positive = sum(w for w in weights if w > 0)
    negative = sum(w for w in weights if w < 0)
    return positive < 1 << (bits - 1) and negative >= -(1 << (bits - 1))


def _table(spec: LaneSpec) -> tuple[dict[str, str], int, int]:
    bits = table_bits(spec.codebook)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    groups = spec.inputs // 4
    trees = []
    for p in range(spec.pixels):
        planes = [
            [Operand(f"e{p}_{b}_{g}", bits, low, high, stage=1) for g in range(groups)]
            for b in range(4)
        ]
        trees.append(plane_tree(f"s{p}_", planes, spec.accumulator_bits))
    mask = (1 << bits) - 1
    packed = sum((w & mask) << (bits * code) for code, w in enumerate(code_weights(spec.codebook)))
    view = _view(
        spec, trees[0].stage, trees[0].width,
        groups=groups, table_bits=bits, weights=f"{16 * bits}'h{packed:X}",
        trees=[_tree_view(tree) for tree in trees],
    )  # fmt: skip
    files = {f"{spec.name}.sv": render("rtl/table_lane.sv.j2", lane=view)}
    return files, trees[0].stage, trees[0].width


def cascade_offset(dsp: DspFamily) -> int:
    """Return the constant of the first cascade element: 2^(F-1) - 1.

    It serves as `DspFamily.offset` does, and the field minus it is the field with its top bit
    inverted, plus 1: an exact dot product needs no subtraction (the 1 enters at a carry input).
    """
    return (1 << (dsp.field_bits - 1)) - 1


def cascade_bound(dsp: DspFamily) -> int:
    """Return how many products a cascade may sum with that offset."""
    offset, top = cascade_offset(dsp), (1 << dsp.field_bits) - 1
    return min(offset // -LEAST_PRODUCT, (top - offset) // MOST_PRODUCT)


def _packed(spec: LaneSpec) -> tuple[dict[str, str], int, int]:
    dsp = spec.family.dsp
    length = min(dsp.cascade, spec.inputs)
    assert length <= cascade_bound(dsp)
    cascades = spec.inputs // length
    low, high = LEAST_PRODUCT * length, MOST_PRODUCT * length
    widths = (dsp.field_bits,) * 3 + (signed_bits(low, high),)
    trees = []
    for f in range(4):
        exact = f == 3
        operands = [
            Operand(f"f{f}_{c}", widths[f], low - (not exact), high - (not exact),
                    stage=length + 3, flip_top=not exact)
            for c in range(cascades)
        ]  # fmt: skip
        carries = [] if exact else [Carry("1'b1", constant=True)] * cascades
        trees.append(sum_tree(f"s{f}_", operands, carries, spec.accumulator_bits))
    bits = max(tree.width for tree in trees)
    outputs = [
        tree.result if tree.width == bits
        else f"{{ {{{bits - tree.width}{{{tree.result}[{tree.width - 1}]}}}}, {tree.result} }}"
        for tree in trees
    ]  # fmt: skip
    view = _view(
        spec, trees[0].stage, bits,
        dsp=dsp.name, cascades=cascades, length=length, field=dsp.field_bits,
        offset=cascade_offset(dsp), field_widths=widths, outputs=outputs,
        trees=[_tree_view(tree) for tree in trees],
    )  # fmt: skip
    files = {f"{spec.name}.sv": render("rtl/packed_slot.sv.j2", lane=view)}
    return files, trees[0].stage, bits
