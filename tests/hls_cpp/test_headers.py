"""Build and run the C++ tests of hls_cpp: every header, both storage policies, both standards."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rmsmp_hls.resources import asset_dir
from rmsmp_hls.toolchain.ap_int import find_ap_int, stage_ap_int

HLS_CPP = asset_dir("hls_cpp")
TESTS = sorted(path.stem for path in (HLS_CPP / "test").glob("test_*.cpp"))
# Headers whose test has another name; all others have test_<header>.cpp.
COVERED_BY = {
    "ap_types": "test_types",
    "beats": "test_tensor_io",
    "native_types": "test_types",
    "pragmas": "test_types",
    "units": "test_types",
    "weight_ports": "test_accelerator",
    "fetch": "test_activation_memory",
    "window": "test_activation_memory",
}
QUICK_AP_INT = (
    "test_dot",
    "test_drain",
    "test_multiplier",
    "test_activation_memory",
    "test_requantize",
    "test_shift_add",
)
WARNINGS = (
    "-Wall", "-Wextra", "-Werror",
    "-Wno-unknown-pragmas",  # #pragma HLS
    "-Wno-unused-label",  # labels name the loops in synthesis reports
)  # fmt: skip
# g++ takes members of the vendor's ap_int, set through a volatile pointer, for unset.
VENDOR_WARNINGS = ("-Wno-uninitialized", "-Wno-maybe-uninitialized")
# The open ap_int.h refuses __SYNTHESIS__; our sources are to be compiled with it.
SYNTHESIS_SHIM = """\
#pragma once
#pragma push_macro("__SYNTHESIS__")
#undef __SYNTHESIS__
#include_next <ap_int.h>
#pragma pop_macro("__SYNTHESIS__")
"""


@pytest.fixture(scope="session")
def ap_int(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stage_ap_int(find_ap_int(), tmp_path_factory.mktemp("ap_int"))


def _compile(
    source: Path, output: Path, *flags: str, compiler: str = "g++", standard: str = "c++11"
) -> None:
    includes = [f"-I{HLS_CPP / folder}" for folder in ("rmsmp", "sim", "example")]
    command = [compiler, f"-std={standard}", *WARNINGS, *flags, *includes]
    if "-fsyntax-only" not in flags:
        command += ["-o", str(output)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def _run(program: Path) -> None:
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout


def test_every_header_has_a_test() -> None:
    """hls_cpp/rmsmp/<header>.hpp is exercised by a C++ test of its name, or a named one."""
    headers = {path.stem for path in (HLS_CPP / "rmsmp").glob("*.hpp")}
    assert headers
    assert {h for h in headers if COVERED_BY.get(h, f"test_{h}") not in TESTS} == set()


@pytest.mark.parametrize("name", TESTS)
def test_native(name: str, tmp_path: Path) -> None:
    """The C++ test passes on native integers, C++11, without ap_int.h anywhere."""
    _compile(HLS_CPP / "test" / f"{name}.cpp", tmp_path / name, "-DRMSMP_NATIVE", "-O0")
    _run(tmp_path / name)


@pytest.mark.parametrize("ports", [2, 4])
def test_weight_ports(ports: int, tmp_path: Path) -> None:
    """Whole programs on the example's array with more weight ports: beats of several words."""
    flags = ("-DRMSMP_NATIVE", "-DARRAY=RmsmpConfig", f"-DPORTS={ports}", "-O0")
    _compile(HLS_CPP / "test" / "test_accelerator.cpp", tmp_path / "program", *flags)
    _run(tmp_path / "program")


@pytest.mark.slow
@pytest.mark.parametrize("ports", [2, 4])
@pytest.mark.parametrize("native", [True, False])
def test_weight_ports_of_all_arrays(native: bool, ports: int, tmp_path: Path, ap_int: Path) -> None:
    """The same on all test arrays: port words of 32 to 512 bits, both storage policies."""
    flags = ("-DRMSMP_NATIVE",) if native else (*VENDOR_WARNINGS, "-isystem", str(ap_int))
    source = HLS_CPP / "test" / "test_accelerator.cpp"
    _compile(source, tmp_path / "program", "-O1", f"-DPORTS={ports}", *flags)
    _run(tmp_path / "program")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TESTS if name != "test_sim"])
