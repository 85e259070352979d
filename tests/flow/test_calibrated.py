"""A float network is quantized on the way: `build net.pt2 --calib images.npz`."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from rmsmp_hls import flow
from rmsmp_hls.cli.program import program
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import ConfigError, ModelImportError, ToolError
from rmsmp_hls.flow import STAGES, BuildOutcome
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.stages.report import load_report
from rmsmp_hls.train.ptq import post_training_quantize
from tests.flow.models import Recorder, build


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported network and its calibration images; read only."""
    folder = tmp_path_factory.mktemp("sources")
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(96, 5),
    ).eval()  # fmt: skip
    images = torch.rand(12, 1, 8, 8)
    torch.export.save(torch.export.export(net, (images[:2],)), folder / "net.pt2")
    np.savez(folder / "images.npz", pictures=images.numpy())
    return folder


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildOutcome:
    """Its build; read only."""
    out = tmp_path_factory.mktemp("built") / "build"
    return build(sources / "net.pt2", out, calib=sources / "images.npz")


def test_it_is_exact_and_says_what_it_cost(built: BuildOutcome, sources: Path) -> None:
    """No mismatch; the report's figures are those of post_training_quantize with its defaults."""
    report = built.report
    assert [run.mismatches for run in report.csim] == [0]
    images = np.load(sources / "images.npz")["pictures"]
    expected = post_training_quantize(load_model(sources / "net.pt2").graph, images)
    cost = report.quantization_cost
    assert cost is not None
    assert (cost.images, cost.source) == (12, "images.npz")
    assert cost.output.sqnr_db == expected.output.sqnr_db
    assert cost.same_top1 == expected.top1_agreement
    assert cost.equalized == expected.equalization.used
    names = [(item.module, item.sqnr_db) for item in (*expected.layers, expected.output)]
    assert [(item.name, item.sqnr_db) for item in cost.layers] == names


def test_some_calibration_images_are_simulated(built: BuildOutcome) -> None:
    """Four, for there are no others; the report says so, and that they tell no accuracy."""
    assert built.report.csim[0].images == 4
    assert all(item.correct is None for item in built.report.accuracies)
    assert any("Checked with 4 calibration images" in note for note in built.report.notes)


def test_the_report_says_it_in_every_form(built: BuildOutcome) -> None:
    """With the number of images, as measured."""
    cost = built.report.quantization_cost
    assert cost is not None and cost.output.sqnr_db is not None
    figure = f"{cost.output.sqnr_db:.1f} dB"
    for name in ("report.html", "report.md"):
        text = (built.out / name).read_text().replace("\\", "")
        assert "measured on 12 calibration images of images.npz" in text
        assert figure in text
    document = json.loads((built.out / "report.json").read_text())
    assert document["quantization_cost"]["origin"] == "measured"
    shown = CliRunner().invoke(program, ["report", str(built.out)]).stdout
    assert "Quantization without training  [measured]" in shown
    assert figure in shown


def command(sources: Path, out: Path, *more: str) -> Result:
    words = ["build", str(sources / "net.pt2"), "--board", "zcu102", "-o", str(out)]
    return CliRunner().invoke(program, [*words, "--storage", "native", *more])


def test_a_second_build_does_not_quantize_again(
    built: BuildOutcome, sources: Path, tmp_path: Path
) -> None:
    """Nor does one that gives the same images under another path."""
    folder = shutil.copytree(built.out, tmp_path / "build")
    result = command(sources, folder, "--calib", str(sources / "images.npz"))
    assert result.exit_code == 0, result.output
    assert "nothing to do" in result.stdout
    copy = shutil.copy(sources / "images.npz", tmp_path / "images.npz")
    assert build(sources / "net.pt2", folder, calib=copy).ran == ()


def first_event(sources: Path, out: Path, **options: object) -> str:
    """Return what became of the import, in a build that ends where a compiler is needed."""
    recorder = Recorder()
    with pytest.raises(ToolError, match="no-such-compiler"):
        flow.build(
            BuildOptions(sources / "net.pt2", "zcu102", out=out, storages=("native",), **options),
            recorder,
        )
    assert recorder.events[0][0] == "import"
    return recorder.events[0][1]


