"""Nothing in a file of torch.export.save is executed; damaged ones are refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from rmsmp_hls.frontend.pt2 import is_exported_program, load_exported_program
from tests.frontend.exported import (
    CONFIG,
    GRAPH,
    OLD_STATE,
    Edit,
    assert_equal,
    export,
    in_json,
    old_layout,
    refusal,
    rewritten,
)
from tests.frontend.models import Residual


class Payload:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


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
