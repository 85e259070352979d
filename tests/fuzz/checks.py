"""One case through all implementations: what must be equal is equal, or `Failure` says where.

module = FloatGraph; training model = integers up to roundings; integer reference = emulator of
the packed design = C++, element by element of every tensor, trace and deployed program, with the
iterations of the cycle formula. What the toolchain refuses, it must refuse with what and fix.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from rmsmp_hls import errors, reference
from rmsmp_hls.codegen.project import vector_files
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.ir.graph import FloatGraph, IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.pack.design import PROGRAM, TRACE, PackedDesign
from rmsmp_hls.pack.emulate import Emulator
from rmsmp_hls.pack.expected import output_words
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.program import MatmulFlags, MoveFlags, Opcode, VectorFlags, decode_program
from rmsmp_hls.pack.transfer import argmax_key, input_words, read_outputs
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.schedule import Schedule, make_schedule
from rmsmp_hls.toolchain.csim_result import explain_mismatches
from rmsmp_hls.toolchain.gxx import Storage
from rmsmp_hls.train.evaluate import evaluate
from tests.fuzz import side_checks
from tests.fuzz.agreement import disagreements
from tests.fuzz.case import Case
from tests.fuzz.layers import RandomNetwork
from tests.fuzz.quantization import plan_of, random_params, run_float
from tests.fuzz.simulator import Simulator

Codes = np.ndarray
T = TypeVar("T")
REFUSALS = (
    errors.ModelImportError, errors.QuantizationError, errors.LoweringError, errors.ResourceError,
)  # fmt: skip
_FLOAT_IMAGES = 4
_ASIDE_EVERY = 6  # cases of which files and the prepared model are checked too


class Failure(AssertionError):
    """Two implementations differ, or one of them broke; `stage` says which."""

    def __init__(self, stage: str, what: str) -> None:
        super().__init__(stage, what)
        self.stage, self.what = stage, what

    def __str__(self) -> str:
        return f"{self.stage}: {self.what}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The toolchain refused the network in `stage`, with a proper message."""

    stage: str
    what: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything agreed.

    Attributes:
        elements: compared with the C++.
        emulated: whether the emulator ran too.
        records: the kinds of operations of the deployed program.
    """

    elements: int
    emulated: bool
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is checked.

    Attributes:
        simulator: None leaves out the C++.
        storage: of the C++.
        emulated: most work, in visits of a pixel group or tap, for the slow emulator.
    """

    simulator: Simulator | None
    storage: Storage = Storage.NATIVE
    emulated: int = 6000


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.what)
        self.refusal = refusal


def check(case: Case, effort: Effort) -> Passed | Refusal:
    """Run the whole pipeline.

    Raises:
        Failure: implementations differ, or one raises what is no proper refusal.
    """
    try:
        return _check(case, effort)
    except _Refused as refused:
        return refused.refusal


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Sort what is raised inside into refusals and failures."""
    try:
        yield
    except (Failure, _Refused):
        raise
    except REFUSALS as error:
        _require_advice(name, error)
        raise _Refused(Refusal(name, error.findings[0].what)) from error
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        raise Failure(name, f"{type(error).__name__} at {place}: {error}") from error


def _require_advice(stage: str, error: errors.RmsmpError) -> None:
    """Fail if the refusal does not say what is wrong and what to do."""
    for finding in error.findings:
        if not finding.what or not finding.fix:
            raise Failure(stage, f"a refusal without what or fix: {finding!r}") from error


def _check(case: Case, effort: Effort) -> Passed:
    module = RandomNetwork(case.network)
    rng = np.random.default_rng(case.seed)
    x = torch.from_numpy(rng.normal(0, 2, (_FLOAT_IMAGES, *case.network.shape)).astype(np.float32))
    x[0] *= 10.0
    with _stage("import"):
        graph = trace(module, x).graph
        verify(graph, "import")
    with _stage("placement"):
        plan_of(graph, case.quantization)
    with _stage("float"):
        _compare_float(module, graph, case, x)
    aside = case.seed % _ASIDE_EVERY == 0
    if aside:
        with _stage("exported file"):
            _require(side_checks.exported_file(module, x, graph), "exported file")
        with _stage("prepared model"):
            _require(side_checks.prepared_model(module, case.quantization, x), "prepared model")
    with _stage("quantize"):
        params = random_params(graph, case.quantization, x)
        quantized = quantize(graph, params)
        verify(quantized, "quantize")
    with _stage("lower"):
        integer = lower(quantized)
        verify(integer, "lower")
    codes = _random_codes(integer, case.images, rng)
    with _stage("reference"):
        expected = reference.run(integer, codes)
        if integer.argmax:
            top = reference.argmax(integer, expected[integer.output])
            expected[argmax_key(integer.output)] = top
    with _stage("training model"):
        _compare_training(graph, params, integer, codes)
    with _stage("schedule"):
        full = _array(case, integer)
        used = _used(case, integer, full)
        schedule = _schedule(integer, used, case.depth)
    with _stage("pack"):
        design = pack(integer, schedule)
    if aside:
        with _stage("artefacts"):
            graphs = [graph, quantized, integer]
            _require(side_checks.saved_artefacts(graphs, params, design), "artefacts")
    with _stage("emulator"):
        emulated = _work(design, used) * case.images <= effort.emulated
        if emulated:
            _compare_emulator(design, integer, codes, expected)
    elements = 0
    if effort.simulator is not None:
        with _stage(f"csim {effort.storage.value}"):
            elements = _compare_csim(effort, design, full, codes, expected, case.images)
    return Passed(elements, emulated, _records(design))


def _require(findings: list[str], stage: str) -> None:
    if findings:
        raise Failure(stage, "; ".join(findings[:3]))


def _compare_float(module: RandomNetwork, graph: FloatGraph, case: Case, x: torch.Tensor) -> None:
    """FloatGraph computes what the module computes, in float64."""
    got = run_float(graph, plan_of(graph, case.quantization), x)[0]
    with torch.no_grad():
        wanted = module.double()(x.double())
        module.float()
    if got.shape != wanted.shape:
        raise Failure("float", f"the graph makes {tuple(got.shape)}, torch {tuple(wanted.shape)}")
    error = float((got - wanted).abs().max())
    if not error <= 1e-6 * (1.0 + float(wanted.abs().max())):
        raise Failure("float", f"the graph differs from torch by {error:.3g}")


def _random_codes(graph: IntGraph, images: int, rng: np.random.Generator) -> Codes:
    """Return input codes [N, C, H, W]: uniform, small, or extreme; the extremes included."""
    form = graph.input.output
    assert form is not None
    shape = (images, *graph.input.shape)
    codes = rng.integers(form.low, form.high + 1, shape)
    if rng.random() < 0.3:
        codes = np.where(rng.random(shape) < 0.5, form.low, form.high)
    elif rng.random() < 0.2:
        codes = codes // 8
    codes.reshape(-1)[:1] = form.high
    codes.reshape(-1)[-1:] = form.low
    return codes.astype(np.int64)


def _compare_training(
    graph: FloatGraph, params: QuantParams, integer: IntGraph, codes: Codes
) -> None:
    """The training model gives the integers' codes, up to roundings."""
    form = integer.input.output
    assert form is not None
    inputs = (codes * form.scale).reshape(len(codes), *graph.input.shape)
    trained = evaluate(graph, params, inputs.astype(np.float32)).codes
    first = np.asarray(trained[integer.input.name]).reshape(codes.shape)
    if (first != codes).any():
        raise Failure("training model", "does not quantize the input as the host does")
    _require(disagreements(integer, trained), "training model")


