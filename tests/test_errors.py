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


def test_an_outer_place_leaves_the_findings_alone() -> None:
    """The place comes first; class, remedy and what was gathered stay."""
    one, two = (ConfigError(text, where=text, fix="do") for text in "ab")
    moved = one.within("file")
    assert isinstance(moved, ConfigError)
    assert (moved.what, moved.where, moved.fix) == ("a", "file, a", "do")
    assert moved.findings == (moved,)
    gathered = ModelImportError.gather([one, two]).within("file")
    assert gathered.where == "file"
    assert gathered.findings == (one, two)
