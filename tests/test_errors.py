"""Errors keep what was gathered into them."""

from __future__ import annotations

from rmsmp_hls.errors import ConfigError, LoweringError, ModelImportError


def test_findings_are_kept_one_by_one() -> None:
    """Also through several gatherings; an error of its own is its own finding."""
    one, two, three = (ConfigError(text, where=text, fix=text) for text in "abc")
    assert one.findings == (one,)
    both = LoweringError.gather([one, two])
    assert both.findings == (one, two)
    assert ModelImportError.gather([both, three]).findings == (one, two, three)
    assert ModelImportError.gather([both]).findings == (one, two)
    single = ModelImportError.gather([one])
    assert single.findings == (single,)
    assert (single.what, single.where, single.fix) == ("a", "a", "a")
