"""Files that are damaged or made to harm: refused cleanly, nothing read from elsewhere."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.onnx.data_files import data_files
from rmsmp_hls.frontend.onnx.load import read_onnx
from rmsmp_hls.frontend.onnx.wire import is_onnx_file
from tests.flow.test_hostile_names import HOSTILE
from tests.frontend.onnx.models import model, node, read, weights

onnx = pytest.importorskip("onnx")
IMAGE = (1, 4, 6, 6)
ANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def plain() -> bytes:
    """Return a sound file."""
    nodes = [node("Conv", "x w", "c"), node("Relu", "c")]
    return bytes(model(nodes, IMAGE, {"w": weights(2, 4, 3, 3)}).SerializeToString())


def refused_or_read(content: bytes, folder: Path) -> None:
    """Read the bytes; only our own error may come."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    try:
        load_model(path)
    except ModelImportError as error:
        assert str(path) in str(error)


@ANY
@given(st.binary(max_size=300))
def test_random_bytes(tmp_path: Path, content: bytes) -> None:
    """Random bytes are refused with the file's name."""
    refused_or_read(content, tmp_path)


@ANY
@given(st.data())
def test_damaged_bytes(tmp_path: Path, data: Any) -> None:
    """A file with bytes overwritten is refused or read, never more."""
    content = bytearray(plain())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    refused_or_read(bytes(content), tmp_path)


@ANY
@given(st.integers(0, 10_000))
def test_truncated(tmp_path: Path, end: int) -> None:
    """A truncated file is refused as damaged."""
    content = plain()
    path = tmp_path / "model.onnx"
    path.write_bytes(content[: end % (len(content) - 1)])
    with pytest.raises(ModelImportError):
        read_onnx(path)


def test_truncated_files_are_still_known_as_onnx(tmp_path: Path) -> None:
    """The start of a file tells its kind, also under another name."""
    path = tmp_path / "model.bin"
    path.write_bytes(plain()[:200])
    assert is_onnx_file(path)
    with pytest.raises(ModelImportError, match="truncated or damaged"):
        load_model(path)


def test_other_files_are_no_onnx(tmp_path: Path) -> None:
    """Zip archives, pickles, text and pictures are not taken for ONNX."""
    for content in (b"PK\x03\x04" * 20, b"\x80\x02}q\0.", b"hello world\n", b"\x89PNG\r\n\x1a\n"):
        path = tmp_path / "model.pt"
        path.write_bytes(content)
        assert not is_onnx_file(path)
    assert not is_onnx_file(tmp_path / "missing")


@pytest.mark.slow
def test_a_bomb_of_empty_messages(tmp_path: Path) -> None:
    """Millions of empty nodes, which protobuf would turn into objects, are counted first."""
    graph = b"\x0a\x00" * 5_000_000
    length, size = b"", len(graph)
    while size:
        length += bytes([(size & 127) | (128 if size > 127 else 0)])
        size >>= 7
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08\x3a" + length + graph)
    started = time.monotonic()
    with pytest.raises(ModelImportError, match="more than 4000000 entries"):
        read_onnx(path)
    assert time.monotonic() - started < 30


def test_deep_graphs(tmp_path: Path) -> None:
    """Graphs within graphs within graphs are refused before they are parsed."""
    graph = onnx.helper.make_graph([node("Relu", "x", "i")], "g", [], [])
    for _ in range(20):
        graph = onnx.helper.make_graph([node("If", "c", then_branch=graph)], "g", [], [])
    with pytest.raises(ModelImportError, match="graphs inside of graphs"):
        read(model([node("If", "c", then_branch=graph)], IMAGE), tmp_path)


def external(location: str, size: int = 128, **entries: str) -> bytes:
    """Return a model whose weight lies in another file."""
    proto = model([node("Conv", "x w")], IMAGE, {"w": weights(8, 4, 1, 1)})
    (tensor,) = proto.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in ({"location": location, "length": str(size)} | entries).items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return bytes(proto.SerializeToString())


def test_external_data_in_the_folder(tmp_path: Path) -> None:
    """Data files in the model's folder are read, at their offsets."""
    array = weights(8, 4, 1, 1)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"12345678" + array.tobytes())
    (tmp_path / "m.onnx").write_bytes(external("weights/w.bin", offset="8"))
    graph = read_onnx(tmp_path / "m.onnx").graph
    np.testing.assert_array_equal(graph.constants["Conv_y.weight"].array, array)


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "sub/../../secret.bin", "/etc/passwd", "..\\secret.bin", "C:/x", "", "a\0b"],
)
def test_external_data_elsewhere(location: str, tmp_path: Path) -> None:
    """Nothing outside of the model's folder is read."""
    (tmp_path / "secret.bin").write_bytes(bytes(128))
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "m.onnx").write_bytes(external(location))
    with pytest.raises(ModelImportError, match=r"outside of the model's folder; nothing was read"):
        read_onnx(folder / "m.onnx")


