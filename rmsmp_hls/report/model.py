"""The report of one build: figures with their units in the names and their origin beside them.

A figure that nobody has is None, shown as "not measured" or a dash, never as a number.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.report.origin import Origin
from rmsmp_hls.report.quantization_cost import QuantizationCost


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The network.

    Attributes:
        name: shown in the title.
        file: the checkpoint's file name.
        sha256: digest of the file, hexadecimal.
        input_shape: (C, H, W) of one image.
        parameters: weights and biases, None if unknown.
    """

    name: str
    file: str
    sha256: str
    input_shape: tuple[int, ...]
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """The target; `name` is None where only a part was given."""

    name: str | None
    part: str
    clock_mhz: float


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of each kind: shift-add (SP2-4, PoT-4 or APoT-4), Fixed-4, Fixed-8."""

    shift_add: int = 0
    fixed4: int = 0
    fixed8: int = 0

    @property
    def total(self) -> int:
        """All rows."""
        return self.shift_add + self.fixed4 + self.fixed8

    @property
    def percents(self) -> tuple[float, float, float]:
        """Shares in percent, summing to 100; zeros if there is no row."""
        total = self.total or 1
        return (
            100 * self.shift_add / total,
            100 * self.fixed4 / total,
            100 * self.fixed8 / total,
        )

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.shift_add + other.shift_add,
            self.fixed4 + other.fixed4,
            self.fixed8 + other.fixed8,
        )


@dataclass(frozen=True, slots=True)
class QuantInfo:
    """How the network is quantized.

    Attributes:
        codebook: of the shift-add rows.
        activation_bits: of ordinary activations.
        ratio_asked: shift-add : fixed-4 : fixed-8 as written, None if the checkpoint decided
            row by row.
        eight_bit_layers: first and last layers, if they were to be Fixed-8 whatever the ratio.
    """

    codebook: str
    activation_bits: int | None
    ratio_asked: tuple[float, float, float] | None
    eight_bit_layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """The chosen array; meaning of every field: docs/hardware.md.

    Attributes:
        fields: (name, value) of every field of `ArrayShape`, in its order.
        macs_per_cycle: multiply-accumulates that the array can start per cycle.
        on_chip_bytes: activation memory, None if not computed.
    """

    fields: tuple[tuple[str, int | str], ...]
    macs_per_cycle: int
    on_chip_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Right answers of one form of the network; None where there were no labels."""

    stage: str
    correct: int | None
    total: int | None
    origin: Origin

    @property
    def percent(self) -> float | None:
        """Right answers in percent."""
        if self.correct is None or not self.total:
            return None
        return 100 * self.correct / self.total


@dataclass(frozen=True, slots=True)
class CsimRun:
    """One C simulation of the generated project against the integer reference.

    Attributes:
        storage: storage type, "native" or "ap_int".
        images: images simulated.
        compared: elements compared, of every layer and every image.
        mismatches: elements that differ.
        first_mismatch: layer, position, expected and got of the first, or "".
        seconds: run time of the simulation, compiling not included.
        macs: multiply-accumulates simulated.
    """

    storage: str
    images: int
    compared: int
    mismatches: int
    first_mismatch: str = ""
    seconds: float | None = None
    macs: int | None = None
    origin: Origin = Origin.SIMULATED

    @property
    def exact(self) -> bool:
        """True if something was compared and nothing differs."""
        return self.compared > 0 and self.mismatches == 0

    @property
    def images_per_second(self) -> float | None:
        """Images per second of host time."""
        return self.images / self.seconds if self.seconds else None

    @property
    def macs_per_second(self) -> float | None:
        """Multiply-accumulates per second of host time."""
        return self.macs / self.seconds if self.seconds and self.macs is not None else None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One operation of the program; per-image figures.

    Attributes:
        name: tensor name; `module` is its path in the torch model.
        op: e.g. "Conv 3x3", "Add", "Max pool 2x2".
        shape: (C, H, W) of the output.
        rows: rows of each format; None for operations without weights.
        row_map: (format name, count) runs, in the order of the output channels.
        macs: multiply-accumulates.
        weight_bytes: packed weights, padding of the tiles included.
        records: of the program that belong to it; several where it runs in strips.
        modelled_iterations: loop iterations by the cycle formula of docs/hardware.md.
        saved_iterations, restored_iterations: those of them that move lines to DRAM and back.
        csim_iterations: iterations that the C simulation counted.
        binds: what sets the time: "compute", "weights", "parameters", "drain", ...
        utilization: share of the array's multiply-accumulate slots that do work, 0..1.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    module: str = ""
    rows: RowCounts | None = None
    row_map: tuple[tuple[str, int], ...] = ()
    macs: int = 0
    weight_bytes: int = 0
    records: int = 1
    saved_iterations: int = 0
    restored_iterations: int = 0
    modelled_iterations: int | None = None
    csim_iterations: int | None = None
    binds: str = ""
    utilization: float | None = None


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """One kind of resource: "LUT", "FF", "DSP", "BRAM36" (36 Kb blocks), "URAM"."""

    name: str
    used: float | None
    available: float | None

    @property
    def percent(self) -> float | None:
        """Use in percent of the board; None if either figure is missing."""
        if self.used is None or not self.available:
            return None
        return 100 * self.used / self.available


