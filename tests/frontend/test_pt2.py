"""Files of torch.export.save become the graphs of `trace`; nothing in them is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._export.serde.schema import SCHEMA_VERSION
from torch._export.serde.serialize import serialize

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.pt2 import is_exported_program, load_exported_program
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.verify import verify
from tests.frontend.models import Functional, Residual, randomized

Edit = Callable[[dict[str, bytes]], object]
GRAPH = "models/model.json"
CONFIG = "data/weights/model_weights_config.json"
OLD_STATE = "serialized_state_dict.pt"


class Payload:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


class Fn(nn.Module):
    """A convolution (`body`), then a function."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 4, 3, padding=1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.body(x))


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


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, bytes]:
    """A network, and the bytes of its file."""
    net = randomized(Residual()).eval()
    return net, export(net, tmp_path_factory.mktemp("pt2") / "net.pt2").read_bytes()


@pytest.fixture
def saved(residual: tuple[nn.Module, bytes], tmp_path: Path) -> Path:
    """A fresh copy of the file."""
    path = tmp_path / "net.pt2"
    path.write_bytes(residual[1])
    return path


class Shared(nn.Module):
    """Modules under several names, in a container and unused; buffers that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        conv, relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()
        self.list = nn.ModuleList([conv, relu, conv, relu])
        self.alias = conv
        self.unused = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
        self.register_buffer("kept", torch.ones(3))
        self.register_buffer("lost", torch.ones(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.list:
            x = part(x)
        return self.alias(x)


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (Residual, (2, 8, 8)),
    "functional": (Functional, (1, 8, 8)),
    "sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 5), (2, 1), (0, 2), (2, 1), bias=False), nn.BatchNorm2d(4),
            nn.ReLU6(), nn.AvgPool2d(2), nn.Dropout2d(0.3), nn.Identity(), nn.Flatten(),
            nn.Linear(16, 7), nn.BatchNorm1d(7), nn.Hardtanh(-0.5, 0.7), nn.Linear(7, 3),
        ),
        (2, 8, 8),
    ),
    "vectors": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), (6,)),
    "one layer": (lambda: nn.Conv2d(2, 3, 3, padding="same"), (2, 8, 8)),
    "nested": (
        lambda: nn.ModuleDict({"a": Fn(F.relu_), "b": nn.Identity()})["a"], (2, 8, 8),
    ),
    "mean": (lambda: Fn(lambda x: x.clamp(max=0.3).mean((2, 3))), (2, 8, 8)),
    "pool": (lambda: Fn(lambda x: F.adaptive_avg_pool2d(x, (2, 4)).contiguous()), (2, 8, 8)),
    "shared": (Shared, (2, 8, 8)),
    "overwrites": (lambda: Fn(lambda x: F.relu_(x) + x), (2, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["fixed", "one image", "dynamic"])
@pytest.mark.parametrize("name", NETS)
def test_a_file_is_the_traced_graph(name: str, kind: str, tmp_path: Path) -> None:
    """Operations, names, module paths and constants equal those of `trace`."""
    make, shape = NETS[name]
    net = randomized(make()).eval()
    batch = 1 if kind == "one image" else 4
    dynamic = {0: torch.export.Dim("n")} if kind == "dynamic" else None
    path = export(net, tmp_path / "net.pt2", (batch, *shape), dynamic)
    assert is_exported_program(path)
    assert_equal(load_exported_program(path), net, shape)


def test_a_strict_export_is_the_same(tmp_path: Path) -> None:
    """The other way of tracing notes the same module paths."""
    net = randomized(Residual()).eval()
    path = export(net, tmp_path / "net.pt2", dynamic={0: torch.export.Dim("n")}, strict=True)
    assert_equal(load_exported_program(path), net, (2, 8, 8))


def test_names_with_separators_are_given_up(tmp_path: Path) -> None:
    """A module's name with a comma cannot be told from its path: the function names it."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            convs = {"a,b": nn.Conv2d(2, 2, 1), "c;d": nn.ReLU(), "e": nn.Conv2d(2, 2, 1)}
            self.parts = nn.ModuleDict(convs)

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts.values():
                x = part(x)
            return x

    graph = load_exported_program(export(Named().eval(), tmp_path / "net.pt2"))
    assert [op.name for op in graph] == ["x", "conv2d", "relu", "parts.e"]