def test_external_data_behind_a_link(tmp_path: Path) -> None:
    """A link that leads out of the folder is not followed."""
    (tmp_path / "secret.bin").write_bytes(bytes(128))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "m.onnx").write_bytes(external("w.bin"))
    with pytest.raises(ModelImportError, match="link out of the model's folder"):
        read_onnx(folder / "m.onnx")


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"length": "4"}, "needs 128 bytes"),
        ({"offset": "100"}, "needs 128 bytes"),
        ({"offset": "-5"}, "needs 128 bytes"),
        ({"offset": "many"}, "no sound offset"),
        ({"location": "missing.bin"}, "is not there"),
        ({"location": "."}, "is not there"),
    ],
)
def test_external_data_of_wrong_size(entries: dict[str, str], match: str, tmp_path: Path) -> None:
    """Sizes and offsets are checked against the data file."""
    (tmp_path / "w.bin").write_bytes(bytes(128))
    (tmp_path / "m.onnx").write_bytes(external(**({"location": "w.bin"} | entries)))
    with pytest.raises(ModelImportError, match=match):
        read_onnx(tmp_path / "m.onnx")


def test_a_pipe_is_no_data_file(tmp_path: Path) -> None:
    """A named pipe in the place of a data file does not stop the program."""
    os.mkfifo(tmp_path / "w.bin")
    (tmp_path / "m.onnx").write_bytes(external("w.bin"))
    with pytest.raises(ModelImportError, match="is not there or cannot be read"):
        read_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 40), (-1, 4), (1 << 20, 4, 1, 1)])
def test_gigantic_tensors(dims: tuple[int, ...], tmp_path: Path) -> None:
    """A tensor that claims to be gigantic is refused without the memory for it."""
    proto = model([node("Conv", "x w")], IMAGE, {"w": weights(8, 4, 1, 1)})
    del proto.graph.initializer[0].dims[:]
    proto.graph.initializer[0].dims.extend(dims)
    with pytest.raises(ModelImportError, match=r"impossible shape|do not fit its shape"):
        read(proto, tmp_path)


def test_gigantic_images(tmp_path: Path) -> None:
    """Upsampling beyond all measure is refused."""
    scales = np.array([1, 1, 1000, 1000], np.float32)
    nodes = [node("Upsample", "x s", "a"), node("Upsample", "a s", "b"), node("Upsample", "b s")]
    with pytest.raises(ModelImportError, match="makes a tensor of the size"):
        read(model(nodes, IMAGE, {"s": scales}, opset=9), tmp_path)


@pytest.mark.parametrize("kind", ["STRING", "COMPLEX64", "UNDEFINED"])
def test_tensors_of_other_types(kind: str, tmp_path: Path) -> None:
    """Strings are no numbers; complex weights are refused where they are read."""
    proto = model([node("Conv", "x w")], IMAGE, {"w": weights(8, 4, 1, 1)})
    proto.graph.initializer[0].data_type = onnx.TensorProto.DataType.Value(kind)
    with pytest.raises(ModelImportError):
        read(proto, tmp_path)


def test_duplicated_names(tmp_path: Path) -> None:
    """Two initializers of one name are refused."""
    proto = model([node("Conv", "x w")], IMAGE, {"w": weights(8, 4, 1, 1)})
    proto.graph.initializer.append(proto.graph.initializer[0])
    with pytest.raises(ModelImportError, match="is there twice"):
        read(proto, tmp_path)


@pytest.mark.parametrize("name", [n for n in HOSTILE if n != "\ud800"])
def test_names_become_identifiers(name: str, tmp_path: Path) -> None:
    """Names of nodes, tensors and weights reach the graph as identifiers only."""
    weight = f"{name}.weight"
    nodes = [
        onnx.helper.make_node("Conv", ["x", weight], ["c"], name),
        onnx.helper.make_node("Relu", ["c"], [name or "y"], name),
    ]
    constants = {weight: weights(8, 4, 1, 1)}
    graph = read(model(nodes, IMAGE, constants, outputs=(name or "y",)), tmp_path).graph
    for op in graph:
        assert op.name.replace("_", "a").replace(".", "a").isalnum() and op.name.isascii()
        assert op.name[0].isalpha() and ".." not in op.name and len(op.name) < 110
        assert op.module.isprintable() and len(op.module) <= 80
    assert all(key.isascii() and key.isprintable() for key in graph.constants)


def test_the_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package onnx the message says what to install."""
    path = tmp_path / "model.onnx"
    path.write_bytes(plain())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelImportError, match=r"pip install 'rmsmp-hls\[onnx\]'"):
        load_model(path)


def test_data_files_are_listed(tmp_path: Path) -> None:
    """Each once; none outside of the folder, missing, or of a file that is no ONNX file."""
    (tmp_path / "w.bin").write_bytes(bytes(128))
    (tmp_path / "m.onnx").write_bytes(external("w.bin"))
    assert data_files(tmp_path / "m.onnx") == (tmp_path / "w.bin",)
    for location in ("../w.bin", "/etc/passwd", "missing.bin", ""):
        (tmp_path / "m.onnx").write_bytes(external(location))
        assert data_files(tmp_path / "m.onnx") == ()
    for content in (b"", b"PK\x03\x04", b"\x08\x07" + bytes(40)):
        (tmp_path / "m.onnx").write_bytes(content)
        assert data_files(tmp_path / "m.onnx") == ()
    assert data_files(tmp_path / "nothing.onnx") == ()
