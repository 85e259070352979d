"""Views say in C++ and Tcl what the array and settings say in Python."""

from __future__ import annotations

import pytest

from rmsmp_hls.codegen.settings import ProjectSettings
from rmsmp_hls.codegen.views import array_view, project_view, top_view
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES, codebook
from tests.codegen import tiny_design


@pytest.mark.parametrize("name", SHIFT_ADD_NAMES)
def test_term_constants_rebuild_the_codebook(name: str) -> None:
    """Decoding the constants as config.hpp explains them gives every magnitude back."""
    terms = {c.name: int(c.value, 0) for c in array_view(tiny_design.array(name)).terms}
    book = codebook(name)
    for index, magnitude in enumerate(book.magnitudes):
        total = 0
        for term in ("Term1", "Term2"):
            if terms[f"{term}Used"] >> index & 1:
                shift = terms[f"{term}Shifts"] >> (4 * index) & 15
                base = terms[f"{term}Base"]
                assert base <= shift < base + (1 << terms[f"{term}Bits"])
                total += 1 << shift
        assert total == magnitude
    assert terms["MaxMagnitude"] == book.max_magnitude
    assert all(0 <= value < 1 << 31 for value in terms.values())


@pytest.mark.parametrize("dsp", DspFamily)
def test_packing_constants_fit_the_dsp(dsp: DspFamily) -> None:
    """Two 4-bit weights at distance F fit the wide port; the offset keeps a field positive."""
    packing = {c.name: int(c.value) for c in array_view(tiny_design.array(dsp=dsp)).packing}
    field, cascade = packing["DspFieldBits"], packing["DspCascade"]
    assert 2 * field + 4 <= packing["DspPortBits"]
    assert packing["DspOffset"] - 56 * cascade >= 0
    assert packing["DspOffset"] + 64 * cascade < 1 << field


def test_uncertainty_is_given_in_ns() -> None:
    """12.5 % of 5 ns; never an exponent."""
    view = project_view(ProjectSettings("top", "xc7z020clg400-1", 5.0))
    assert (view.clock_period_ns, view.clock_uncertainty_ns) == ("5.0", "0.625")
    view = project_view(ProjectSettings("top", "xc7z020clg400-1", 3.3333333, 0.0))
    assert (view.clock_period_ns, view.clock_uncertainty_ns) == ("3.3333", "0.0")


def test_every_port_has_its_own_bundle_and_a_depth() -> None:
    """Two ports on one bundle would share its bursts."""
    depths = dict(program=1, weights=2, params=3, input=4, output=5, spill=6)
    ports = top_view("t", depths, 1).ports
    assert len({port.bundle for port in ports}) == 6
    assert [port.depth for port in ports] == list("123456")
    assert [port.declaration.startswith("const ") for port in ports] == [True] * 4 + [False] * 2
    assert ["write" in port.bursts for port in ports] == [False] * 4 + [True] * 2
    assert ["read" in port.bursts for port in ports] == [True] * 4 + [False, True]
    assert "WeightWord" in ports[5].declaration


@pytest.mark.parametrize("number", [1, 2, 4])
def test_weight_ports_are_numbered(number: int) -> None:
    """Pointers and bundles weights0 .., all as deep; one constant for their depth."""
    depths = dict(program=1, weights=2, params=3, input=4, output=5, spill=6)
    view = top_view("t", depths, number)
    own = [port for port in view.ports if port.depth == "2"]
    assert [port.name for port in own] == [f"weights{n}" for n in range(number)]
    assert [port.bundle for port in own] == [f"gmem_weights{n}" for n in range(number)]
    assert len(view.ports) == number + 5
    assert [c.name for c in view.depths].count("RmsmpWeightDepth") == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top": "a;b"}, "cannot be the name"),
        ({"top": "top\n"}, "cannot be the name"),
        ({"top": "module"}, "cannot be the name"),
        ({"part": "x]; exit"}, "cannot be a part name"),
        ({"part": ""}, "cannot be a part name"),
        ({"part": "xc7z020\n"}, "cannot be a part name"),
        ({"clock_period_ns": 0.0}, "clock period"),
        ({"clock_period_ns": float("nan")}, "clock period"),
        ({"clock_uncertainty": 0.6}, "uncertainty"),
        ({"clock_uncertainty": float("nan")}, "uncertainty"),
        ({"top": "1", "part": "?", "clock_period_ns": -1.0}, "3 problems"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], words: str) -> None:
    """Each with a sentence; all at once."""
    good = {"top": "top", "part": "xczu9eg-ffvb1156-2-e", "clock_period_ns": 5.0}
    with pytest.raises(ConfigError, match=words):
        ProjectSettings(**{**good, **changes})  # type: ignore[arg-type]