def _array(case: Case, graph: IntGraph) -> ArrayShape:
    if not case.board:
        return case.array
    terms = case.quantization.terms
    return choose_array(graph, load_board(case.board), multiplier_terms=terms)


def _used(case: Case, graph: IntGraph, full: ArrayShape) -> ArrayShape:
    """Return what the schedule may use of the array: as narrow accumulators as possible."""
    acc_bits = max([8, *(op.acc_bits for op in graph if isinstance(op, IntMatmul))])
    groups = min(case.tile_groups or full.tile_groups, full.tile_groups)
    return replace(full, acc_bits=min(acc_bits, full.acc_bits), tile_groups=groups)


def _work(design: PackedDesign, array: ArrayShape) -> int:
    """Return about how many steps the emulator takes per image."""
    return sum(count for _, _, count in design.program(TRACE).iterations)


def _records(design: PackedDesign) -> tuple[str, ...]:
    """Return opcode and flags of every operation of the deployed program."""
    kinds = []
    for record in decode_program(design.blob(PROGRAM), PROGRAM).records:
        words = [record.opcode.name]
        flags = {Opcode.MATMUL: MatmulFlags, Opcode.VECTOR: VectorFlags}
        flag = flags.get(record.opcode, MoveFlags)(record.fields.get("flags", 0))
        words += [f.name.lower() for f in type(flag) if f in flag and f.name]
        if record.opcode is Opcode.MATMUL and record["group_stride"]:
            words.append("grouped")
        if record.opcode is Opcode.MATMUL and record["pixel_tiles"] > 1:
            words.append("tiled")
        kinds.append(" ".join(words))
    return tuple(kinds)


def _schedule(graph: IntGraph, array: ArrayShape, percent: int) -> Schedule:
    """Return a schedule that has `percent` of the memory that it would take, if that does."""
    schedule = make_schedule(graph, array)
    if not percent:
        return schedule
    for depth in (schedule.depth * percent // 100, schedule.depth * (100 + percent) // 200):
        try:
            return make_schedule(graph, replace(array, activation_depth=max(1, depth)))
        except errors.ResourceError as error:
            _require_advice("schedule", error)
    return schedule


def _compare_emulator(
    design: PackedDesign, graph: IntGraph, codes: Codes, expected: dict[str, Codes]
) -> None:
    for program in (TRACE, PROGRAM):
        words, iterations = Emulator(design, program, seed=1).run(input_words(design, codes))
        spec = design.program(program)
        predicted = tuple(count for _, _, count in spec.iterations)
        if predicted != iterations:
            raise Failure("emulator", f"{program}: iterations {iterations}, not {predicted}")
        found = read_outputs(design, program, words)
        for name, tensor in found.items():
            if not np.array_equal(tensor, expected[name]):
                count = int((tensor != expected[name]).sum())
                raise Failure("emulator", f"{program}: {name}: {count} of {tensor.size} differ")
        if graph.output not in found:
            raise Failure("emulator", f"{program} does not give the result {graph.output}")


def _compare_csim(
    effort: Effort,
    design: PackedDesign,
    array: ArrayShape,
    codes: Codes,
    expected: dict[str, Codes],
    images: int,
) -> int:
    """Return the number of elements compared."""
    assert effort.simulator is not None
    stage = f"csim {effort.storage.value}"
    vectors = vector_files(
        design, input_words(design, codes), output_words(design, TRACE, expected)
    )
    result = effort.simulator.run(design, array, vectors, effort.storage, batch=images)
    if not result.exact:
        raise Failure(stage, explain_mismatches(result, design).what)
    if not result.iterations_as_predicted:
        wrong = [
            i for i in (*result.iterations, *result.trace_iterations) if i.simulated != i.predicted
        ]
        raise Failure(stage, f"iterations differ: {wrong[0]}")
    return result.element_count
