"""The wheel and the sdist hold what they should and work when installed elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

import rmsmp_hls
import rmsmp_hls.train as rt

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ("kv260", "pynq-z2", "ultra96-v2", "zc706", "zcu102", "zcu104", "zedboard")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Distributions:
    """The two files that `python -m build` makes."""

    sdist: Path
    wheel: Path


def _build(source: Path, out: Path, *kinds: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(out)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Both, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    _build(ROOT, out, "--sdist", "--wheel")
    return Distributions(_one(out, "*.tar.gz"), _one(out, "*.whl"))


@pytest.fixture(scope="module")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a clean venv with the wheel; dependencies come from the running one.

    A .pth line adds the running environment's packages behind the venv's own, without that
    environment's .pth files, so that its editable installation of the checkout is not seen.
    """
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(distributions.wheel)], check=True)
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    own = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    Path(own.stdout.strip(), "dependencies.pth").write_text("\n".join(sorted(libraries)) + "\n")
    return venv / "bin"


def _run(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)


def _files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_holds_code_assets_boards_and_licence(distributions: Distributions) -> None:
    """Every module, every asset the program reads, every board, the licence, the type marker."""
    held = set(_files(distributions.wheel))
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "rmsmp_hls").rglob("*.py")}
    assert modules <= held
    for folder in ("templates", "vivado_scripts", *(f"hls_cpp/{n}" for n in _HLS_CPP)):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file()]
        assert files, folder
        assert {f"rmsmp_hls/_assets/{p.relative_to(ROOT).as_posix()}" for p in files} <= held
    assert {f"rmsmp_hls/hw/boards/{name}.yaml" for name in BOARDS} <= held
    assert {f"rmsmp_hls/hw/measured/{family}.json" for family in ("xc7", "xcup")} <= held
    assert "rmsmp_hls/py.typed" in held
    licences = {Path(name).name for name in held if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


_HLS_CPP = ("rmsmp", "sim", "testbench")


def test_wheel_holds_nothing_else(distributions: Distributions) -> None:
    """No tests, no caches, and nothing outside the package and its metadata."""
    for name in _files(distributions.wheel):
        top = name.split("/")[0]
        assert top == "rmsmp_hls" or top.endswith(".dist-info"), name
        assert not {"tests", "test", "__pycache__"} & set(name.split("/")), name


def test_sdist_holds_what_tests_and_demo_need(distributions: Distributions) -> None:
    """The sdist is a whole source: README's commands work in it."""
    with tarfile.open(distributions.sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    needed = {
        "pyproject.toml", "README.md", "LICENSE", "NOTICE", "Makefile", ".ci/system-packages",
        "examples/digits.py", "tests/test_architecture.py", "docs/numerics.md",
        "rmsmp_hls/hw/boards/zcu102.yaml", "templates/top.cpp.j2",
    }  # fmt: skip
    assert needed <= held
    assert not [name for name in held if name.startswith((".venv", "demo/", "dist/"))]


def test_wheel_from_sdist_equals_wheel_from_checkout(
    distributions: Distributions, tmp_path: Path
) -> None:
    """Building through the sdist loses and adds nothing."""
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    _build(_one(tmp_path / "source", "rmsmp_hls-*"), tmp_path / "dist", "--wheel")
    assert _files(_one(tmp_path / "dist", "*.whl")) == _files(distributions.wheel)


def test_import_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """In the clean environment the package is the wheel's, not the checkout's."""
    code = "import rmsmp_hls, pathlib; print(pathlib.Path(rmsmp_hls.__file__).resolve())"
    done = _run([str(installed / "python"), "-c", code], tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent.resolve()), done.stderr


def test_boards_are_listed_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """`rmsmp-hls boards` finds its data in the wheel."""
    done = _run([str(installed / "rmsmp-hls"), "boards"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [name for name in BOARDS if name not in done.stdout] == []


def test_version_is_the_package_version(installed: Path, tmp_path: Path) -> None:
    """`python -m rmsmp_hls --version` works and agrees."""
    done = _run([str(installed / "python"), "-m", "rmsmp_hls", "--version"], tmp_path)
    assert rmsmp_hls.__version__ in done.stdout, done.stderr


def test_main_job_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """A checkpoint is built, simulated without a mismatch and reported; then nothing is to do."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32, 4),
    )  # fmt: skip
    images = torch.rand(8, 1, 4, 4)
    model = rt.prepare(net, images[:1])
    rt.calibrate(model, [images])
    rt.save(model, tmp_path / "model.pt", validation=(images, torch.arange(8) % 4))
    command = ["build", "model.pt", "--board", "pynq-z2", "-o", "out"]
    first = _run([str(installed / "rmsmp-hls"), *command], tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Bit-exact" in first.stdout
    assert (tmp_path / "out" / "hls" / "src" / "top.cpp").is_file()
    assert (tmp_path / "out" / "report.html").is_file()
    second = _run([str(installed / "rmsmp-hls"), *command], tmp_path)
    assert "nothing to do" in second.stdout, second.stdout + second.stderr
