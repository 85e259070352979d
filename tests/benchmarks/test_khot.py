"""The benchmark of requantization by shifts and adds."""

from __future__ import annotations

import copy

from tests.codegen.tiny_design import array


def test_hardware_figures_are_those_of_the_cost_model() -> None:
    """DSPs of drain and vector lanes go with the first term, LUTs grow with every term."""
    import khot

    shape = array()
    found = khot.hardware_figures(shape)
    parts = [found["terms"][str(terms)] for terms in range(4)]
    saved = parts[0]["whole array"]["dsp"] - parts[1]["whole array"]["dsp"]
    assert saved == shape.drain_rows * shape.pixels + shape.vector_lanes
    luts = [part["whole array"]["lut"] for part in parts]
    assert luts == sorted(luts) and len(set(luts)) == 4


def test_every_variant_is_a_row_of_the_page() -> None:
    """Mean and spread over seeds; a single seed has no spread."""
    import khot_table
    import tables

    result = copy.deepcopy(tables.read_results()["khot"])
    text = khot_table.khot_section(result)
    for variant in {run["variant"] for run in result["figures"]["runs"]}:
        assert f"\n| {variant} |" in text
    result["figures"]["runs"] = [r for r in result["figures"]["runs"] if r["seed"] == 0]
    assert "± –" in khot_table.khot_section(result)
