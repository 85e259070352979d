"""The Report of a build, from the facts and artefacts that its stages left."""

from __future__ import annotations

import dataclasses
import itertools
import math
import shlex
from collections.abc import Mapping
from typing import Any

import rmsmp_hls
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.numerics.codebooks import Scheme, codebook, mix_formats
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.report.model import (
    Accuracy,
    Agreement,
    ArrayInfo,
    BoardInfo,
    Command,
    CsimRun,
    DramUse,
    LayerRow,
    ModelInfo,
    Performance,
    QuantInfo,
    Report,
    Resources,
    ResourceUse,
    RowCounts,
    StageTime,
)
from rmsmp_hls.report.origin import Origin
from rmsmp_hls.report.quantization_cost import QuantizationCost, TensorFidelity
from rmsmp_hls.stages.stage import StageContext

_KINDS: dict[type[IntOp], str] = {
    IntAdd: "Add", IntMultiply: "Multiply", IntTable: "Table", IntConcat: "Concatenation",
    IntSelect: "Selection", IntUpsample: "Upsampling",
}  # fmt: skip
_UNQUANTIZED = "trained weights, not quantized"


def compose(context: StageContext) -> Report:
    """Return the report; every figure carries its origin."""
    graph = load_graph(context.path("lower", "int.json"))
    design = load_design(context.path("schedule"))
    imported, quantized = context.facts("import"), context.facts("quantize")
    layers = _layers(context, graph)
    macs = sum(layer.macs for layer in layers)
    board = context.facts("schedule")["board"]
    clock_mhz = float(context.facts("schedule")["prediction"]["clock_mhz"])
    return Report(
        version=rmsmp_hls.__version__,
        model=ModelInfo(
            **imported["model"],
            input_shape=graph.input.shape,
            parameters=imported["parameters"],
        ),
        board=BoardInfo(board["name"], board["part"], clock_mhz),
        quantization=QuantInfo(
            codebook=quantized["codebook"],
            activation_bits=context.read_json("quantize", "params.json")["activation_bits"],
            ratio_asked=tuple(quantized["ratio"]),
            eight_bit_layers=tuple(quantized["eight_bit_layers"]),
        ),
        array=_array(design.array),
        layers=layers,
        accuracies=_accuracies(context),
        csim=_csim_runs(context, macs),
        resources=_resources(context),
        performance=_performance(context, macs),
        dram=_dram(design, layers),
        agreement=_agreement(context),
        quantization_cost=_quantization_cost(imported),
        stages=tuple(StageTime(n, r.seconds, False) for n, r in context.records.items()),
        commands=_commands(context),
        environment=(("C++ compiler", context.facts("csim")["compiler"]),),
        notes=_notes(context),
        warnings=tuple(imported["warnings"]),
    )


def _array(array: ArrayShape) -> ArrayInfo:
    fields = []
    for field in dataclasses.fields(array):
        value = getattr(array, field.name)
        fields.append((field.name, value if isinstance(value, (int, str)) else value.name))
    memory = array.banks * array.channels * array.activation_depth // 2
    return ArrayInfo(tuple(fields), array.macs_per_cycle, memory)


def _layers(context: StageContext, graph: IntGraph) -> tuple[LayerRow, ...]:
    predicted = {op["name"]: op for op in context.facts("schedule")["prediction"]["ops"]}
    counted: dict[str, int] = {}
    for name, simulated, _ in context.facts("csim")["iterations"]:
        counted[name] = counted.get(name, 0) + simulated
    rows = []
    titles = _titles(graph)
    for op in graph:
        row = LayerRow(
            name=titles[op.name],
            op=_kind(op),
            shape=op.shape,
            module=op.module,
            macs=predicted[op.name]["macs"],
            records=predicted[op.name]["records"],
            saved_iterations=predicted[op.name]["saved"],
            restored_iterations=predicted[op.name]["restored"],
            modelled_iterations=predicted[op.name]["iterations"],
            csim_iterations=counted.get(op.name, 0),  # what has no record takes none
            binds=predicted[op.name]["binds"],
        )
        if isinstance(op, IntMatmul):
            row = dataclasses.replace(
                row,
                rows=_row_counts(op),
                row_map=tuple((n, len(list(g))) for n, g in itertools.groupby(op.formats)),
                weight_bytes=predicted[op.name]["weight_bytes"],
                utilization=predicted[op.name]["utilization"],
            )
        rows.append(row)
    return tuple(rows)


