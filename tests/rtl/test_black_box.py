"""RTL black boxes: descriptor, Verilog and C model agree with one another and with integers."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rmsmp_hls.codegen.render import render
from rmsmp_hls.codegen.views import array_view
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.lane_costs import RELOAD_CYCLES
from rmsmp_hls.resources import asset_dir
from rmsmp_hls.rtl.black_box import BlackBox, black_box_files, black_boxes
from rmsmp_hls.rtl.lanes import code_weights
from rmsmp_hls.toolchain.ap_int import find_ap_int, stage_ap_int
from tests.codegen.tiny_design import array
from tests.rtl.simulate import join, run_cycles, signed, yosys_or_skip

N, PIXELS = 8, 2
Call = dict[str, int]


def _nibbles(word: int) -> list[int]:
    return [signed(word, 4, k) for k in range(N)]


def _calls(box: BlackBox, rng: random.Random) -> list[Call]:
    """Random arguments, all bits set and none first; tables reload every 20 calls."""
    calls = []
    for t in range(120):
        call = {
            port.name: rng.getrandbits(port.width) if t > 1 else -t & ((1 << port.width) - 1)
            for port in box.ports
            if not port.output
        }
        if box.name == "rmsmp_table_dots":
            call["load"], call["swap"] = t % 20 == 1, t % 20 == 19
            codes = [rng.choice([c for c in range(16) if c not in (6, 7, 15)]) for _ in range(N)]
            call["codes"] = join(codes, 4)
        if box.name == "rmsmp_requantize_code":
            low, high = sorted(rng.randint(-1000, 1000) for _ in range(2))
            call["low"], call["high"] = low & 0xFFFFFFFF, high & 0xFFFFFFFF
        calls.append(call)
    return calls


def _expected(box: BlackBox, calls: list[Call], book: str) -> list[list[int]]:
    """The outputs of every call, from plain integers."""
    weights = code_weights(book)
    active = coming = [0] * N
    results = []
    for c in calls:
        if box.name == "rmsmp_shift_add_dot":
            codes = [(c["codes"] >> (4 * k)) & 15 for k in range(N)]
            activations = _nibbles(c["activations"])
            results.append([sum(weights[w] * a for w, a in zip(codes, activations, strict=True))])
        elif box.name == "rmsmp_packed_dot":
            rows = [_nibbles(c["w0"]), _nibbles(c["w1"])]
            pixels = [_nibbles(c["a0"]), _nibbles(c["a1"])]
            results.append(
                [sum(w * a for w, a in zip(r, p, strict=True)) for r in rows for p in pixels]
            )
        elif box.name == "rmsmp_table_dots":
            if c["swap"]:
                active = coming
            if c["load"]:
                coming = [(c["codes"] >> (4 * k)) & 15 for k in range(N)]
            dots = [
                sum(
                    weights[w] * signed(c["activations"], 4, p * N + k)
                    for k, w in enumerate(active)
                )
                for p in range(PIXELS)
            ]
            bits = box.ports[-1].width // PIXELS
            results.append([join(dots, bits)])
        else:
            acc, multiplier, bias = (
                signed(c[name], port.width)
                for name, port in (("acc", box.ports[0]), ("multiplier", box.ports[1]),
                                   ("bias", box.ports[2]))
            )  # fmt: skip
            value = (acc * multiplier + bias) >> c["shift"]
            results.append([max(signed(c["low"], 32), min(signed(c["high"], 32), value))])
    return results


def _boxes(shape: ArrayShape) -> dict[str, BlackBox]:
    return {box.name: box for box in black_boxes(shape)}


SHAPES = {"us": array("SP2-4"), "s7": array("APoT-4", DspFamily.DSP48E1)}
NAMES = sorted(_boxes(SHAPES["us"]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rtl(name: str, shape: str, tmp_path: Path) -> None:
    """The module computes the function with the latency its descriptor states, over stalls."""
    box = _boxes(SHAPES[shape])[name]
    book = SHAPES[shape].shift_add_codebook
    rng = random.Random(name)
    calls = _calls(box, rng)
    wanted = _expected(box, calls, book)
    cycles: list[Call] = [{"ap_rst": 1, "ap_ce": 1}] * 2
    queue = list(calls)
    while queue:
        ready = rng.random() < 0.8
        cycles.append({**queue[0], "ap_ce": ready, "ap_start": 1, "ap_continue": 1})
        if ready:
            queue.pop(0)
    cycles += [{"ap_ce": 1, "ap_continue": 1}] * (box.latency + 2)
    inputs = {"ap_rst": 1, "ap_ce": 1, "ap_start": 1, "ap_continue": 1}
    inputs |= {port.name: port.width for port in box.ports if not port.output}
    outputs = {port.name: port.width for port in box.ports if port.output}
    valid = next(iter(outputs)) + "_ap_vld"
    outputs |= {"ap_done": 1, "ap_idle": 1, "ap_ready": 1, valid: 1}
    files = black_box_files(SHAPES[shape])
    sources = {
        path.removeprefix("rtl/"): data.decode()
        for path, data in files.items()
        if path.removeprefix("rtl/") in {f"{box.name}.v", *box.sources}
    }
    seen = run_cycles(tmp_path, yosys_or_skip(), sources, box.name, inputs, outputs, cycles)
    enabled = [row for row, cycle in zip(seen, cycles, strict=True) if cycle["ap_ce"]][2:]
    done = [row for row in enabled if row["ap_done"] == 1]
    assert enabled[box.latency]["ap_done"] == 1 and enabled[box.latency - 1]["ap_done"] == 0
    assert len(done) == len(calls) and enabled[-1]["ap_idle"] == 1
    ports = [port for port in box.ports if port.output]
    got = [
        [signed(row[p.name], p.width) if p.signed else row[p.name] for p in ports] for row in done
    ]
    first = RELOAD_CYCLES + 3 if name == "rmsmp_table_dots" else 0  # no tables before
    assert got[first:] == wanted[first:]
    assert all(row[valid] == row["ap_ready"] == 1 for row in done)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_c_models(shape: str, tmp_path: Path) -> None:
    """The C models, compiled with ap_int, compute the same."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    for path, data in black_box_files(SHAPES[shape]).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    shutil.copytree(asset_dir("hls_cpp") / "rmsmp", tmp_path / "src" / "rmsmp")
    view = array_view(SHAPES[shape])
    (tmp_path / "src" / "config.hpp").write_text(render("config.hpp.j2", array=view))
    headers = stage_ap_int(find_ap_int(), tmp_path / "ap_int")
    wanted, main = [], ['#include <cstdio>\n#include "rtl/black_boxes.hpp"\nint main() {']
    for name, box in _boxes(SHAPES[shape]).items():
        calls = _calls(box, random.Random(name))[:60]
        wanted += _expected(box, calls, SHAPES[shape].shift_add_codebook)
        outputs = [port for port in box.ports if port.output]
        for call in calls:
            values = [
                f'{port.type}("{call[port.name]:x}", 16)' if not port.output else port.name
                for port in box.ports
            ]
            main.append(" {" + "".join(f"{p.type} {p.name};" for p in outputs))
            main.append(f"  {name}({', '.join(values)});")
            main += [f'  std::printf("%lld ", {p.name}.to_int64());' for p in outputs]
            main.append('  std::printf("\\n"); }')
    main.append("}\n")
    (tmp_path / "main.cpp").write_text("\n".join(main))
    subprocess.run(
        ["g++", "-std=c++14", "-O0", "-DRMSMP_OWN_STREAM", "-I.", "-isystem", str(headers),
         f"-I{asset_dir('hls_cpp') / 'sim'}", "-Wno-unknown-pragmas", "main.cpp",
         *(f"rtl/{name}.cpp" for name in NAMES), "-o", "main"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    text = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout
    assert [[int(n) for n in line.split()] for line in text.splitlines()] == wanted


@pytest.mark.parametrize("shape", SHAPES)
def test_descriptors_name_what_is_there(shape: str) -> None:
    """Files, ports and latency of the JSON are those of the written Verilog and C++."""
    files = black_box_files(SHAPES[shape])
    script = files["rtl/black_boxes.tcl"].decode()
    for name, box in _boxes(SHAPES[shape]).items():
        content = json.loads(files[f"rtl/{name}.json"])
        assert content["c_function_name"] == content["rtl_top_module_name"] == name
        assert set(content["rtl_files"]) <= set(files)
        assert [entry["c_file"] for entry in content["c_files"]] == [f"rtl/{name}.cpp"]
        assert f"$root/rtl/{name}.json" in script
        verilog = files[f"rtl/{name}.v"].decode()
        ports = set(re.findall(r"^ +(?:in|out)put (?:\[\d+:0\] )?(\w+)", verilog, re.MULTILINE))
        named = {
            port for entry in content["c_parameters"] for port in entry["rtl_ports"].values()
        } | set(content["rtl_common_signal"].values())
        assert ports == named
        header = files["rtl/black_boxes.hpp"].decode()
        assert f"void {name}(" in header
        assert int(content["rtl_performance"]["latency"]) == box.latency
        assert int(content["rtl_resource_usage"]["LUT"]) > 0
    uses = {name: box.uses.dsp for name, box in _boxes(SHAPES[shape]).items()}
    assert uses == {
        "rmsmp_shift_add_dot": 0, "rmsmp_packed_dot": N, "rmsmp_table_dots": 0,
        "rmsmp_requantize_code": 1,
    }  # fmt: skip


def test_too_wide_accumulators_are_refused() -> None:
    """An accumulator that one DSP does not take is an error that names the limit."""
    import dataclasses

    with pytest.raises(ConfigError, match="28 bits do not fit one DSP48E2"):
        black_boxes(dataclasses.replace(SHAPES["us"], acc_bits=28))
