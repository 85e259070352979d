"""What a report says, section by section, before it becomes text, Markdown or HTML."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.report import tables, words
from rmsmp_hls.report.model import Agreement, CsimRun, Report
from rmsmp_hls.report.origin import Origin
from rmsmp_hls.report.quantization import fidelity_table, quantization_sentences
from rmsmp_hls.report.tables import Table


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        key: stable name, also the anchor in HTML.
        title: its heading.
        origins: where its figures come from; empty for settings.
        sentences: said above the table.
        table: None if there is nothing to tabulate.
    """

    key: str
    title: str
    origins: tuple[Origin, ...] = ()
    sentences: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to the first question: does the generated C++ compute the right integers?

    Attributes:
        state: "exact", "differs" or "unknown".
        headline: one short sentence.
        detail: the figures behind it.
    """

    state: str
    headline: str
    detail: str


def verdict(report: Report) -> Verdict:
    """Return the outcome of all C simulations."""
    if report.exact is None:
        detail = "nothing was compared, so nothing here says that the generated C++ is right"
        return Verdict("unknown", "Not checked by C simulation", detail)
    detail = "; ".join(_outcome(run) for run in report.csim)
    if report.exact:
        return Verdict("exact", "Bit-exact: the C simulation equals the integer reference", detail)
    return Verdict("differs", "NOT exact: the C simulation differs from the reference", detail)


def _outcome(run: CsimRun) -> str:
    if run.compared == 0:
        return f"{run.storage}: nothing was compared"
    return f"{run.storage}: {words.count(run.mismatches)} of {words.count(run.compared)} mismatches"


def sections(report: Report) -> tuple[Section, ...]:
    """Return the sections of a report, in reading order."""
    return (
        _accuracy(report),
        _performance(report),
        *_quantization(report),
        *_dram(report),
        _csim(report),
        _agreement(report),
        _resources(report),
        _rows(report),
        _layers(report),
        Section("array", "The array", table=tables.array_table(report)),
        _stages(report),
    )


def _accuracy(report: Report) -> Section:
    title = "Accuracy"
    if all(item.percent is None for item in report.accuracies):
        text = "Accuracy is not measured: there were no images with labels."
        return Section("accuracy", title, sentences=(text,))
    origins = tuple(
        dict.fromkeys(item.origin for item in report.accuracies if item.percent is not None)
    )
    return Section("accuracy", title, origins, (), tables.accuracy_table(report))


def _quantization(report: Report) -> tuple[Section, ...]:
    cost = report.quantization_cost
    if cost is None:
        return ()
    sentences, table = quantization_sentences(cost), fidelity_table(cost)
    return (
        Section("quantization", "Quantization without training", (cost.origin,), sentences, table),
    )


def _csim(report: Report) -> Section:
    if not report.csim:
        return Section("csim", "C simulation", sentences=("It was not run.",))
    sentences = [
        "Every element of every layer is compared with the integer reference. Times are of the "
        "computer that ran the simulation, not of the board."
    ]
    sentences += [
        f"First difference, {run.storage}: {words.shorten(run.first_mismatch, 300)}"
        for run in report.csim
        if run.first_mismatch
    ]
    origins = tuple(dict.fromkeys(run.origin for run in report.csim))
    return Section("csim", "C simulation", origins, tuple(sentences), tables.csim_table(report))


def _agreement(report: Report) -> Section:
    title = "Training model against integer model"
    found = report.agreement
    if found is None:
        return Section("agreement", title, sentences=("Not measured.",))
    return Section("agreement", title, (found.origin,), (_agreement_text(found),))


def _agreement_text(found: Agreement) -> str:
    images = words.number_of(found.images, "image")
    text = (
        f"Layer by layer, of the same inputs: {_share(found.codes_differ_alone, found)} are "
        "rounded the other way than in the training model, near a tie. Later layers read those "
        "codes, so that more differ the deeper a network is: end to end "
        f"{_share(found.codes_differ, found)}, over {images}"
    )
    if found.codes_differ == 0:
        compared = words.count(found.codes_compared)
        text = f"All {compared} codes are those of the training model, over {images}"
    if found.top1_changed is None:
        return f"{text}."
    return f"{text}; the top-1 answer changed for {words.count(found.top1_changed)} of them."


def _share(codes: int, found: Agreement) -> str:
    share = 100 * codes / found.codes_compared if found.codes_compared else 0.0
    least = "under 0.001 %" if 0 < share < 0.001 else words.percent(share, 3)
    return f"{words.count(codes)} of {words.count(found.codes_compared)} codes ({least})"


def _resources(report: Report) -> Section:
    title = "Resources"
    if report.resources is None:
        return Section("resources", title, sentences=("Not modelled.",))
    sentences: tuple[str, ...] = ()
    if report.resources.origin is Origin.MODELLED:
        sentences = ("By formula; no vendor tool has confirmed these figures.",)
    table = tables.resources_table(report)
    return Section("resources", title, (report.resources.origin,), sentences, table)


def _performance(report: Report) -> Section:
    title = "Speed on the board"
    if report.performance is None:
        return Section("performance", title, sentences=("Not modelled.",))
    sentences: tuple[str, ...] = ()
    if report.performance.origin is Origin.MODELLED:
        sentences = ("By the cycle formula at the clock asked for; not run on a board.",)
        if report.performance.simulated_cycles is not None:
            text = (
                "Simulated cycles are counted by running the program with every stall, on the "
                "memory that the board's file assumes."
            )
            sentences = (*sentences, text)
    table = tables.performance_table(report)
    return Section("performance", title, (report.performance.origin,), sentences, table)


def _dram(report: Report) -> tuple[Section, ...]:
    found = report.dram
    if found is None:
        return ()
    moves = sum(layer.saved_iterations + layer.restored_iterations for layer in report.layers)
    cycles = report.performance.cycles_per_image if report.performance else None
    share = words.percent(100 * moves / cycles if cycles else None)
    text = (
        f"The activation memory does not hold every tensor: {words.size(found.held_bytes)} lie in "
        f"DRAM, and these layers run in strips of lines. {words.size(found.moved_bytes)} per image "
        f"are moved there and back, in {words.count(moves)} cycles, {share} of all. They are "
        "part of each layer's cycles."
    )
    table = tables.dram_table(report)
    return (Section("dram", "Tensors in DRAM", (found.origin,), (text,), table),)


def _rows(report: Report) -> Section:
    asked = report.quantization.ratio_asked
    text = f"Asked {words.ratio(asked)}" if asked else "The checkpoint's own rows"
    text += f", realized {words.ratio(report.rows.percents)} (shift-add : Fixed-4 : Fixed-8)."
    kept = report.quantization.eight_bit_layers
    if kept:
        names = ", ".join(map(words.shorten, kept))
        text += f" First and last layers are all Fixed-8, as asked: {names}."
    bits = report.quantization.activation_bits
    if bits is not None:
        text += f" Activations have {bits} bits."
    return Section("rows", "Row formats", (), (text,), tables.rows_table(report))


def _layers(report: Report) -> Section:
    text = "Rows are shift-add : Fixed-4 : Fixed-8. One cycle is one iteration of the array's loop."
    table = tables.layers_table(report)
    return Section("layers", "Layers", (report.layers_origin,), (text,), table)


def _stages(report: Report) -> Section:
    if not report.stages:
        return Section("stages", "Build time", sentences=("Not measured.",))
    table = tables.stages_table(report)
    return Section("stages", "Build time", (report.stages_origin,), (), table)
