"""Runs that go on after a stop, and a page that claims no more than the pairs show."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress


def _figures(fixed: list[float], others: dict[str, list[float]]) -> dict[str, Any]:
    """Figures of one network with these accuracies by seed; the loss is 1 - accuracy."""
    import digits_schemes

    scores = {"fixed": fixed, **others}
    runs = []
    for scheme, found in scores.items():
        for seed, accuracy in enumerate(found):
            one = {"accuracy": accuracy, "loss": 1 - accuracy}
            runs.append(
                {"network": "mlp", "scheme": scheme, "seed": seed, "rows": {}, "trained": one,
                 "calibrated": one}
            )  # fmt: skip
    return {**digits_schemes.result_figures(Path("no such folder")), "runs": runs}


def _result(figures: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "P", "processors": 2, "memory_gib": 8.0, "compiler": "g++",
               "python": "3", "packages": {"torch": "2"}, "omp_num_threads": "1"}  # fmt: skip
    return {"machine": machine, "other_programs_share": 0.0, "figures": figures}


def test_a_kept_run_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in its file counts, unless its settings differ or it is damaged."""
    import digits_runs
    import digits_schemes

    made: list[tuple[str, int]] = []

    def run(net: Any, scheme: Any, seed: int, *_: Any) -> dict[str, Any]:
        made.append((scheme.words, seed))
        one = {"accuracy": 0.5, "loss": 1.0}
        return {"rows": {}, "calibrated": one, "trained": one}

    monkeypatch.setattr(digits_schemes, "run_scheme", run)
    monkeypatch.setattr(digits_schemes, "float_network", lambda *_: None)

    def measure(times: float) -> int:
        made.clear()
        units = digits_schemes.missing(["mlp"], ["fixed", "sp2"], 2, tmp_path, times)
        with Progress(disable=True) as progress:
            digits_schemes.measure(units, 1, progress)
        return len(made)

    assert measure(0.01) == 4
    assert measure(0.01) == 0
    digits_runs.run_path(tmp_path, "mlp", "sp2", 1).write_text("{")
    assert measure(0.01) == 1
    assert measure(0.02) == 4
    found = list(digits_schemes.gather(tmp_path, 0.02))
    assert [(run["scheme"], run["seed"]) for run in found] == [
        ("fixed", 0), ("fixed", 1), ("sp2", 0), ("sp2", 1),
    ]  # fmt: skip
    assert not list(digits_schemes.gather(tmp_path, 0.01))
    assert {unit.seed for unit in digits_schemes.missing(["residual"], ["sp2"], 99, tmp_path)} == {
        0, 1, 2, 3, 4,
    }  # fmt: skip


@pytest.mark.slow
def test_processes_make_the_runs_that_one_process_makes(tmp_path: Path) -> None:
    """Two at a time give the very same files; the second time nothing is left to do."""
    import digits_schemes

    texts = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        units = digits_schemes.missing(["mlp"], ["float", "best"], 2, folder, 0.01)
        with Progress(disable=True) as progress:
            digits_schemes.measure(units, workers, progress)
        texts.append({path.name: path.read_text() for path in folder.iterdir()})
        assert not digits_schemes.missing(["mlp"], ["float", "best"], 2, folder, 0.01)
    assert len(texts[0]) == 4 and texts[0] == texts[1]


def test_every_scheme_has_the_rows_it_is_named_for() -> None:
    """The perceptron's 50 rows get the formats of each scheme, and a run repeats itself."""
    import torch

    import digits_schemes

    torch.set_num_threads(1)
    torch.manual_seed(0)
    case = digits_schemes.scaled("mlp", 0.01)
    net = case.build()
    wanted = {"fixed": {"Fixed-4"}, "msq": {"SP2-4", "Fixed-4"}, "msp": {"SP2-4", "Fixed-8"},
              "rmsmp-pot": {"PoT-4", "Fixed-4", "Fixed-8"}, "float": set(),
              "fixed3": {"Fixed-3"}, "rmsmp-sp23": {"SP2-3", "Fixed-3", "Fixed-8"},
              "ternary": {"PoT-2"}}  # fmt: skip
    before = net[1].weight.detach().clone()
    for name, formats in wanted.items():
        scheme = digits_schemes.SCHEMES[name]
        run = digits_schemes.run_scheme(net, scheme, 0, case)
        assert set(run["rows"]) == formats
        assert sum(run["rows"].values()) == (50 if formats else 0)
    assert digits_schemes.run_scheme(net, scheme, 0, case) == run
    assert torch.equal(net[1].weight, before)  # every scheme starts from the same network


def test_both_halves_of_a_split_train_once() -> None:
    """Seeds 2k and 2k + 1 swap the halves; no image is in both; other seeds split otherwise."""
    import digits_cases

    (train, test), (train_1, test_1) = digits_cases.halves(4), digits_cases.halves(5)
    assert np.array_equal(train[0], test_1[0]) and np.array_equal(test[1], train_1[1])
    assert len(train[0]) + len(test[0]) == 1797
    assert not np.array_equal(train[1], digits_cases.halves(6)[0][1])
    seen = {image.numpy().tobytes() for image in train[0]}
    assert sum(image.numpy().tobytes() in seen for image in test[0]) == 0


def test_small_networks_have_rows_of_every_format() -> None:
    """A ratio with 5 % of Fixed-8 rows gives one to every layer but that of the ten classes."""
    import torch

    import digits_cases
    import rmsmp_hls.train as rt

    for build in (digits_cases.mlp, digits_cases.separable):
        model = rt.prepare(build(), torch.zeros(1, 1, 8, 8))
        counts = list(rt.realized(model).values())
        assert all(layer["Fixed-8"] == 1 for layer in counts[:-1])


