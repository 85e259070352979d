"""`rmsmp-hls build` with a fake flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.report.model import Report


def test_options_reach_the_flow(call, fake_flow) -> None:
    """Every option arrives as its field."""
    result = call(
        "build", "m.pt", "--board", "zcu102", "-o", "out", "--ratio", "65:30:5", "--codebook",
        "PoT-4", "--clock-mhz", "150", "--data", "d.npz", "--images", "9", "--array", "channels=16",
        "--array", "pixels=4", "--storage", "native", "--from", "csim", "--force", "--dump-ir",
        "--top", "net", "--lut-share", "0.5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    options = fake_flow.options[0]
    assert (options.model, options.out, options.data) == (Path("m.pt"), Path("out"), Path("d.npz"))
    assert (options.board, options.codebook, options.top) == ("zcu102", "PoT-4", "net")
    assert options.ratio == (65.0, 30.0, 5.0)
    assert (options.clock_mhz, options.images, options.lut_share) == (150.0, 9, 0.5)
    assert options.array == {"channels": 16, "pixels": 4}
    assert options.storages == ("native",)
    assert (options.start, options.force, options.dump_ir) == ("csim", True, True)


def test_quantization_options_reach_the_flow(call, fake_flow, tmp_path: Path) -> None:
    """From the command line and from a file; what is not given stays open."""
    result = call(
        "build", "m.pt2", "--board", "zcu102", "--calib", "c.npz", "--calib-images", "64",
        "--mean", "0.5,0.4,0.3", "--std", "2", "--activation-bits", "5", "--residual-bits", "6",
        "--input-bits", "7", "--method", "percentile", "--percentile", "99",
        "--no-bias-correction", "--equalize", "off",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    options = fake_flow.options[0]
    assert (options.calib, options.calib_images) == (Path("c.npz"), 64)
    assert (options.mean, options.std) == ((0.5, 0.4, 0.3), (2.0,))
    assert (options.activation_bits, options.residual_bits, options.input_bits) == (5, 6, 7)
    assert (options.method, options.percentile) == ("percentile", 99.0)
    assert (options.bias_correction, options.equalize) == (False, "off")
    (tmp_path / "c.yaml").write_text(
        "board: zcu102\ncalib: c.npz\nmean: 0.5,0.4,0.3\nbias_correction: no\n"
    )
    assert call("build", "m.pt2", "--config", "c.yaml").exit_code == 0
    options = fake_flow.options[1]
    assert (options.calib, options.mean) == (Path("c.npz"), (0.5, 0.4, 0.3))
    assert (options.bias_correction, options.equalize, options.std) == (False, None, None)


def test_a_build_shows_its_stages_the_summary_and_where_the_report_is(call, fake_flow) -> None:
    """Plain lines where there is no terminal."""
    lines = call("build", "m.pt", "--board", "zcu102").stdout.splitlines()
    assert lines[:5] == [
        "import     …",
        "import     done in 0.40 s  7 operations",
        "quantize   cached",
        "lower      …",
        "lower      done in 0.20 s",
    ]
    text = "\n".join(lines)
    assert "Bit-exact: the C simulation equals the integer reference" in text
    assert "C simulation           351  360  97.50 %  simulated" in text
    page = Path("build/7_report/report.html").resolve()
    assert lines[-2:] == [f"Report: {page}", "Again:  rmsmp-hls report build"]


def test_a_build_without_changes_says_so(call, fake_flow) -> None:
    """No summary: nothing happened."""
    fake_flow.ran = ()
    text = call("build", "m.pt", "--board", "zcu102").stdout
    assert "nothing to do: build is up to date (--force builds it again)\n" in text
    assert "Bit-exact" not in text


def test_a_configuration_is_echoed_with_sources(call, fake_flow, tmp_path: Path) -> None:
    """The resolved values and where each is from."""
    (tmp_path / "rmsmp.yaml").write_text("board: zcu102\nimages: 9\n")
    text = call("build", "m.pt", "--config", "rmsmp.yaml", "--images", "3").stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["board", "zcu102", "rmsmp.yaml"] in lines
    assert ["images", "3", "command", "line"] in lines
    assert ["top", "rmsmp_top", "default"] in lines
    assert fake_flow.options[0].images == 3


def test_all_wrong_options_are_listed_at_once(call, fake_flow, tmp_path: Path) -> None:
    """The file's problems and the command line's, in one message; nothing is built."""
    (tmp_path / "c.yaml").write_text("bord: zcu102\n")
    result = call("build", "m.pt", "--config", "c.yaml", "--ratio", "1:2", "--array", "a=1")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: 3 problems:\n- c.yaml:1: unknown key 'bord'\n")
    assert "- ratio: a ratio has three numbers, '1:2' has 2\n" in result.stderr
    assert "- array: unknown array field 'a'\n" in result.stderr
    assert result.stdout == ""
    assert fake_flow.options == []


def test_a_hostile_report_does_not_break_the_terminal(
    call, fake_flow, hostile_report: Report
) -> None:
    """No escape sequence of a name reaches the terminal."""
    fake_flow.report = hostile_report
    result = call("build", "m.pt", "--board", "zcu102")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "NOT exact" in result.stdout


@pytest.mark.parametrize("option", ["--bord", "--rato", "--imags"])
def test_a_misspelt_option_gets_a_suggestion(call, option: str) -> None:
    """click's own message."""
    result = call("build", "m.pt", option, "1")
    assert result.exit_code == 2
    assert "Did you mean" in result.stderr