@pytest.mark.filterwarnings("ignore:No complete tensor")
def test_tied_weights_and_layers_called_twice(tmp_path: Path) -> None:
    """Parameters that share memory are read from the one raw file that holds them."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            flat = torch.randn(3, 2, 2, 3, 3)
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.tied = nn.Conv2d(2, 2, 3, padding=1)
            self.part = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.swapped = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.tied.weight = self.conv.weight
            self.part.weight = nn.Parameter(flat[2])
            self.swapped.weight = nn.Parameter(flat[1].transpose(0, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.swapped(self.part(self.tied(self.conv(self.conv(x)))))

    net = Twice().eval()
    graph = load_exported_program(export(net, tmp_path / "net.pt2"))
    assert_equal(graph, net, (2, 8, 8))
    assert [op.name for op in graph.of_type(Conv2d)] == [
        "conv", "conv_1", "tied", "part", "swapped",
    ]  # fmt: skip


def test_double_weights_stay_double(tmp_path: Path) -> None:
    """float64 parameters are taken as they are, as `trace` takes them."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double().eval()
    program = torch.export.export(net, (torch.zeros(1, 2, 8, 8, dtype=torch.float64),))
    torch.export.save(program, tmp_path / "net.pt2")
    graph = load_exported_program(tmp_path / "net.pt2")
    assert graph.constants["0.weight"].array.dtype == np.float64
    assert np.array_equal(graph.constants["0.weight"].array, net[0].weight.detach().numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    """The message names the type and how to convert."""
    net = nn.Conv2d(2, 3, 3).to(dtype).eval()
    program = torch.export.export(net, (torch.zeros(1, 2, 8, 8, dtype=dtype),))
    torch.export.save(program, tmp_path / "net.pt2")
    message = refusal(tmp_path / "net.pt2")
    assert str(dtype) in message and "model.float()" in message


def test_half_parameters_are_all_listed(saved: Path) -> None:
    """Parameters of another type are named, all of them."""
    for key in ("conv1.weight", "fc.bias"):
        rewritten(saved, in_json(CONFIG, "config", key, "tensor_meta", "dtype", value=6))
    message = refusal(saved)
    assert "'conv1.weight'" in message and "'fc.bias'" in message and "torch.float16" in message


def test_training_mode_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """One sentence names the layers; other findings stand beside it."""

    class Net(Residual):
        def forward(self, x: Tensor) -> Tensor:
            return F.silu(super().forward(x))

    message = refusal(export(Net().train(), tmp_path / "net.pt2"))
    assert "as in training, in bn1, dropout, stem.1" in message and "model.eval()" in message
    assert message.count("model.eval()") == 1 and "aten.silu.default" in message


def test_all_unsupported_operations_are_listed(tmp_path: Path) -> None:
    """One error names every operation with its module path, as `trace` does."""
    net = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.SiLU(), nn.GELU(), nn.Conv2d(4, 4, 3))
    message = refusal(export(net.eval(), tmp_path / "net.pt2"))
    assert "3 problems" in message
    assert all(f"module {path}" in message for path in ("'0'", "'1'", "'2'"))


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_decomposed_program_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """run_decompositions() makes other operations; the message says to leave it out."""
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2)).eval()
    program = torch.export.export(net, (torch.zeros(1, 2, 8, 8),)).run_decompositions()
    torch.export.save(program, tmp_path / "net.pt2")
    assert refusal(tmp_path / "net.pt2").count("without run_decompositions()") == 3


