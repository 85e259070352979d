"""The check of the synthesized part: every sin planted is found where it was planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.resources import asset_dir
from rmsmp_hls.toolchain.hls_check import check_synthesizable

CLEAN = """\
#pragma once
#include <ap_int.h>
/// A comment may say new, float, while and std::vector.
template <typename U>
int Sum(const int (&values)[U::kCount], int count, const int* port) {
#pragma HLS INLINE
  int sum = 0;
Value:
  for (int i = 0; i < U::kCount; ++i) {
#pragma HLS UNROLL
    sum += values[i];
  }
Rest:
  for (int i = 0; i < count; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 8
    sum += port[i];
  }
  if (sum > 0) sum += values[0];
#ifndef __SYNTHESIS__
  std::vector<double> log;
  while (sum < 0) log.push_back(1.5);
#else
  sum += 1;
#endif
  RMSMP_SIM(std::vector<float> other(3); do_something(new int));
  return sum;
}
"""

SINS = {
    "new": ("int* a = new int[4];", "dynamic memory ('new')"),
    "delete": ("delete a;", "dynamic memory ('delete')"),
    "malloc": ("a = malloc(4);", "dynamic memory ('malloc')"),
    "free": ("free(a);", "dynamic memory ('free')"),
    "virtual": ("struct A { virtual int F(); };", "virtual function"),
    "throw": ("throw 1;", "exception ('throw')"),
    "try": ("try { sum = 1; } catch (int e) { sum = 2; }", "exception ('try')"),
    "float": ("float f = 1;", "floating point ('float')"),
    "double": ("double f = 1;", "floating point ('double')"),
    "literal": ("sum += 1.5;", "floating point (1.5)"),
    "exponent": ("sum += 1e3;", "floating point (1e3)"),
    "container": ("std::vector<int> v;", "standard library"),
    "iostream": ("cout << sum;", "output"),
    "goto": ("goto Value;", "goto"),
    "while": ("while (sum) sum -= 1;", "unbounded loop"),
    "do": ("do { sum -= 1; } while (sum);", "unbounded loop"),
    "typeid": ("typeid(sum);", "run-time type information"),
    "dynamic_cast": ("dynamic_cast<A*>(b);", "run-time type information"),
    "pointer to function": ("int (*f)(int) = 0;", "pointer to a function"),
    "no label": ("for (int i = 0; i < 4; ++i) sum += i;", "loop without a label"),
    "endless": ("L: for (;;) sum += 1;", "not of the form"),
    "backwards": ("L: for (int i = 9; i >= 0; --i) sum += i;", "not of the form"),
    "condition": ("L: for (int i = 0; Busy(i); ++i) sum += i;", "not of the form"),
    "no trip count": ("L: for (int i = 0; i < count; ++i) sum += i;", "no LOOP_TRIPCOUNT"),
    "pragma": ("\n#pragma HLS PIPLINE II = 1", "unknown directive: #pragma HLS PIPLINE"),
    "include": ("\n#include <vector>", "includes <vector>"),
    "access under a condition": ("if (sum) sum += port[0];", "'port' under a condition"),
    "access in a block": ("if (sum) { sum = 1; sum += port[0]; }", "'port' under a condition"),
    "access in the other branch": (
        "if (sum) sum = 1; else sum += port[0];",
        "'port' under a condition",
    ),
    "access by choice": ("sum += sum ? port[0] : 1;", "'port' under a condition"),
    "self call": ("return Sum<U>(values, count - 1);", "recursive: Sum"),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "unit.hpp"


def test_clean_source_has_no_findings(source: Path) -> None:
    """Comments, simulation branches and RMSMP_SIM statements are not searched."""
    source.write_text(CLEAN)
    assert check_synthesizable([source]) == []


@pytest.mark.parametrize("name", SINS)
def test_each_sin_is_found_with_its_line(source: Path, name: str) -> None:
    """A sin planted in the clean source gives a finding with file and line."""
    sin, message = SINS[name]
    marker = "  int sum = 0;\n"
    before, after = CLEAN.split(marker)
    source.write_text(before + marker + f"  {sin}\n" + after)
    line = before.count("\n") + 2 + sin.count("\n")
    if name == "self call":
        line = 5  # recursion is reported where the function is defined
    findings = check_synthesizable([source])
    assert any(f.line == line and message in f.what for f in findings), findings
    assert all(f.path == source for f in findings)


def test_simulation_branch_of_else_is_skipped(source: Path) -> None:
    """`#ifdef __SYNTHESIS__ ... #else` hides the else branch, `#ifndef ... #else` shows it."""
    source.write_text("#ifdef __SYNTHESIS__\nint a;\n#else\nfloat b;\n#endif\n")
    assert check_synthesizable([source]) == []
    source.write_text("#ifndef __SYNTHESIS__\nint a;\n#else\nfloat b;\n#endif\n")
    assert [f.line for f in check_synthesizable([source])] == [4]
    source.write_text("#ifdef __VITIS_HLS__\nfloat a;\n#else\nfloat b;\n#endif\n")
    assert [f.line for f in check_synthesizable([source])] == [2, 4]


def test_recursion_through_two_files_is_found(tmp_path: Path) -> None:
    """f calls g in another file, which calls f: both are recursive; h is not."""
    first, second = tmp_path / "f.hpp", tmp_path / "g.hpp"
    first.write_text("inline int F(int a) {\n  return G(a);\n}\ninline int H() { return F(1); }\n")
    second.write_text("\ninline int G(int a) { return a ? F(a - 1) : 0; }\n")
    found = {(f.path.name, f.line) for f in check_synthesizable([first, second])}
    assert found == {("f.hpp", 1), ("g.hpp", 2)}


def test_misspelt_pragma_of_a_macro_is_found(source: Path) -> None:
    """Directives hidden in a macro of pragmas.hpp are checked as well."""
    source.write_text("#define M(name) \\\n  RMSMP_PRAGMA(HLS BIND_STORE variable = name)\n")
    assert [f.line for f in check_synthesizable([source])] == [1]


def test_multiplication_in_the_shift_add_unit_is_found(tmp_path: Path) -> None:
    """shift_add.hpp has no `*`; other files may multiply."""
    text = "inline int F(int a) {\n  return a * 3;\n}\n"
    for name in ("shift_add.hpp", "dot.hpp"):
        (tmp_path / name).write_text(text)
    found = check_synthesizable([tmp_path / "shift_add.hpp", tmp_path / "dot.hpp"])
    assert [(f.path.name, f.line) for f in found] == [("shift_add.hpp", 2)]


def test_our_hardware_passes() -> None:
    """All headers of the accelerator and the example's top function are synthesizable."""
    root = asset_dir("hls_cpp")
    files = [*sorted((root / "rmsmp").glob("*.hpp")), *sorted((root / "example").iterdir())]
    assert len(files) > 15
    assert [str(finding) for finding in check_synthesizable(files)] == []
