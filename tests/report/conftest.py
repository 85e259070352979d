"""Reports with invented figures, for the tests of their rendering."""

from __future__ import annotations

import pytest

from rmsmp_hls.report.model import (
    Accuracy,
    Agreement,
    ArrayInfo,
    BoardInfo,
    Command,
    CsimRun,
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

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "\"'></title><img src=x onerror=alert(1)>",
    "a|b`c`\n# d\x1b[31m\u202e[/red][bold]",
    "block." * 1700,
    "$(touch x)];{{ 7 * 7 }}{% raw %}",
    "\udcff\x00",
)


def _layer(name: str, op: str, shape: tuple[int, ...], width: int, macs: int) -> LayerRow:
    fixed8 = max(1, width // 16)
    fixed4 = width // 3
    runs: list[tuple[str, int]] = []
    kinds = ["SP2-4"] * (width - fixed8 - fixed4) + ["Fixed-4"] * fixed4 + ["Fixed-8"] * fixed8
    for index in range(width):  # a fixed shuffle: 7 has no common factor with the widths
        kind = kinds[index * 7 % width]
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
    cycles = macs // 900 + 150
    return LayerRow(
        name=name,
        op=op,
        shape=shape,
        module=name,
        rows=RowCounts(width - fixed8 - fixed4, fixed4, fixed8),
        row_map=tuple(runs),
        macs=macs,
        weight_bytes=width * 72,
        modelled_iterations=cycles,
        csim_iterations=cycles,
        binds="compute" if macs > 100_000 else "weights",
        utilization=min(1.0, macs / cycles / 1024),
    )


@pytest.fixture
def sample_report() -> Report:
    """A whole report of an invented build."""
    layers = (
        LayerRow("x", "Load", (1, 8, 8), modelled_iterations=128, csim_iterations=128),
        _layer("stem.conv", "Conv 3×3", (16, 8, 8), 16, 9_216),
        _layer("block1.conv1", "Conv 3×3", (32, 8, 8), 32, 294_912),
        _layer("block1.conv2", "Conv 3×3", (32, 8, 8), 32, 589_824),
        LayerRow("block1.add", "Add", (32, 8, 8), modelled_iterations=513, csim_iterations=513),
        LayerRow("pool", "Average pool", (32, 1, 1), modelled_iterations=257, csim_iterations=257),
        _layer("fc", "Linear", (10,), 10, 320),
    )
    accuracies = (
        Accuracy("float", 352, 360, Origin.MEASURED),
        Accuracy("fake-quantized", 351, 360, Origin.MEASURED),
        Accuracy("integer reference", 351, 360, Origin.MEASURED),
        Accuracy("C simulation", 351, 360, Origin.SIMULATED),
    )
    return Report(
        version="0.1.0",
        model=ModelInfo("digits-resnet", "model.pt", "9f" * 32, (1, 8, 8), 14_282),
        board=BoardInfo("zcu102", "xczu9eg-ffvb1156-2-e", 200.0),
        quantization=QuantInfo("SP2-4", 4, (65.0, 30.0, 5.0)),
        array=ArrayInfo(
            (("shift_add_lanes", 20), ("fixed4_lanes", 10), ("fixed8_lanes", 2),
             ("channels", 16), ("pixels", 2), ("dsp", "DSP48E2")), 1024, 65_536,
        ),
        layers=layers,
        accuracies=accuracies,
        csim=(
            CsimRun("native", 360, 2_764_800, 0, "", 4.1, 321_937_920),
            CsimRun("ap_int", 360, 2_764_800, 0, "", 61.2, 321_937_920),
        ),
        resources=Resources(
            (ResourceUse("LUT", 151_220, 274_080), ResourceUse("FF", 98_400, 548_160),
             ResourceUse("DSP", 112, 2_520), ResourceUse("BRAM36", 140.5, 912),
             ResourceUse("URAM", 0, 0))
        ),
        performance=Performance(2_845, 0.014225, 70_298.8, 125.7, 0.31, 13_056, 0.000983),
        agreement=Agreement(360, 2_764_800, 41, 13, 0),
        quantization_cost=QuantizationCost(
            "images.npz", 64,
            (
                TensorFidelity("x", "Input", "8 bits", "", None, 1.0),
                TensorFidelity(
                    "stem.conv", "Conv2d", "4 bits", "10 SP2-4, 5 Fixed-4", 21.25, 0.99625
                ),
            ),
            TensorFidelity("fc", "Linear", "sums", "10 SP2-4", 18.5, 0.9925), 0.984375, True, 3,
            16, 17.1, 18.4,
        ),
        stages=(
            StageTime("import", 0.4, False), StageTime("quantize", 1.9, False),
            StageTime("lower", 0.3, False), StageTime("schedule", None, True),
            StageTime("generate", 0.2, False), StageTime("csim", 90.1, False),
        ),
        commands=(
            Command("Build again", "rmsmp-hls build model.pt --board zcu102"),
            Command("C simulation by hand", "make -C build/hls csim"),
        ),
        environment=(("Compiler", "g++ 12.2.0"), ("Python", "3.11.7")),
        notes=("The input is read at 8 bits.",),
        warnings=("Layer fc uses 3 % of the array.",),
    )  # fmt: skip


@pytest.fixture
def bare_report() -> Report:
    """A report in which nothing was measured, simulated or modelled."""
    return Report(
        version="0.1.0",
        model=ModelInfo("bare", "model.pt", "", (1, 8, 8)),
        board=BoardInfo(None, "xc7z020clg400-1", 100.0),
        quantization=QuantInfo("PoT-4", None, None),
        array=ArrayInfo((), 0),
        layers=(LayerRow("conv", "Conv", (4, 8, 8), rows=RowCounts(4, 0, 0)),),
        accuracies=(Accuracy("float", None, None, Origin.MEASURED),),
    )


@pytest.fixture
def hostile_report(sample_report: Report) -> Report:
    """The sample with names that attack HTML, Markdown, terminals and layouts."""
    from dataclasses import replace

    layers = tuple(
        replace(layer, name=HOSTILE_NAMES[i % len(HOSTILE_NAMES)], op=HOSTILE_NAMES[i % 5])
        for i, layer in enumerate(sample_report.layers)
    )
    return replace(
        sample_report,
        model=replace(sample_report.model, name=HOSTILE_NAMES[1], file=HOSTILE_NAMES[5]),
        board=replace(sample_report.board, name=HOSTILE_NAMES[0], part=HOSTILE_NAMES[3]),
        layers=layers,
        quantization_cost=replace(
            sample_report.quantization_cost,
            source=HOSTILE_NAMES[2],
            layers=tuple(TensorFidelity(n, n, n, n, None, 0.0) for n in HOSTILE_NAMES),
        ),
        csim=tuple(
            replace(r, mismatches=3, first_mismatch=HOSTILE_NAMES[2]) for r in sample_report.csim
        ),
        commands=tuple(Command(name, name) for name in HOSTILE_NAMES),
        environment=tuple((name, name) for name in HOSTILE_NAMES),
        notes=HOSTILE_NAMES,
        warnings=HOSTILE_NAMES,
    )
