"""Compiling the testbench: cache, first error, missing compiler, headers."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain import ap_int, gxx
from rmsmp_hls.toolchain.ap_int import find_ap_int, stage_ap_int
from rmsmp_hls.toolchain.gxx import Compiler, Storage, compile_testbench, compile_testbenches

needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
needs_hls4ml = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("hls4ml") is None, reason="hls4ml is not installed"
)
MAIN = "int main() { return 0; }\n"


def project(folder: Path, top: str = MAIN, testbench: str = "static int unused;\n") -> Path:
    for name, text in (("src/top.cpp", top), ("testbench/testbench.cpp", testbench),
                       ("sim/a.h", "")):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def fake_compiler(tmp_path: Path) -> Compiler:
    """A compiler that notes its arguments and writes a program."""
    script = tmp_path / "fake-g++"
    script.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "open(sys.argv[sys.argv.index('-o') + 1], 'w').write('program')\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return Compiler((str(script),), "fake 1.0", "native")


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_same_content_is_compiled_once(tmp_path: Path, fake_compiler: Compiler) -> None:
    """Sources, flags and compiler version decide; time stamps do not."""
    root, build = project(tmp_path / "p"), tmp_path / "b"
    (first,) = compile_testbenches(root, [Storage.NATIVE], build, fake_compiler)
    project(tmp_path / "p")  # same content, new time stamps
    (again,) = compile_testbenches(root, [Storage.NATIVE], build, fake_compiler)
    assert first == again
    assert len(calls(tmp_path)) == 1
    (root / "sim/a.h").write_text("// changed")
    (other,) = compile_testbenches(root, [Storage.NATIVE], build, fake_compiler)
    assert other != first
    assert not first.exists(), "the outdated program is removed"
    newer = Compiler(fake_compiler.argv, "fake 2.0", "native")
    assert compile_testbenches(root, [Storage.NATIVE], build, newer) != (other,)
    assert len(calls(tmp_path)) == 3


@needs_hls4ml
def test_flags_select_the_storage(tmp_path: Path, fake_compiler: Compiler) -> None:
    """Native needs no vendor header; ap_int gets them by -isystem, not by -I."""
    root, build = project(tmp_path / "p"), tmp_path / "b"
    compile_testbenches(root, list(Storage), build, fake_compiler)
    by_storage = sorted(calls(tmp_path), key=lambda line: "-DRMSMP_NATIVE" in line)
    ap, native = by_storage
    assert "-DRMSMP_NATIVE" in native
    assert "-isystem" not in native
    assert f"-isystem {build / 'ap_types'}" in ap or "-isystem" in ap
    for line in by_storage:
        assert "-std=c++14" in line
        assert "-march=native" in line


@needs_gxx
def test_real_compiler_is_found_and_described() -> None:
    """Version and what -march=native means here."""
    compiler = gxx.find_compiler()
    assert compiler.version
    assert compiler.argv


@needs_gxx
def test_the_compilers_first_error_is_shown(tmp_path: Path) -> None:
    """And no half program is left, so that the next run compiles again."""
    root = project(tmp_path / "p", top="int main() { return oops; }\n")
    with pytest.raises(ToolError) as caught:
        compile_testbench(root, Storage.NATIVE, tmp_path / "b")
    assert "src/top.cpp:1:21: error: 'oops' was not declared" in str(caught.value).replace(
        "\u2018", "'"
    ).replace("\u2019", "'")
    assert "compile-native.log" in str(caught.value)
    assert not list((tmp_path / "b").glob("csim-*"))
    project(tmp_path / "p")
    program = compile_testbench(root, Storage.NATIVE, tmp_path / "b")
    assert subprocess.run([program], timeout=10).returncode == 0


def test_missing_compiler_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback; CXX is named if it is to blame."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ToolError, match=r"g\+\+ is not installed") as caught:
        compile_testbench(project(tmp_path / "p"), Storage.NATIVE, tmp_path / "b")
    assert "apt-get install g++" in caught.value.fix
    monkeypatch.setenv("CXX", "no-such-cxx -m64")
    with pytest.raises(ToolError, match=r"no-such-cxx is not installed \(the variable CXX"):
        gxx.find_compiler()


@needs_gxx
def test_cxx_may_hold_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """CXX="env g++" works as in a Makefile."""
    monkeypatch.setenv("CXX", "env g++")
    assert gxx.find_compiler().argv == ("env", "g++")


def test_not_a_project(tmp_path: Path, fake_compiler: Compiler) -> None:
    """A folder without src/top.cpp is named."""
    with pytest.raises(ToolError, match="not a generated project"):
        compile_testbenches(tmp_path, [Storage.NATIVE], tmp_path / "b", fake_compiler)


def vendor(folder: Path) -> Path:
    (folder / "include/etc").mkdir(parents=True)
    for name in ("ap_int.h", "ap_common.h", "etc/ap_private.h", "hls_stream.h"):
        (folder / "include" / name).write_text("// vendor")
    return folder


def test_vendor_headers_win_and_are_used_in_place(tmp_path: Path) -> None:
    """An installed tool comes before the PyPI package; its files are not copied."""
    headers = find_ap_int({"XILINX_VITIS": str(vendor(tmp_path / "Vitis"))})
    assert headers.vendor
    assert headers.origin.startswith("XILINX_VITIS=")
    assert stage_ap_int(headers, tmp_path / "copy") == tmp_path / "Vitis/include"
    assert not (tmp_path / "copy").exists()


@needs_hls4ml
def test_hls4ml_headers_are_copied_with_their_notice(tmp_path: Path) -> None:
    """Only the arithmetic headers: hls4ml's hls_stream.h would shadow ours."""
    headers = find_ap_int({"XILINX_HLS": str(tmp_path / "gone")})
    assert not headers.vendor
    assert headers.origin.startswith("hls4ml ")
    folder = stage_ap_int(headers, tmp_path / "ap_types")
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {"ap_int.h", "etc/ap_private.h", "NOTICE"} <= names
    assert all(n.startswith("ap_") for n in names - {"etc/ap_private.h", "NOTICE"})
    assert "Apache License" in (folder / "NOTICE").read_text()
    header = (folder / "etc/ap_private.h").read_text()
    assert header.startswith("// Changed by rmsmp-hls"), "the licence asks to say so"
    original = (headers.folder / "etc/ap_private.h").read_text()
    slow = "clearUnusedBits(void) volatile"
    assert header.partition("\n")[2] == original.replace(slow, "clearUnusedBits(void)")
    (folder / "ap_int.h").write_text("// marked")
    assert (stage_ap_int(headers, folder) / "ap_int.h").read_text() == "// marked", "copied once"
    (folder / "NOTICE").unlink()  # as if killed while copying
    assert (stage_ap_int(headers, folder) / "ap_int.h").read_text() != "// marked"


@needs_hls4ml
def test_hls4ml_is_not_imported() -> None:
    """Finding the headers must not load a package that takes seconds to import."""
    code = (
        "import sys; from rmsmp_hls.toolchain.ap_int import find_ap_int; find_ap_int({}); "
        "assert 'hls4ml' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_headers_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both remedies."""
    monkeypatch.setattr(ap_int.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="ap_int headers were not found") as caught:
        find_ap_int({})
    assert "pip install hls4ml" in caught.value.fix
