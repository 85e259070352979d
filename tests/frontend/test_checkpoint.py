"""Checkpoints survive a round trip; everything else is refused, named, and not executed."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.checkpoint import (
    SCHEMA,
    Checkpoint,
    Validation,
    load_checkpoint,
    save_checkpoint,
)
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import place_quantizers
from tests.frontend.models import Residual


class Payload:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


def made() -> Checkpoint:
    graph = trace(Residual(), torch.zeros(1, 2, 8, 8)).graph
    plan = place_quantizers(graph)
    activations = {q.name: ActFormat(q.bits, q.signed, 1 / 3) for q in plan.quantizers}
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        formats = tuple(("SP2-4", "Fixed-4", "Fixed-8")[i % 3] for i in range(op.shape[0]))
        rows[op.name] = RowParams(formats, ConstTensor(np.linspace(0.01, 0.3, op.shape[0])))
    params = QuantParams(activations, rows, (65.0, 30.0, 5.0), "SP2-4", 4, 7, 8)
    inputs = np.random.default_rng(0).random((3, 2, 8, 8), dtype=np.float32)
    data = Validation(ConstTensor(inputs), ConstTensor(np.array([0, 4, 2])))
    meta = {"float_accuracy": 0.75, "fake_quantized_accuracy": 0.5, "note": "a", "seed": 3}
    return Checkpoint(graph, params, data, meta)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    save_checkpoint(path, made())
    return path


def altered(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelImportError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_round_trip_keeps_everything(saved: Path) -> None:
    """What is loaded equals what was saved, to the bit."""
    before, after = made(), load_checkpoint(saved)
    # Residual() draws new weights, so compare with the file's own graph by structure.
    assert after.graph.ops == before.graph.ops and after.graph.output == before.graph.output
    assert after.params == before.params
    assert after.validation == before.validation and dict(after.meta) == dict(before.meta)
    assert (after.float_accuracy, after.fake_quantized_accuracy) == (0.75, 0.5)
    save_checkpoint(saved.with_name("again.pt"), after)
    assert load_checkpoint(saved.with_name("again.pt")) == after


def test_it_holds_tensors_strings_and_numbers_only(saved: Path) -> None:
    """torch's own safe loader reads it, and the schema is at the top."""
    content = torch.load(saved, weights_only=True)
    assert content["schema"] == SCHEMA and content["version"] == 1
    assert set(content) == {
        "schema", "version", "graph", "state", "quant", "row_scales", "validation", "meta",
    }  # fmt: skip
    assert all(t.dtype == torch.float64 for t in content["row_scales"].values())


def test_without_validation_data(tmp_path: Path) -> None:
    """Validation data are optional."""
    whole = made()
    save_checkpoint(tmp_path / "m.pt", Checkpoint(whole.graph, whole.params))
    assert load_checkpoint(tmp_path / "m.pt").validation is None


def test_a_failed_write_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the old checkpoint and no temporary file."""
    old = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ModelImportError, match="No space left"):
        save_checkpoint(saved, made())
    assert saved.read_bytes() == old
    assert [p.name for p in saved.parent.iterdir()] == ["model.pt"]


def test_writing_into_no_folder_is_an_error(tmp_path: Path) -> None:
    """The message says that the folder is missing."""
    with pytest.raises(ModelImportError, match="cannot be written"):
        save_checkpoint(tmp_path / "none" / "m.pt", made())


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    """Each is named as what it is."""
    assert "does not exist" in refusal(tmp_path / "none.pt")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.pt").touch()
    assert "is empty" in refusal(tmp_path / "empty.pt")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_named(saved: Path, share: float) -> None:
    """Whatever is missing at the end, the message says truncated or damaged."""
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    assert "truncated or damaged" in refusal(saved)


def test_a_flipped_bit_is_found(saved: Path) -> None:
    """The archive's checksums are looked at."""
    whole = bytearray(saved.read_bytes())
    whole[len(whole) // 2] ^= 4
    saved.write_bytes(bytes(whole))
    assert "truncated or damaged" in refusal(saved)


def test_other_files_are_named(tmp_path: Path) -> None:
    """Text, a foreign zip and a bare pickle are no models."""
    path = tmp_path / "m.pt"
    path.write_text("hello, this is text")
    assert "not a PyTorch file" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hi")
    assert "not one of torch.save" in refusal(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "bare pickle" in refusal(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_and_exported_programs_are_named(tmp_path: Path) -> None:
    """They are read as checkpoints only; the message says how to save one."""
    net, path = nn.Conv2d(1, 1, 1).eval(), tmp_path / "m.pt"
    torch.jit.trace(net, torch.zeros(1, 1, 4, 4)).save(str(path))
    message = refusal(path)
    assert "TorchScript" in message and "rmsmp_hls.train.save" in message
    program = torch.export.export(net, (torch.zeros(1, 1, 4, 4),))
    exported = tmp_path / "m.pt2"
    torch.export.save(program, exported)
    assert "exported program" in refusal(exported)


@pytest.mark.parametrize("form", ["zip", "legacy", "bare", "inside"])
def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, saved: Path, form: str) -> None:
    """The class is named, and its code did not run; loading it unsafely does run it."""
    victim, path = tmp_path / "victim", tmp_path / "evil.pt"
    payload = Payload(victim)
    if form == "bare":
        path.write_bytes(pickle.dumps(payload))
    elif form == "inside":
        content = torch.load(saved, weights_only=True)
        content["meta"]["note"] = payload
        torch.save(content, path)
    else:
        torch.save(payload, path, _use_new_zipfile_serialization=form == "zip")
    message = refusal(path)
    assert not victim.exists()
    assert "would run code" in message and "mkdir" in message
    if form == "zip":
        torch.load(path, weights_only=False)
        assert victim.exists(), "the payload of this test is harmless: the test proves nothing"


def test_a_pickled_module_is_named(tmp_path: Path) -> None:
    """torch.save(model) stores code references: refused, with the class's name."""
    torch.save(Residual(), tmp_path / "m.pt")
    assert "tests.frontend.models.Residual" in refusal(tmp_path / "m.pt")


def test_a_plain_state_dict_is_named(tmp_path: Path) -> None:
    """Parameters alone are no network, alone or beside an optimizer's state."""
    for content in (Residual().state_dict(), {"state_dict": dict(Residual().state_dict())}):
        torch.save(content, tmp_path / "m.pt")
        assert "a state_dict" in refusal(tmp_path / "m.pt")


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {}, {"schema": "other"}, "text"])
def test_other_contents_are_named(tmp_path: Path, content: object) -> None:
    """Whatever plain object is inside, the message says how to save a checkpoint."""
    torch.save(content, tmp_path / "m.pt")
    assert "rmsmp_hls.train.save" in refusal(tmp_path / "m.pt")