def test_ap_int(name: str, tmp_path: Path, ap_int: Path) -> None:
    """The C++ test passes on ap_int, C++11; the accelerator on all test arrays."""
    flags = (*VENDOR_WARNINGS, "-O1", "-isystem", str(ap_int))
    _compile(HLS_CPP / "test" / f"{name}.cpp", tmp_path / name, *flags)
    _run(tmp_path / name)


@pytest.mark.parametrize("name", QUICK_AP_INT)
def test_ap_int_quick(name: str, tmp_path: Path, ap_int: Path) -> None:
    """The units where widths matter most pass on ap_int: the quick form of the above."""
    flags = (*VENDOR_WARNINGS, "-O0", "-isystem", str(ap_int))
    _compile(HLS_CPP / "test" / f"{name}.cpp", tmp_path / name, *flags)
    _run(tmp_path / name)


@pytest.mark.slow
def test_example_accelerator_on_ap_int(tmp_path: Path, ap_int: Path) -> None:
    """Whole programs on the example's array, exact widths, without optimization."""
    flags = ("-DARRAY=RmsmpConfig", *VENDOR_WARNINGS, "-O0", "-isystem", str(ap_int))
    _compile(HLS_CPP / "test" / "test_accelerator.cpp", tmp_path / "program", *flags)
    _run(tmp_path / "program")


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
def test_accelerator_as_cpp14(native: bool, tmp_path: Path, ap_int: Path) -> None:
    """The same answers as C++14, with optimization, both storage policies."""
    flags = ("-DRMSMP_NATIVE",) if native else (*VENDOR_WARNINGS, "-isystem", str(ap_int))
    source = HLS_CPP / "test" / "test_accelerator.cpp"
    _compile(source, tmp_path / "program", "-O2", *flags, standard="c++14")
    _run(tmp_path / "program")


@pytest.mark.slow
def test_accelerator_under_sanitizers(tmp_path: Path) -> None:
    """No out-of-bounds access and no undefined arithmetic but shifts of negative numbers.

    Those are arithmetic in every compiler we name, and defined from C++20 on.
    """
    flags = ("-DRMSMP_NATIVE", "-O1", "-fsanitize=address,undefined", "-fno-sanitize=shift")
    trap = "-fno-sanitize-recover=all"
    _compile(HLS_CPP / "test" / "test_accelerator.cpp", tmp_path / "program", *flags, trap)
    _run(tmp_path / "program")


@pytest.mark.parametrize("standard", ["c++11", "c++14"])
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("storage", ["ap_int", "native"])
def test_top_compiles_as_for_synthesis(
    compiler: str, standard: str, storage: str, tmp_path: Path, ap_int: Path
) -> None:
    """top.cpp compiles with __SYNTHESIS__ defined, all warnings on and fatal."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "ap_int.h").write_text(SYNTHESIS_SHIM)
    flags = ("-DRMSMP_NATIVE",)
    if storage == "ap_int":
        flags = ("-isystem", str(shim), "-isystem", str(ap_int))
    _compile(
        HLS_CPP / "example" / "top.cpp", tmp_path / "none", "-D__SYNTHESIS__", "-fsyntax-only",
        *flags, compiler=compiler, standard=standard,
    )  # fmt: skip


def test_shape_that_the_array_cannot_have_names_the_knob(tmp_path: Path) -> None:
    """A hand edit of config.hpp fails to compile with a sentence that names the field."""
    text = (HLS_CPP / "example" / "config.hpp").read_text()
    (tmp_path / "config.hpp").write_text(text.replace("kBanks = 4", "kBanks = 3"))
    top = (HLS_CPP / "example" / "top.cpp").read_text()
    (tmp_path / "top.cpp").write_text(top)
    includes = [f"-I{HLS_CPP / folder}" for folder in ("rmsmp", "sim")]
    done = subprocess.run(
        ["g++", "-std=c++11", "-DRMSMP_NATIVE", "-fsyntax-only", *includes,
         str(tmp_path / "top.cpp")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "banks must be a power of two" in done.stderr