@dataclass(frozen=True, slots=True)
class Resources:
    """What the design takes of the board."""

    uses: tuple[ResourceUse, ...]
    origin: Origin = Origin.MODELLED


@dataclass(frozen=True, slots=True)
class Performance:
    """Speed of one image after the other; weights are read anew for every image.

    Attributes:
        cycles_per_image: clock cycles, None if not modelled.
        latency_ms: of one image.
        frames_per_second: images per second.
        gop_per_second: 1e9 operations per second, two per multiply-accumulate.
        utilization: share of the array's slots that do work over the whole network, 0..1.
        ddr_bytes: moved between DDR and the array for one image: weights, as often as strips and
            pixel tiles read them, parameters, input, output, and tensors that do not fit on chip.
        ddr_ms: what the DDR takes for them.
        simulated_first: cycles of the first image from the start, by the cycle simulator.
        simulated_cycles: cycles from one image to the next, by the cycle simulator.
    """

    cycles_per_image: int | None
    latency_ms: float | None
    frames_per_second: float | None
    gop_per_second: float | None
    utilization: float | None = None
    ddr_bytes: int | None = None
    ddr_ms: float | None = None
    simulated_first: int | None = None
    simulated_cycles: int | None = None
    origin: Origin = Origin.MODELLED


@dataclass(frozen=True, slots=True)
class DramUse:
    """Tensors that do not fit the activation memory and lie in DRAM.

    Attributes:
        held_bytes: room that they take there.
        moved_bytes: there and back, per image.
    """

    held_bytes: int
    moved_bytes: int
    origin: Origin = Origin.MODELLED


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the training model (evaluation mode) and the integer model agree.

    The multiplier has 18 bits, so a float near a tie may round the other way.

    Attributes:
        images: images compared.
        codes_compared, codes_differ: activation codes of all layers, end to end.
        codes_differ_alone: codes that an operation makes different of the same input codes:
            roundings near a tie. The others follow from those.
        top1_changed: images whose top-1 differs; None for a network that is no classifier.
    """

    images: int
    codes_compared: int
    codes_differ: int
    codes_differ_alone: int
    top1_changed: int | None
    origin: Origin = Origin.MEASURED


@dataclass(frozen=True, slots=True)
class StageTime:
    """Time of one stage; None seconds if it was cached."""

    name: str
    seconds: float | None
    cached: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command that repeats one step by hand."""

    purpose: str
    command: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one build found out.

    Attributes:
        layers: in the order of the program.
        accuracies: float, fake-quantized, integer, csim; missing ones are not listed.
        dram: None if all tensors stay in the activation memory.
        csim: one entry per storage type; empty if the C simulation was not run.
        quantization_cost: None if the model came quantized.
        environment: (what, version) of what the measured figures depend on.
        notes, warnings: sentences.
    """

    version: str
    model: ModelInfo
    board: BoardInfo
    quantization: QuantInfo
    array: ArrayInfo
    layers: tuple[LayerRow, ...]
    accuracies: tuple[Accuracy, ...] = ()
    csim: tuple[CsimRun, ...] = ()
    resources: Resources | None = None
    performance: Performance | None = None
    dram: DramUse | None = None
    agreement: Agreement | None = None
    quantization_cost: QuantizationCost | None = None
    stages: tuple[StageTime, ...] = ()
    stages_origin: Origin = Origin.MEASURED
    layers_origin: Origin = Origin.MODELLED
    commands: tuple[Command, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> RowCounts:
        """Realized rows of the whole network."""
        return sum((layer.rows for layer in self.layers if layer.rows), RowCounts())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Packed weights of all layers."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def exact(self) -> bool | None:
        """Whether every C simulation was bit-exact; None if none compared anything."""
        if any(run.mismatches for run in self.csim):
            return False
        return True if self.csim and all(run.exact for run in self.csim) else None