def _titles(graph: IntGraph) -> dict[str, str]:
    """Return tensor -> what the user calls it: weighted layers by their own module's path, where
    no two operations share it; the tensor is named by the last module of the chain."""
    taken = {op.name for op in graph}
    titles: dict[str, str] = {}
    for op in graph:
        own = op.module if isinstance(op, IntMatmul) and op.module else op.name
        free = own == op.name or own not in taken
        titles[op.name] = own if free else op.name
        taken.add(titles[op.name])
    return titles


def _kind(op: IntOp) -> str:
    if isinstance(op, IntInput):
        return "Input"
    if type(op) in _KINDS:
        return _KINDS[type(op)]
    assert isinstance(op, (IntMatmul, IntMaxPool, IntSumPool))
    size = "x".join(map(str, op.window.kernel))
    if isinstance(op, IntMatmul):
        return "Linear" if op.shape[1:] == (1, 1) and size == "1x1" else f"Conv {size}"
    if isinstance(op, IntMaxPool):
        return f"Max pool {size}"
    return "Requantize" if size == "1x1" else f"Average pool {size}"


def _row_counts(op: IntMatmul) -> RowCounts:
    books = [codebook(name) for name in op.formats]
    shift_add = sum(book.scheme is Scheme.SHIFT_ADD for book in books)
    eight = sum(book.scheme is Scheme.FIXED and book.bits == 8 for book in books)
    return RowCounts(shift_add, len(books) - shift_add - eight, eight)


def _accuracies(context: StageContext) -> tuple[Accuracy, ...]:
    images = context.facts("import")["images"]
    quantized, measured = context.facts("quantize"), Origin.MEASURED
    found = [
        (_UNQUANTIZED, quantized.get("float_correct"), measured),
        ("fake-quantized", quantized.get("fake_quantized_correct"), measured),
        ("integer", context.facts("lower").get("integer_correct"), measured),
        ("csim", context.facts("csim").get("csim_correct"), Origin.SIMULATED),
    ]
    recorded = _recorded_correct(context)
    if recorded is not None:
        found.insert(0, ("float", recorded, measured))
    return tuple(Accuracy(name, right, images, origin) for name, right, origin in found)


def _recorded_correct(context: StageContext) -> int | None:
    """Return the float network's right answers as the training noted them.

    None unless the build looks at the very images that the training measured with.
    """
    imported = context.facts("import")
    noted = imported["meta"].get("float_accuracy")
    if not (imported["own_data"] and isinstance(noted, (int, float)) and math.isfinite(noted)):
        return None
    return round(noted * imported["images"]) if 0 <= noted <= 1 else None


def _csim_runs(context: StageContext, macs: int) -> tuple[CsimRun, ...]:
    return tuple(
        CsimRun(
            storage=run["storage"],
            images=run["images"],
            compared=run["compared"],
            mismatches=run["mismatches"],
            seconds=run["seconds"],
            macs=macs * run["images"],
        )
        for run in context.facts("csim")["runs"]
    )


def _resources(context: StageContext) -> Resources:
    cost, board = context.facts("schedule")["cost"], context.facts("schedule")["board"]
    names = (("LUT", "lut"), ("FF", "ff"), ("DSP", "dsp"), ("BRAM36", "bram36"))
    return Resources(tuple(ResourceUse(name, cost[key], board[key]) for name, key in names))