def _set(*path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def _quant(**fields: object) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        content["quant"] = json.dumps({**json.loads(content["quant"]), **fields})

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("version", value=2), "version 2"),
        (_set("version", value="1"), "version '1'"),
        (_set("graph", value=7), "'graph' is not text"),
        (_set("graph", value="{"), "not JSON"),
        (_set("graph", value="[]"), "not a JSON object"),
        (_set("graph", value='{"ops": [{"op": "Exec"}], "output": "x"}'), "unknown operation"),
        (_set("graph", value='{"ops": [], "output": "x"}'), "no result"),
        (_set("state", value=[]), "'state' is not a table"),
        (_set("state", "fc.bias", value=torch.zeros(6)), "[6], not [5]"),
        (_set("state", "fc.bias", value="text"), "not a tensor"),
        (_set("state", "fc.bias", value=torch.full((5,), torch.nan)), "NaN or infinite"),
        (_set("state", "fc.bias", value=torch.zeros(5, dtype=torch.int64)), "torch.int64"),
        (lambda c: c["state"].pop("fc.bias"), "'fc.bias' is missing"),
        (_set("state", "bn1.running_var", value=-torch.ones(8)), "not positive"),
        (_set("row_scales", "fc", value=torch.zeros(5, dtype=torch.float64)), "not positive"),
        (_set("row_scales", "fc", value=torch.ones(4, dtype=torch.float64)), "4] row scales"),
        (_set("row_scales", "fc", value=torch.ones(5)), "float64"),
        (_quant(rows={}), "no format for each"),
        (_quant(ratio=[1, 2]), "impossible ratio"),
        (_quant(ratio=[0, 0, 0]), "impossible ratio"),
        (_quant(codebook="Fixed-4"), "codebook 'Fixed-4'"),
        (_quant(activation_bits=9), "widths"),
        (_quant(multiplier_terms=4), "4 terms"),
        (_quant(multiplier_terms="2"), "'2' terms"),
        (_quant(activations={"x": {"bits": 8, "signed": True, "scale": -1}}), "tensor 'x'"),
        (_quant(activations={"x": 3}), "tensor 'x'"),
        (_set("validation", "labels", value=torch.zeros(2, dtype=torch.int64)), "2 labels"),
        (_set("validation", "inputs", value=torch.zeros(3, 1, 8, 8)), "the network reads"),
        (_set("validation", "inputs", value=torch.full((3, 2, 8, 8), torch.inf)), "NaN or inf"),
        (_set("meta", "note", value=[1]), "meta entry 'note'"),
    ],
)
def test_wrong_parts_are_named(
    saved: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    """Each wrong part is an error that names it."""
    assert words in refusal(altered(saved, change))


def test_all_bad_layers_are_listed(saved: Path) -> None:
    """Findings of several layers come in one error."""

    def change(content: dict[str, Any]) -> None:
        content["state"]["fc.bias"][0] = torch.nan
        content["state"]["conv1.weight"][0] = torch.inf

    message = refusal(altered(saved, change))
    assert "'fc.bias'" in message and "'conv1.weight'" in message
