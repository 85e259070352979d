"""Frozen views: what templates see, already worded for C++ and Tcl."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.codegen.settings import ProjectSettings
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.memory import FIFO_DEPTHS, PORT_BURSTS, PortBursts
from rmsmp_hls.numerics.codebooks import Codebook, codebook

# Width of the DSP's wide multiplier port, bits. Source: UG479 (DSP48E1), UG579 (DSP48E2).
_WIDE_PORT_BITS = {DspFamily.DSP48E1: 25, DspFamily.DSP48E2: 27}

# Cycles that the tool assumes a memory to answer in; it sizes pipelines only.
_LATENCY = 32
_TYPES = {
    "weights": "WeightWord", "params": "ParamWord", "input": "InputWord", "spill": "WeightWord",
}  # fmt: skip
_WRITTEN = ("output", "spill")


@dataclass(frozen=True, slots=True)
class ProjectView:
    """The values of project.tcl, as text."""

    top: str
    part: str
    clock_period_ns: str
    clock_uncertainty_ns: str
    m_axi_addr64: str


def project_view(settings: ProjectSettings) -> ProjectView:
    """Return the words of project.tcl; the uncertainty becomes ns, which every tool takes."""
    uncertainty_ns = settings.clock_period_ns * settings.clock_uncertainty
    return ProjectView(
        top=settings.top,
        part=settings.part,
        clock_period_ns=_decimal(settings.clock_period_ns),
        clock_uncertainty_ns=_decimal(uncertainty_ns),
        m_axi_addr64="true" if settings.m_axi_addr64 else "false",
    )


def _decimal(value: float) -> str:
    """Return a number with at most 4 decimals and at least one, never an exponent."""
    text = f"{value:.4f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


@dataclass(frozen=True, slots=True)
class Constant:
    """A named number; `name` without the leading k, `value` as C++ writes it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ArrayView:
    """The values of config.hpp, grouped as its enumerations."""

    codebook: str
    magnitudes: str
    dsp: str
    storage: tuple[Constant, ...]
    weight_ports: str
    shape: tuple[Constant, ...]
    packing: tuple[Constant, ...]
    terms: tuple[Constant, ...]
    streams: tuple[Constant, ...]


def array_view(array: ArrayShape) -> ArrayView:
    """Return the constants of one array."""
    book = codebook(array.shift_add_codebook)
    shape = (
        ("ShiftAddLanes", array.shift_add_lanes),
        ("Fixed4Lanes", array.fixed4_lanes),
        ("Fixed8Lanes", array.fixed8_lanes),
        ("Channels", array.channels),
        ("Pixels", array.pixels),
        ("Banks", array.banks),
        ("DrainRows", array.drain_rows),
        ("VectorLanes", array.vector_lanes),
        ("TileGroups", array.tile_groups),
        ("ActivationDepth", array.activation_depth),
        ("WeightWordBits", array.weight_word_bits),
        ("AccBits", array.acc_bits),
        ("MinStep", array.min_step),
        ("MultiplierTerms", array.multiplier_terms),
        ("WindowTaps", array.window_taps),
        ("WeightPorts", array.weight_ports),
    )
    storage = (
        ("RMSMP_ACTIVATIONS_IN_LUTRAM", array.activations_in_lutram),
        ("RMSMP_PARTIAL_SUMS_IN_LUTRAM", array.partial_sums_in_lutram),
    )
    packing = (
        ("DspFieldBits", array.dsp.field_bits),
        ("DspCascade", array.dsp.cascade),
        ("DspOffset", array.dsp.offset),
        ("DspPortBits", _WIDE_PORT_BITS[array.dsp]),
    )
    terms = (
        *_term(book, 0),
        *_term(book, 1),
        Constant("MaxMagnitude", str(book.max_magnitude)),
    )
    return ArrayView(
        codebook=book.name,
        magnitudes=", ".join(map(str, book.magnitudes)),
        dsp=array.dsp.name,
        storage=tuple(Constant(name, str(int(value))) for name, value in storage),
        weight_ports=str(array.weight_ports),
        shape=tuple(Constant(name, str(value)) for name, value in shape),
        packing=tuple(Constant(name, str(value)) for name, value in packing),
        terms=terms,
        streams=tuple(
            Constant(f"StreamDepth{name.capitalize()}", str(depth)) for name, depth in FIFO_DEPTHS
        ),
    )


def _term(book: Codebook, number: int) -> tuple[Constant, ...]:
    """Return the constants of one of the two terms of a shift-add codebook.

    `Used` has a bit and `Shifts` a hexadecimal digit per magnitude index; the shifter moves by
    `Base` plus a number of `Bits` bits.
    """
    shifts = {index: terms[number] for index, terms in enumerate(book.terms) if len(terms) > number}
    used = sum(1 << index for index in shifts)
    digits = sum(shift << (4 * index) for index, shift in shifts.items())
    base = min(shifts.values(), default=0)
    span = max(shifts.values(), default=0) - base
    prefix = f"Term{number + 1}"
    return (
        Constant(f"{prefix}Used", f"0x{used:02x}"),
        Constant(f"{prefix}Shifts", f"0x{digits:08x}"),
        Constant(f"{prefix}Base", str(base)),
        Constant(f"{prefix}Bits", str(span.bit_length())),
    )


@dataclass(frozen=True, slots=True)
class PortView:
    """One memory port of the top function.

    Attributes:
        name: of the argument.
        declaration: the argument's type and name.
        bundle: AXI bundle; every port has its own, so that bursts never share a channel.
        bursts: the interface's burst settings.
        depth: elements that one image needs, for co-simulation only.
    """

    name: str
    declaration: str
    bundle: str
    bursts: str
    depth: str


@dataclass(frozen=True, slots=True)
class TopView:
    """The values of top.hpp and top.cpp; a depth for all ports of a kind."""

    name: str
    depths: tuple[Constant, ...]
    ports: tuple[PortView, ...]


def _bursts(port: PortBursts) -> str:
    """Return the burst settings of a port's interface."""
    words = [f"latency = {_LATENCY}"]
    for direction, outstanding in (("read", port.reads), ("write", port.writes)):
        if outstanding:
            words.append(f"num_{direction}_outstanding = {outstanding}")
            words.append(f"max_{direction}_burst_length = {port.burst_words}")
    return " ".join(words)


def top_view(name: str, depths: dict[str, int], weight_ports: int) -> TopView:
    """Return the top function's words.

    Args:
        name: of the function.
        depths: elements of each port of the kinds program, weights, params, input, output and
            spill, in this order.
        weight_ports: ports of the kind weights; they are numbered, the others are alone.
    """
    ports = tuple(
        PortView(
            name=port,
            declaration=(
                ("" if kind in _WRITTEN else "const ")
                + f"RmsmpUnits::{_TYPES.get(kind, 'Word32')}* {port}"
            ),
            bundle=f"gmem_{port}",
            bursts=_bursts(PORT_BURSTS[kind]),
            depth=str(depth),
        )
        for kind, depth in depths.items()
        for port in (
            [f"weights{number}" for number in range(weight_ports)] if kind == "weights" else [kind]
        )
    )
    constants = tuple(
        Constant(f"Rmsmp{kind.removesuffix('s').capitalize()}Depth", str(depth))
        for kind, depth in depths.items()
    )
    return TopView(name, constants, ports)
