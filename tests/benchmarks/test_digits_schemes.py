"""Runs that go on after a stop, and a page that claims no more than the pairs show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
                {"network": "MLP", "scheme": scheme, "seed": seed, "rows": {}, "trained": one,
                 "calibrated": one}
            )  # fmt: skip
    empty = digits_schemes.result_figures(Path("no such folder"), digits_schemes.Settings())
    return {**empty, "runs": runs}


def _result(figures: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "P", "processors": 2, "memory_gib": 8.0, "compiler": "g++",
               "python": "3", "packages": {"torch": "2"}, "omp_num_threads": "1"}  # fmt: skip
    return {"machine": machine, "other_programs_share": 0.0, "figures": figures}


def test_a_kept_run_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in its file counts, unless its settings differ or it is damaged."""
    import digits_schemes

    made: list[tuple[str, int]] = []

    def run(net: Any, scheme: Any, seed: int, *_: Any) -> dict[str, Any]:
        made.append((scheme.words, seed))
        one = {"accuracy": 0.5, "loss": 1.0}
        return {"rows": {}, "calibrated": one, "trained": one}

    monkeypatch.setattr(digits_schemes, "run_scheme", run)
    monkeypatch.setattr(digits_schemes, "float_network", lambda *_: digits_schemes.mlp())

    def measure(settings: Any) -> int:
        made.clear()
        with Progress(disable=True) as progress:
            digits_schemes.measure(
                ["MLP"], ["fixed", "sp2"], range(2), settings, tmp_path, progress
            )
        return len(made)

    assert measure(digits_schemes.Settings(1, 1)) == 4
    assert measure(digits_schemes.Settings(1, 1)) == 0
    digits_schemes.run_path(tmp_path, "MLP", "sp2", 1).write_text("{")
    assert measure(digits_schemes.Settings(1, 1)) == 1
    assert measure(digits_schemes.Settings(1, 2)) == 4
    found = list(digits_schemes.gather(tmp_path, digits_schemes.Settings(1, 2)))
    assert [(run["scheme"], run["seed"]) for run in found] == [
        ("fixed", 0), ("fixed", 1), ("sp2", 0), ("sp2", 1),
    ]  # fmt: skip
    assert not list(digits_schemes.gather(tmp_path, digits_schemes.Settings(1, 1)))


def test_every_scheme_has_the_rows_it_is_named_for() -> None:
    """The perceptron's 106 rows get the formats of each scheme, and a run repeats itself."""
    import torch

    import digits_schemes

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, settings = digits_schemes.mlp(), digits_schemes.Settings(1, 1)
    wanted = {"fixed": {"Fixed-4"}, "msq": {"SP2-4", "Fixed-4"}, "msp": {"SP2-4", "Fixed-8"},
              "rmsmp-pot": {"PoT-4", "Fixed-4", "Fixed-8"}, "float": set()}  # fmt: skip
    before = net[1].weight.detach().clone()
    with Progress(disable=True) as progress:
        for name, formats in wanted.items():
            scheme = digits_schemes.SCHEMES[name]
            run = digits_schemes.run_scheme(net, scheme, 0, settings, progress)
            assert set(run["rows"]) == formats
            assert sum(run["rows"].values()) == (106 if formats else 0)
        assert digits_schemes.run_scheme(net, scheme, 0, settings, progress) == run
    assert torch.equal(net[1].weight, before)  # every scheme starts from the same network


def test_few_pairs_claim_nothing() -> None:
    """However large a difference is, few pairs are told to be too few."""
    import schemes_table

    found = _figures([0.5] * 3, {"sp2": [0.9] * 3, "msq": [0.1] * 3})
    text = schemes_table.schemes_section(_result(found))
    assert text.count("too few pairs |") == 2
    assert "too few pairs to tell: MSQ" in text
    assert "better accuracy" not in text and "worse" not in text.split("Plainly")[0]


def test_mixing_that_hurts_or_does_nothing_is_said_plainly() -> None:
    """Ten pairs: one mix better, one worse, one the same."""
    import schemes_table

    noise = [0.01 * (-1) ** seed for seed in range(10)]
    found = _figures(
        [0.5] * 10,
        {
            "msq": [0.6] * 10,
            "msp": [0.4] * 10,
            "rmsmp-sp2": [0.5 + one for one in noise],
            "sp2": [0.4] * 10,
        },
    )
    text = schemes_table.schemes_section(_result(found))
    assert (
        "Accuracy better: MSQ; worse: MSP (see above); **no difference shown**: RMSMP with SP2;"
        in text
    )
    assert "lower (better): MSQ; higher: MSP (see above)." in text


def test_only_pairs_are_compared() -> None:
    """A seed that one of the two has not run does not count; the table says how many did."""
    import schemes_table

    found = _figures([0.5, 0.6, 0.7], {"sp2": [0.5, 0.8]})
    (row,) = schemes_table.compare(found)
    assert (row.scheme, row.pairs) == ("sp2", 2)
    assert row.accuracy == pytest.approx(0.1)
    assert row.loss == pytest.approx(-0.1)
    text = schemes_table.schemes_section(_result(found))
    assert "| Fixed-W4A4 | 60.00 ± 10.00% | 60.00 ± 10.00% | 0.4000 ± 0.1000 (3) |" in text
    assert "PoT-W4A4 |" not in text