def test_few_pairs_claim_nothing() -> None:
    """However large a difference is, few pairs are told to be too few."""
    import schemes_table

    found = _figures([0.5] * 3, {"sp2": [0.9] * 3, "msq": [0.1] * 3})
    text = schemes_table.schemes_section(_result(found))
    assert text.count("too few pairs |") == 2
    assert "too few pairs to tell: MSQ" in text
    assert (
        "least .. most, by calibration only, and after training with quantizers: small MLP" in text
    )
    assert "better accuracy" not in text and "worse" not in text.split("Plainly")[0]


def test_mixing_that_hurts_or_does_nothing_is_said_plainly() -> None:
    """Ten pairs: one mix better, one worse, one the same; fewer bits are told apart from mixes."""
    import schemes_table

    noise = [0.01 * (-1) ** seed for seed in range(10)]
    found = _figures(
        [0.5] * 10,
        {
            "msq": [0.6] * 10,
            "msp": [0.4] * 10,
            "rmsmp-sp2": [0.5 + one for one in noise],
            "sp2": [0.4] * 10,
            "rmsmp-pot3": [0.3] * 10,
        },
    )
    text = schemes_table.schemes_section(_result(found))
    assert (
        "accuracy better: MSQ; worse: MSP (see above); **no difference shown**: RMSMP with SP2."
        in text
    )
    assert "lower (better): MSQ; higher: MSP (see above)." in text
    assert "One shift-add codebook for all rows, against Fixed-4: accuracy better: none" in text
    assert "In points, from the worst: RMSMP at W3, PoT -20.0." in text
    assert "accuracy better: RMSMP with SP2 less SP2-W4A4;" in text


def test_only_pairs_are_compared() -> None:
    """A seed that one of the two has not run does not count; the table says how many did."""
    import schemes_pairs
    import schemes_table

    found = _figures([0.5, 0.6, 0.7], {"sp2": [0.5, 0.8]})
    (row,) = schemes_pairs.compare(found)
    assert (row.scheme, row.pairs) == ("sp2", 2)
    assert row.accuracy == pytest.approx(0.1)
    assert row.loss == pytest.approx(-0.1)
    assert row.accuracy_error == pytest.approx(np.std([0.0, 0.2], ddof=1) / 2**0.5)
    text = schemes_table.schemes_section(_result(found))
    assert "| Fixed-W4A4 | 60.00 ± 10.00% | 60.00 ± 10.00% | 0.4000 ± 0.1000 (3) |" in text
    assert "PoT-W4A4 |" not in text


def test_a_network_that_answers_everything_is_no_evidence() -> None:
    """Its runs are in the tables and the picture, not among the pairs."""
    import schemes_pairs

    found = _figures([0.5, 0.6], {"sp2": [0.5, 0.8]})
    found["runs"] += [{**run, "network": "residual"} for run in found["runs"]]
    assert schemes_pairs.compare(found)[0].pairs == 2
    assert schemes_pairs.cases(found) == ["mlp", "residual"]


def test_the_further_questions_name_schemes_that_there_are() -> None:
    """Every comparison is between two schemes of the benchmark, and none is asked twice."""
    import digits_schemes
    import schemes_pairs

    for pair in schemes_pairs.FURTHER:
        assert set(pair) <= set(digits_schemes.SCHEMES) and pair[0] != pair[1]
    assert len(set(schemes_pairs.FURTHER)) == len(schemes_pairs.FURTHER)


def test_the_picture_has_a_dot_per_run(tmp_path: Path) -> None:
    """And a panel per network, with every scheme's name; accuracies lie where the axis says."""
    import schemes_plot

    found = _figures([0.5, 0.6, 0.7], {"sp2": [0.5, 0.8], "ternary": [0.1]})
    root = ElementTree.fromstring(schemes_plot.write_plot(found, tmp_path / "p.svg").read_text())
    tag = "{http://www.w3.org/2000/svg}"
    dots = [c for c in root.iter(f"{tag}circle") if c.get("fill-opacity")]
    assert len(dots) == 6
    words = [text.text for text in root.iter(f"{tag}text")]
    assert {"small MLP", "Fixed-W4A4", "SP2-W4A4", "ternary W2A4"} <= set(words)
    assert schemes_plot.axis(7.2, 82.8) == (20.0, 40.0, 60.0, 80.0)
    assert schemes_plot.axis(98.61, 99.72) == (99.0, 99.5)
    at = {float(dot.get("cx", "0")) for dot in dots}
    low, span = 10 - 0.04 * 70, 270 / (70 * 1.08)
    assert at == {round(150 + (value - low) * span, 1) for value in (50, 60, 70, 80, 10)}


def test_the_committed_picture_is_that_of_the_results() -> None:
    """docs/schemes.svg is what the committed figures draw."""
    import schemes_plot
    import tables

    found = tables.read_results()["digits_schemes"]["figures"]
    assert schemes_plot.PLOT.read_text(encoding="utf-8") == schemes_plot.drawing(found)


def test_families_are_told_by_bits_and_mix() -> None:
    """Float, one codebook, mixed, 3 bits, 2 bits."""
    import digits_schemes
    import schemes_plot

    schemes = digits_schemes.result_figures(Path("no such folder"))["schemes"]
    wanted = {"float": 0, "sp2": 1, "rmsmp-pot": 2, "best": 2, "rmsmp-sp23": 3, "ternary-mix": 4}
    assert {name: schemes_plot.family(schemes[name]) for name in wanted} == wanted