@pytest.mark.parametrize(
    "options",
    [{"ratio": (1.0, 1.0, 1.0)}, {"codebook": "PoT-4"}, {"activation_bits": 5}, {"method":
     "percentile"}, {"calib_images": 6}, {"equalize": "off"}, {"bias_correction": False}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_quantization_options_run_the_import_again(
    options: dict[str, object], built: BuildOutcome, sources: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """And reach the quantization; without a compiler the walk ends where one is needed."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    folder = shutil.copytree(built.out, tmp_path / "build")
    assert first_event(sources, folder, calib=sources / "images.npz", **options) == "run"
    facts = json.loads((folder / ".rmsmp-hls" / "quantize.json").read_text())["facts"]
    assert not facts["reassigned"]
    if "ratio" in options:
        assert facts["ratio"] == [1.0, 1.0, 1.0]
    if "codebook" in options:
        assert facts["codebook"] == "PoT-4"
    params = json.loads((folder / "2_quantize" / "params.json").read_text())
    assert params["activation_bits"] == options.get("activation_bits", 4)


def test_other_images_run_the_import_again(
    built: BuildOutcome, sources: Path, tmp_path: Path
) -> None:
    """Their content counts; a warning about their range reaches the report."""
    folder = shutil.copytree(built.out, tmp_path / "build")
    calib = tmp_path / "images.npz"
    np.savez(calib, pictures=255 * np.load(sources / "images.npz")["pictures"])
    outcome = build(sources / "net.pt2", folder, calib=calib)
    assert outcome.ran == STAGES
    assert "numbers up to 25" in load_report(folder).warnings[0]
    assert built.report.warnings == ()


def test_the_content_of_a_folder_counts(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One other pixel in one file is other calibration data."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        image.fromarray(pixels).save(folder / f"{number}.png")
    given = {"calib": folder, "mean": (0.5,), "std": (0.5,)}
    out = tmp_path / "build"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert first_event(sources, out, **given) == "run"
    assert first_event(sources, out, **given) == "cached"
    pixels[0, 0] ^= 1
    image.fromarray(pixels).save(folder / "2.png")
    assert first_event(sources, out, **given) == "run"


def test_a_float_network_without_images_is_refused(sources: Path, tmp_path: Path) -> None:
    """The message names both ways."""
    result = command(sources, tmp_path / "build")
    assert result.exit_code == ModelImportError.exit_code
    assert "not quantized yet" in result.stderr
    assert "--calib IMAGES" in result.stderr and "rmsmp-hls quantize FILE" in result.stderr


def test_a_quantized_model_takes_no_calibration(model: Path, sources: Path, tmp_path: Path) -> None:
    """Its formats were trained: they are not thrown away in passing."""
    with pytest.raises(ConfigError, match="is quantized already"):
        build(model, tmp_path / "build", calib=sources / "images.npz")


def test_images_that_do_not_fit_are_refused(sources: Path, tmp_path: Path) -> None:
    """In the words of `quantize`."""
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3, 8, 8)))
    result = command(sources, tmp_path / "build", "--calib", str(tmp_path / "wrong.npy"))
    assert result.exit_code == ConfigError.exit_code
    assert "the network takes [N, 1, 8, 8]" in result.stderr


@pytest.mark.slow
def test_the_report_says_how_to_get_it_again(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command, given beside the files, builds the same: no option is missing from it."""
    options = {
        "calib": sources / "images.npz", "calib_images": 6, "activation_bits": 5, "images": 1,
        "ratio": (1 / 3, 1 / 3, 1 / 3), "bias_correction": False, "clock_mhz": 150.0,
        "array": {"channels": 4}, "equalize": "off", "top": "other", "storages": ("native",),
    }  # fmt: skip
    first = flow.build(
        BuildOptions(sources / "net.pt2", "zedboard", out=tmp_path / "first", **options), Recorder()
    )
    monkeypatch.chdir(sources)
    words = shlex.split(first.report.commands[0].command)
    assert words[:3] == ["rmsmp-hls", "build", "net.pt2"]
    again = CliRunner().invoke(program, [*words[1:], "-o", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    for name in ("import", "quantize", "lower", "schedule", "generate"):
        records = [
            json.loads((tmp_path / folder / ".rmsmp-hls" / f"{name}.json").read_text())
            for folder in ("first", "again")
        ]
        assert records[0]["files"] == records[1]["files"], name
        assert records[0]["facts"] == records[1]["facts"], name


def test_the_name_of_a_folder_reaches_the_report(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images in a folder of another name are imported again: the report names it."""
    image = pytest.importorskip("PIL.Image")
    first = tmp_path / "first"
    first.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        image.fromarray(pixels).save(first / f"{number}.png")
    out = tmp_path / "build"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert first_event(sources, out, calib=first) == "run"
    assert first_event(sources, out, calib=first.rename(tmp_path / "second")) == "run"


def test_the_data_file_of_an_onnx_model_counts(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that lie beside the model, as PyTorch exports them, are a part of it."""
    onnx = pytest.importorskip("onnx")
    weights = onnx.numpy_helper.from_array(np.ones((2, 1, 1, 1), np.float32), "w")
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, 8, 8])
        for name, channels in (("x", 1), ("y", 2))
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights]
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    path, data = tmp_path / "net.onnx", tmp_path / "net.data"
    onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=0)
    monkeypatch.setenv("CXX", "no-such-compiler")
    out, calib = tmp_path / "build", sources / "images.npz"

    def event() -> str:
        recorder = Recorder()
        with pytest.raises(ToolError, match="no-such-compiler"):
            flow.build(BuildOptions(path, "zcu102", out=out, calib=calib), recorder)
        return recorder.events[0][1]

    assert event() == "run"
    assert event() == "cached"
    data.write_bytes(np.array([2.0, 3.0], np.float32).tobytes())
    assert event() == "run"