def _performance(context: StageContext, macs: int) -> Performance:
    schedule = context.facts("schedule")
    prediction, simulated = schedule["prediction"], schedule["simulated_cycles"]
    latency_ms = float(prediction["latency_ms"])
    return Performance(
        cycles_per_image=prediction["iterations"] + prediction["overhead_cycles"],
        latency_ms=latency_ms,
        frames_per_second=1e3 / latency_ms,
        gop_per_second=2 * macs / latency_ms / 1e6,
        utilization=prediction["utilization"],
        ddr_bytes=prediction["ddr_bytes"],
        ddr_ms=float(prediction["ddr_ms"]),
        simulated_first=simulated["first_image"],
        simulated_cycles=simulated["steady_image"],
    )


def _dram(design: PackedDesign, layers: tuple[LayerRow, ...]) -> DramUse | None:
    word = design.array.weight_word_bits // 8
    moved = sum(layer.saved_iterations + layer.restored_iterations for layer in layers)
    return DramUse(design.spill_words * word, moved * word) if moved else None


def _agreement(context: StageContext) -> Agreement:
    found: dict[str, Any] = context.facts("lower")["agreement"]
    return Agreement(
        images=context.facts("import")["images"],
        codes_compared=found["codes_compared"],
        codes_differ=found["codes_differ"],
        codes_differ_alone=found["codes_differ_alone"],
        top1_changed=found["top1_changed"],
    )


def _quantization_cost(imported: Mapping[str, Any]) -> QuantizationCost | None:
    found = imported.get("quantization")
    if found is None:
        return None
    layers = tuple(TensorFidelity(**item) for item in found["layers"])
    output = TensorFidelity(**found["output"])
    return QuantizationCost(**{**found, "layers": layers, "output": output})


def _commands(context: StageContext) -> tuple[Command, ...]:
    hls = context.folders["generate"]
    words: dict[str, list[str]] = {}
    for stage in ("schedule", *(name for name in context.records if name != "schedule")):
        words |= context.facts(stage)["options"]  # the board first
    build = ["rmsmp-hls", "build", context.facts("import")["model"]["file"]]
    build += itertools.chain.from_iterable(words.values())
    return (
        Command("the whole build", shlex.join(build)),
        Command("C simulation by hand", f"make -C {hls} csim"),
        Command("C synthesis with Vitis HLS", f"cd {hls} && vitis_hls -f csynth.tcl"),
        Command("look at the packed design", f"rmsmp-hls inspect {context.folders['schedule']}"),
    )


def _images(number: int, origin: str) -> str:
    """Return `1 random image (..)`, `3 random images (..)`."""
    return f"{number} {origin if number != 1 else origin.replace('images', 'image', 1)}"


def _notes(context: StageContext) -> tuple[str, ...]:
    imported = context.facts("import")
    notes = [
        f"Checked with {_images(imported['images'], imported['data_origin'])}.",
        "No vendor tool has run: resources and speed are modelled by the formulas of "
        "docs/hardware.md and the unit costs of rmsmp_hls/hw/cost.py.",
    ]
    if _recorded_correct(context) is not None:
        notes.append(
            f"The accuracy 'float' is that of the float network before it was quantized, as the "
            f"training recorded it; {_UNQUANTIZED!r} was measured by this build."
        )
    if imported.get("quantization"):
        notes.append(
            "The network was quantized without training: its figures are those of the calibration "
            f"images. The form {_UNQUANTIZED!r} has the biases that were corrected for "
            "quantization, if they were."
        )
    formats = mix_formats(context.facts("quantize")["codebook"])[:2]
    stored = [codebook(name).array_format for name in formats]
    if stored != list(formats):
        notes.append(
            f"Rows of {' and '.join(formats)} are stored and counted as {' and '.join(stored)}, "
            "which have the same integers: the array has no narrower rows."
        )
    if context.facts("quantize")["reassigned"]:
        notes.append(
            "Rows were assigned again for the asked ratio or codebook, without training: the "
            "accuracy of the trained assignment does not apply."
        )
    if context.facts("quantize")["restricted"]:
        notes.append(
            "Multipliers were restricted as asked, without training: the accuracy of the trained "
            "ones does not apply."
        )
    return tuple(notes)
