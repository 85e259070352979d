"""Files of torch.export.save for the tests: written, taken apart, changed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._export.serde.schema import SCHEMA_VERSION
from torch._export.serde.serialize import serialize

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.pt2 import load_exported_program
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.verify import verify

Edit = Callable[[dict[str, bytes]], object]
GRAPH = "models/model.json"
CONFIG = "data/weights/model_weights_config.json"
OLD_STATE = "serialized_state_dict.pt"


def export(
    net: nn.Module,
    path: Path,
    shape: tuple[int, ...] = (2, 2, 8, 8),
    dynamic: dict[int, Any] | None = None,
    **options: Any,
) -> Path:
    """Write the file as a user does."""
    program = torch.export.export(
        net, (torch.zeros(shape),), dynamic_shapes=(dynamic,) if dynamic else None, **options
    )
    torch.export.save(program, path)
    return path


def assert_equal(found: FloatGraph, net: nn.Module, shape: tuple[int, ...]) -> None:
    """The graph is the one that tracing the module makes, to the last bit."""
    verify(found, "pt2")
    expected = trace(net, torch.zeros(1, *shape)).graph
    assert found.ops == expected.ops and found.output == expected.output
    assert dict(found.constants) == dict(expected.constants)


def refusal(path: Path) -> str:
    with pytest.raises(ModelImportError) as caught:
        load_exported_program(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def rewritten(path: Path, edit: Edit, compression: int = zipfile.ZIP_STORED) -> Path:
    """Change members (named without their root folder) of an archive."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].split("/")[0] + "/"
        if "/" not in archive.namelist()[0]:
            root = ""
        members = {name.removeprefix(root): archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(root + name, content)
    return path


def in_json(name: str, *place: str | int, value: object) -> Edit:
    """Return an edit that sets one value inside a JSON member."""

    def change(members: dict[str, bytes]) -> None:
        document = json.loads(members[name])
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        members[name] = json.dumps(document).encode()

    return change


def old_layout(net: nn.Module, path: Path, state: bytes | None = None) -> Path:
    """Write the members that PyTorch 2.6 and 2.7 write, by PyTorch's own serializer."""
    artifact = serialize(torch.export.export(net, (torch.zeros(2, 2, 8, 8),)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", artifact.exported_program)
        archive.writestr(OLD_STATE, artifact.state_dict if state is None else state)
        archive.writestr("serialized_constants.pt", artifact.constants)
        archive.writestr("serialized_example_inputs.pt", artifact.example_inputs)
        archive.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
    return path
