"""The new spellings in files: dynamic batches, constants, and damaged values in all of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.pt2 import load_exported_program
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import SelectChannels
from tests.frontend.execute_float import execute
from tests.frontend.exported import GRAPH, export, in_json, refusal, rewritten
from tests.frontend.models import randomized
from tests.frontend.networks import IMAGE, NETWORKS, Csp, Handmade

CONSTANTS = "data/constants/model_constants_config.json"


@pytest.mark.parametrize("name", ["shufflenet v2", "handmade", "line"])
def test_a_dynamic_batch_is_read(name: str, tmp_path: Path) -> None:
    """Where the batch stays the first dimension, the graph is that of a fixed one."""
    make, shape = NETWORKS[name]
    net = randomized(make()).eval()
    path = export(net, tmp_path / "net.pt2", (4, *shape), {0: torch.export.Dim("batch")})
    found, expected = load_exported_program(path), trace(net, torch.zeros(1, *shape)).graph
    assert found.ops == expected.ops and dict(found.constants) == dict(expected.constants)


class Chosen(nn.Module):
    """Channels selected by constants of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("kept", torch.tensor([3, 0]))
        self.register_buffer("lost", torch.tensor([-1, 2], dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x[:, [1, 0]] + x[:, self.kept] + x.index_select(1, self.lost)


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    return export(Chosen().eval(), tmp_path / "net.pt2", (2, *IMAGE))


def test_constant_indices_are_read(tmp_path: Path) -> None:
    """Lifted constants, buffers and those that are not saved, from their raw bytes."""
    net = Chosen().eval()
    net.lost = torch.tensor([2, 0], dtype=torch.int32)
    graph = load_exported_program(export(net, tmp_path / "net.pt2", (2, *IMAGE)))
    indices = [op.indices for op in graph.of_type(SelectChannels)]  # type: ignore[attr-defined]
    assert sorted(indices) == [(1, 0), (2, 0), (3, 0)]
    x = torch.randn(2, *IMAGE)
    torch.testing.assert_close(execute(graph, x), net(x))
    assert graph.ops == trace(net, torch.zeros(1, *IMAGE)).graph.ops


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("use_pickle",), True, "not a constant list"),
        (("tensor_meta", "dtype"), 7, "not a constant list"),
        (("tensor_meta", "sizes"), [{"as_int": 1 << 30}], "not a constant list"),
        (("tensor_meta", "sizes"), [{"as_int": 1 << 10}], "reaches past its"),
        (("tensor_meta", "storage_offset"), {"as_int": 5}, "reaches past its"),
        (("path_name",), "../../secret", "no name of a file"),
    ],
)
def test_damaged_constants_are_refused(
    chosen: Path, place: tuple[str, ...], value: Any, words: str
) -> None:
    """Nothing is unpickled for an index, and nothing read outside of its bytes."""
    edit = in_json(CONSTANTS, "config", "lifted_tensor_0", *place, value=value)
    assert words in refusal(rewritten(chosen, edit))


@pytest.mark.parametrize(
    ("make", "changes"),
    [(Csp, 40), pytest.param(Csp, 400, marks=pytest.mark.slow),
     pytest.param(Handmade, 400, marks=pytest.mark.slow)],
)  # fmt: skip
def test_changed_numbers_are_refused_or_read(make: Any, changes: int, tmp_path: Path) -> None:
    """Any number or name of the graph may be wrong: the answer is a graph or our own error."""
    torch.manual_seed(0)
    net = randomized(make()).eval()
    path = export(net, tmp_path / "net.pt2", (2, *IMAGE))
    original = path.read_bytes()
    members: dict[str, bytes] = {}
    rewritten(path, members.update)
    document = json.loads(members[GRAPH])
    nodes = document["graph_module"]["graph"]["nodes"]
    generator, refused = random.Random(0), 0
    for _ in range(changes):
        inputs = generator.choice([node["inputs"] for node in nodes if node["inputs"]])
        argument = generator.choice(inputs)
        before = dict(argument)
        argument["arg"] = generator.choice(
            [
                {"as_int": generator.choice([-(1 << 62), -1, 0, 1, 2, 3, 7, 1 << 40])},
                {"as_ints": [generator.randint(-2, 5) for _ in range(generator.randint(0, 6))]},
                {"as_none": True}, {"as_float": 1e308}, {"as_string": "x"}, {"as_bool": True},
                {"as_tensor": {"name": generator.choice(["x", "input"])}},
                generator.choice(inputs)["arg"],
            ]
        )  # fmt: skip
        text = json.dumps(document).encode()
        path.write_bytes(original)
        rewritten(path, lambda found, text=text: found.update({GRAPH: text}))
        try:
            load_exported_program(path)
        except ModelImportError:
            refused += 1
        argument.clear()
        argument.update(before)
    assert refused > changes / 2
    path.write_bytes(original)
    found, expected = load_exported_program(path), trace(net, torch.zeros(1, *IMAGE)).graph
    assert found.ops == expected.ops