class Two(nn.Module):
    """Several inputs."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.relu(x) + y


def test_graphs_inside_the_graph_are_refused(tmp_path: Path) -> None:
    """A block under torch.no_grad() is an operation on graphs; so says the message."""

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                y = F.relu(x)
            return F.relu6(y)

    message = refusal(export(Net(), tmp_path / "net.pt2"))
    assert "wrap_with_set_grad_enabled" in message and "leave torch.no_grad()" in message


def test_several_inputs_and_outputs_are_refused(tmp_path: Path) -> None:
    """The network reads one tensor and returns one."""
    x, path = torch.zeros(1, 2, 8, 8), tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Two(), (x, x)), path)
    assert "takes 2 inputs" in refusal(path)
    assert "returns 2 results" in refusal(export(Fn(lambda y: (y, F.relu(y))), path))  # type: ignore[arg-type,return-value]
    assert "computes nothing" in refusal(export(nn.Identity(), path))


def test_symbolic_sizes_beyond_the_batch_are_refused(tmp_path: Path) -> None:
    """A dynamic height is named; so is every tensor that loses the batch."""
    path = tmp_path / "net.pt2"
    net = nn.Conv2d(2, 4, 3, padding=1).eval()
    message = refusal(export(net, path, dynamic={2: torch.export.Dim("h", min=4)}))
    assert "input 'input'" in message and "only the batch may be dynamic" in message
    mixing = Fn(lambda x: F.relu(x.view(-1, 8, 8)))
    message = refusal(export(mixing, path, dynamic={0: torch.export.Dim("n")}))
    assert "2 problems" in message and "[Mul(4, s" in message and "aten.view.default" in message


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


def test_the_old_layout_is_read(tmp_path: Path) -> None:
    """A file in the layout up to PyTorch 2.7, which torch itself reads too."""
    net = randomized(Residual()).eval()
    path = old_layout(net, tmp_path / "net.pt2")
    assert is_exported_program(path)
    assert_equal(load_exported_program(path), net, (2, 8, 8))
    x = torch.randn(2, 2, 8, 8)
    torch.testing.assert_close(torch.export.load(path).module()(x), net(x))


def test_parameters_in_one_torch_save_file_are_read(saved: Path, residual: Any) -> None:
    """The first archives held the state_dict as data/weights/model.pt."""
    buffer = io.BytesIO()
    torch.save(residual[0].state_dict(), buffer)
    rewritten(saved, lambda members: members.update({"data/weights/model.pt": buffer.getvalue()}))
    rewritten(saved, lambda members: [members.pop(n) for n in list(members) if "weight_" in n])
    assert_equal(load_exported_program(saved), residual[0], (2, 8, 8))


def payload(victim: Path, form: str = "zip") -> bytes:
    buffer = io.BytesIO()
    if form == "bare":
        return pickle.dumps({"fc.bias": Payload(victim)})
    torch.save({"fc.bias": Payload(victim)}, buffer, _use_new_zipfile_serialization=form == "zip")
    return buffer.getvalue()


def test_pickles_that_are_not_needed_are_never_opened(saved: Path, residual: Any) -> None:
    """Code in example inputs, constants and pickled weights that nothing reads does not run."""
    victim = saved.parent / "victim"
    code = payload(victim)

    def plant(members: dict[str, bytes]) -> None:
        pickled = {"is_param": False, "use_pickle": True, "tensor_meta": None}
        members["data/sample_inputs/model.pt"] = code
        members["data/constants/model.pt"] = code
        constants = {}
        for name in ("custom_obj_0", "opaque_obj_0", "tensor_0"):
            members[f"data/constants/{name}"] = code
            constants[name] = {"path_name": name, **pickled}
        members["data/constants/model_constants_config.json"] = json.dumps(
            {"config": constants}
        ).encode()
        members["data/weights/weight_99"] = code
        config = json.loads(members[CONFIG])
        config["config"]["extra"] = {"path_name": "weight_99", **pickled}
        members[CONFIG] = json.dumps(config).encode()

    assert_equal(load_exported_program(rewritten(saved, plant)), residual[0], (2, 8, 8))
    assert not victim.exists()
    with pytest.raises(Exception):  # noqa: B017 - whatever torch makes of the rest
        torch.export.load(saved)
    assert victim.exists(), "the payload of this test is harmless: the test proves nothing"


def test_a_pickled_parameter_is_refused(saved: Path) -> None:
    """A weight that only a pickle holds is named and stays unread."""
    victim = saved.parent / "victim"

    def plant(members: dict[str, bytes]) -> None:
        config = json.loads(members[CONFIG])
        entry = config["config"]["fc.bias"]
        entry["use_pickle"] = True
        members[f"data/weights/{entry['path_name']}"] = payload(victim)
        members[CONFIG] = json.dumps(config).encode()

    message = refusal(rewritten(saved, plant))
    assert "parameter 'fc.bias'" in message and "pickled" in message and not victim.exists()


@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("member", [OLD_STATE, "data/weights/model.pt"])
def test_a_state_dict_that_would_run_code_is_refused(
    tmp_path: Path, form: str, member: str
) -> None:
    """The older layouts pickle the parameters: what would run is named, and does not run."""
    victim, path = tmp_path / "victim", tmp_path / "net.pt2"
    code = payload(victim, form)
    if member == OLD_STATE:
        old_layout(Residual().eval(), path, code)
    else:
        export(Residual().eval(), path)
        rewritten(path, lambda members: members.update({member: code}))
    message = refusal(path)
    assert "would run code" in message and "mkdir" in message and not victim.exists()
    if form == "zip":
        torch.load(io.BytesIO(code), weights_only=False)
        assert victim.exists(), "the payload of this test is harmless: the test proves nothing"


@pytest.mark.parametrize("member", ["serialized_constants.pt", "serialized_example_inputs.pt"])
def test_other_pickles_of_the_old_layout_are_never_opened(tmp_path: Path, member: str) -> None:
    """Constants and example inputs are not looked at."""
    victim, path, net = tmp_path / "victim", tmp_path / "net.pt2", Residual().eval()
    old_layout(net, path)
    rewritten(path, lambda members: members.update({member: payload(victim)}))
    assert_equal(load_exported_program(path), net, (2, 8, 8))
    assert not victim.exists()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    """Whatever is missing at the end, the message says truncated or damaged."""
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    assert not is_exported_program(saved)
    assert "truncated or damaged" in refusal(saved)


def test_a_flipped_bit_is_found(saved: Path) -> None:
    """The checksum of each member that is read is looked at."""
    with zipfile.ZipFile(saved) as archive:
        offset = archive.getinfo("net/data/weights/weight_0").header_offset + 200
    whole = bytearray(saved.read_bytes())
    whole[offset] ^= 4
    saved.write_bytes(bytes(whole))
    assert "truncated or damaged" in refusal(saved)


@pytest.mark.parametrize("member", [GRAPH, CONFIG, "data/weights/weight_0", "archive_format"])
def test_a_missing_member_is_named(saved: Path, member: str) -> None:
    """A member that is gone, is an error."""
    message = refusal(rewritten(saved, lambda members: members.pop(member)))
    assert member in message or "no archive" in message or "0 networks" in message


NODE = ("graph_module", "graph", "nodes", 0)
NORM, DROP = (*NODE[:-1], 1), (*NODE[:-1], -2)
META = ("config", "fc.weight", "tensor_meta")
CASES: list[tuple[Edit, str]] = [
    (lambda m: m.update({GRAPH: b"{"}), "is not JSON"),
    (lambda m: m.update({GRAPH: b"\xff\xfe"}), "is not JSON"),
    (lambda m: m.update({GRAPH: b"[" * 200_000}), "is not JSON"),
    (lambda m: m.update({GRAPH: b"[]"}), "is not a table"),
    (lambda m: m.update({CONFIG: b"[]"}), "is not a table"),
    (lambda m: m.update({CONFIG: b'{"config": {}}'}), "is missing from the parameters"),
    (lambda m: m.update({"archive_format": b"pt9"}), "archive format"),
    (lambda m: m.update({"archive_version": b"7"}), "archive version"),
    (lambda m: m.update({"byteorder": b"big"}), "byteorder"),
    (lambda m: m.update({"models/b.json": m[GRAPH]}), "2 networks"),
    (lambda m: m.update({"../../victim": b""}), "outside of it"),
    (in_json(GRAPH, "schema_version", "major", value=9), "version 9"),
    (in_json(GRAPH, "schema_version", "major", value="8"), "is not an integer"),
    (in_json(GRAPH, "graph_module", "graph", value=None), "is not a table"),
    (in_json(GRAPH, "graph_module", "graph", "nodes", value={}), "is not a list"),
    (in_json(GRAPH, "graph_module", "graph", "nodes", value=[]), "which nothing makes"),
    (in_json(GRAPH, "graph_module", "graph", "tensor_values", value={}), "tensor_values"),
    (in_json(GRAPH, "graph_module", "signature", "input_specs", value=[]), "takes 0 inputs"),
    (in_json(GRAPH, *NODE, "target", value=3), "is not a string"),
    (in_json(GRAPH, *NODE, "target", value="os.system"), "os.system: is not supported"),
    (in_json(GRAPH, *NODE, "target", value="torch.ops.aten.nosuch.default"), "not supported"),
    (in_json(GRAPH, *NODE, "target", value="a\nb"), "not a printable name"),
    (in_json(GRAPH, *NODE, "inputs", value=[]), "computes nothing"),
    (in_json(GRAPH, *NODE, "inputs", 0, "name", value="novel"), "'novel'"),
    (in_json(GRAPH, *NODE, "inputs", 0, "arg", value={"as_tensor": {"name": "y"}}), "before it"),
    (in_json(GRAPH, *NODE, "inputs", 0, "arg", value={}), "0 entries"),
    (in_json(GRAPH, *NODE, "inputs", 3, "arg", value={"as_string": "ab"}), "that it cannot have"),
    (in_json(GRAPH, *NODE, "inputs", 3, "arg", value={"as_ints": [0, 0]}), "impossible window"),
    (in_json(GRAPH, *NODE, "inputs", 3, "arg", value={"as_ints": [2, 2]}), "cannot make shape"),
    (in_json(GRAPH, *NODE, "inputs", 3, "arg", value={"as_ints": [True]}), "not an integer"),
    (in_json(GRAPH, *NORM, "inputs", 7, "arg", value={"as_float": 1e300}), "has eps=1e+300"),
    (in_json(GRAPH, *NORM, "inputs", 7, "arg", value={"as_float": "NaN"}), "has eps=nan"),
    (in_json(GRAPH, *DROP, "inputs", 1, "arg", value={"as_float": -1.0}), "probability -1.0"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=1 << 50), "reaches past"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=6), "reaches past"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=4), "has shape [4, 12], not [5, 12]"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=-5), "reaches past"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=0), "is empty"),
    (in_json(CONFIG, *META, "sizes", 0, "as_int", value=5.0), "not an integer"),
    (in_json(CONFIG, *META, "sizes", value=[{"as_int": 60}]), "not a plain strided tensor"),
    (in_json(CONFIG, *META, "strides", 0, "as_int", value=13), "reaches past"),
    (in_json(CONFIG, *META, "strides", 0, "as_int", value=1 << 100), "reaches past"),
    (in_json(CONFIG, *META, "strides", 0, "as_int", value=-1), "reaches past"),
    (in_json(CONFIG, *META, "storage_offset", "as_int", value=1), "reaches past"),
    (in_json(CONFIG, *META, "storage_offset", "as_int", value=-1), "reaches past"),
    (in_json(CONFIG, *META, "layout", value=1), "not a plain strided tensor"),
    (in_json(CONFIG, *META, "dtype", value=99), "number type 99"),
    (in_json(CONFIG, "config", "fc.weight", "tensor_meta", value=None), "is not a table"),
    (in_json(CONFIG, "config", "fc.weight", "path_name", value="../x"), "no name of a file"),
    (in_json(CONFIG, "config", "fc.weight", "path_name", value=".."), "no name of a file"),
    (in_json(CONFIG, "config", "fc.weight", "path_name", value="w"), "no member"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), CASES)
def test_damaged_contents_are_refused(saved: Path, edit: Edit, words: str) -> None:
    """Wrong types, values that do not fit and places outside are errors that say so."""
    assert words in refusal(rewritten(saved, edit))


@pytest.mark.parametrize("place", ["sizes", "strides"])
def test_a_tensor_of_few_bytes_and_many_elements_is_refused(saved: Path, place: str) -> None:
    """A stride of 0 makes no gigabytes of a few bytes."""
    steps = [{"as_int": 0}, {"as_int": 0}]
    rewritten(saved, in_json(CONFIG, *META, "strides", value=steps))
    size = [{"as_int": 1 << 20}, {"as_int": 1 << 20}]
    rewritten(saved, in_json(CONFIG, *META, "sizes", value=size if place == "sizes" else size[:1]))
    assert "reaches past" in (message := refusal(saved)) or "not a plain" in message


def test_compressed_members_are_refused(saved: Path) -> None:
    """A file of a few bytes cannot swell: PyTorch compresses nothing, so nothing is inflated."""
    bomb = rewritten(saved, lambda m: m.update({"x": bytes(1 << 24)}), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    assert "compressed" in refusal(bomb)


def test_declared_sizes_beyond_the_file_are_refused(saved: Path) -> None:
    """A directory that promises a huge member is refused before anything is read."""
    whole = bytearray(saved.read_bytes())
    entry = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"weight_0"))
    whole[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    saved.write_bytes(bytes(whole))
    assert "declares more bytes" in refusal(saved)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_refused(saved: Path) -> None:
    """Two readers could see two different files."""
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(f"net/{GRAPH}", b"{}")
    assert "same name" in refusal(saved)


def test_nan_and_variances_are_refused(tmp_path: Path) -> None:
    """Parameters are checked as those of a module are."""
    net = Residual().eval()
    net.conv1.weight.data[0, 0, 0, 0] = torch.nan
    net.bn1.running_var[:] = -1
    message = refusal(export(net, tmp_path / "net.pt2"))
    assert "'conv1.weight' holds 1 values" in message and "'bn1.running_var'" in message


def test_other_files_are_no_exported_programs(tmp_path: Path) -> None:
    """Text, folders, missing files and checkpoints are told apart."""
    path = tmp_path / "m.pt"
    assert not is_exported_program(path) and not is_exported_program(tmp_path)
    assert "does not exist" in refusal(path)
    path.write_text("hello, this is text")
    assert not is_exported_program(path) and "damaged" in refusal(path)
    torch.save({"a": torch.zeros(3)}, path)
    assert not is_exported_program(path) and "no archive" in refusal(path)


def test_load_model_tells_the_kinds_apart(saved: Path, residual: Any) -> None:
    """An exported program comes without a checkpoint; anything else is tried as one."""
    loaded = load_model(saved)
    assert loaded.checkpoint is None
    assert_equal(loaded.graph, residual[0], (2, 8, 8))
    assert any(isinstance(op, BatchNorm) for op in loaded.graph)
    torch.save({"a": torch.zeros(3)}, saved)
    with pytest.raises(ModelImportError, match="a state_dict"):
        load_model(saved)
