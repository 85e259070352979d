"""What README and docs tell users to type works, and what they list is what there is."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from rmsmp_hls import errors
from rmsmp_hls.cli import failures
from rmsmp_hls.cli.program import program
from rmsmp_hls.hw.board import boards
from tests.packaging.readme import ROOT, commands_of, links_of, python_of, rows_of

PAGES = sorted(
    p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_python_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of the page runs as it stands and writes a checkpoint that can be loaded."""
    from rmsmp_hls.frontend.checkpoint import load_checkpoint

    monkeypatch.chdir(tmp_path)
    exec(compile(python_of(page), page, "exec"), {"__name__": "__main__"})
    checkpoint = load_checkpoint(tmp_path / "model.pt")
    assert checkpoint.fake_quantized_accuracy is not None
    assert checkpoint.params.ratio == (65.0, 30.0, 5.0)


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_commands_exist_with_their_options(page: str) -> None:
    """Every command that a page shows is a command, and takes the options it is shown with."""
    shown = commands_of(page)
    assert {words[0] for words in shown} == set(program.commands)
    for words in shown:
        options = _options(program.commands[words[0]])
        used = [word for word in words[1:] if word.startswith("-")]
        assert [word for word in used if word not in options] == [], words


@pytest.mark.parametrize(
    ("command", "title"),
    [("build", "option"), ("quantize", "setting"), ("train", "flag"), ("explore", "switch")],
)
def test_cli_page_lists_every_option(command: str, title: str) -> None:
    """The table of options is whole and holds nothing else."""
    listed = {
        word.split()[0]
        for row in rows_of("docs/cli.md", title)
        for word in row[0].replace("`", "").split(", ")
    }
    assert listed == _options(program.commands[command]) - {"--help", "-h"}


def test_cli_page_lists_every_exit_code() -> None:
    """The table of exit codes is that of the error classes and of the failures."""
    listed = {int(row[0]) for row in rows_of("docs/cli.md", "code")}
    classes = errors.RmsmpError.__subclasses__()
    others = {failures.BUG, failures.OUT_OF_MEMORY, failures.FILE_SYSTEM}
    assert listed == {0, failures.STOPPED, failures.PIPE_CLOSED} | others | {
        kind.exit_code for kind in classes
    }


def test_readme_lists_the_boards() -> None:
    """The table of boards is the shipped boards' own data."""
    expected = [
        [b.name, b.part, *(f"{n:,}" for n in (b.lut, b.ff, b.dsp, b.bram36, b.uram)),
         f"{b.clock_mhz:g} MHz"]
        for b in boards()
    ]  # fmt: skip
    assert rows_of("README.md", "board") == expected


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """No link into the repository is broken."""
    folder = (ROOT / page).parent
    assert [link for link in links_of(page) if not (folder / link).exists()] == []


def _options(command: click.Command) -> set[str]:
    names = {name for p in command.params if isinstance(p, click.Option) for name in p.opts}
    return names | {"-h", "--help"}
