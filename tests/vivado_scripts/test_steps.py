"""The step scripts under tclsh, against a stand-in with exactly the documented commands."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from rmsmp_hls.codegen.project import ProjectSettings
from rmsmp_hls.codegen.render import render
from rmsmp_hls.codegen.views import project_view
from rmsmp_hls.errors import CodegenError
from rmsmp_hls.resources import asset_dir

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")
FAKE = Path(__file__).with_name("fake_hls.tcl")
GENERATIONS = {
    "vivado_hls-2020.1": {"XILINX_VIVADO": "/opt/Xilinx/Vivado/2020.1"},
    "vitis_hls-2020.2": {"XILINX_HLS": "/opt/Xilinx/Vitis_HLS/2020.2"},
    "vitis_hls-2022.2": {"XILINX_HLS": "/opt/Xilinx/Vitis_HLS/2022.2"},
    "vitis_hls-2023.2": {"XILINX_HLS": "/opt/Xilinx/Vitis_HLS/2023.2"},
    "unified-2024.2": {"XILINX_VITIS": "/opt/Xilinx/Vitis/2024.2"},
}
STEPS = ("csim", "csynth", "cosim", "export")
SETTINGS = ProjectSettings(top="rmsmp_top", part="xczu9eg-ffvb1156-2-e", clock_period_ns=5.0)


@dataclass(frozen=True)
class Outcome:
    """What a script did: exit code, calls as word lists, other printed lines."""

    exit_code: int
    calls: list[list[str]]
    lines: list[str]

    def call(self, command: str) -> list[str]:
        (found,) = [call[1:] for call in self.calls if call[0] == command]
        return found

    def words(self, command: str) -> str:
        return " ".join(word for call in self.calls if call[0] == command for word in call[1:])


def make_project(folder: Path, settings: ProjectSettings = SETTINGS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for script in asset_dir("vivado_scripts").glob("*.tcl"):
        shutil.copy(script, folder)
    text = render("project.tcl.j2", project=project_view(settings))
    (folder / "project.tcl").write_text(text)
    return folder


def run_step(folder: Path, step: str, generation: str, **env: str) -> Outcome:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("XILINX", "RMSMP"))}
    result = subprocess.run(
        ["tclsh", str(FAKE), generation, str(folder / f"{step}.tcl")],
        env={**clean, **GENERATIONS[generation], **env},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
    )
    lines = (result.stdout + result.stderr).splitlines()
    calls = [line.split("\t")[1:] for line in lines if line.startswith("call\t")]
    return Outcome(result.returncode, calls, [ln for ln in lines if not ln.startswith("call\t")])


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_uses_only_documented_commands(
    tmp_path: Path, step: str, generation: str
) -> None:
    """Each step succeeds in each generation, whose stand-in refuses what is not documented."""
    outcome = run_step(make_project(tmp_path), step, generation)
    assert outcome.exit_code == 0, outcome.lines
    assert f"rmsmp-step: {step} start" in outcome.lines
    assert any(line.startswith(f"rmsmp-step: {step} ok ") for line in outcome.lines)
    assert not any("rmsmp-error" in line for line in outcome.lines)
    dialect, version = generation.split("-")
    assert f"rmsmp-tool: {dialect} {version.replace('.', '')}" in outcome.lines


@pytest.mark.parametrize("generation", GENERATIONS)
def test_commands_come_in_the_tools_order(tmp_path: Path, generation: str) -> None:
    """Project, sources, solution, part, clock, settings, then the step itself."""
    names = [call[0] for call in run_step(make_project(tmp_path), "csynth", generation).calls]
    opening = ["open_project", "set_top", "add_files", "add_files", "open_solution"]
    if generation.startswith("unified"):
        opening = ["open_component", "set_top", "add_files", "add_files"]
    head = [*opening, "set_part", "create_clock", "set_clock_uncertainty"]
    assert names[: len(head)] == head
    assert names[-1] == "csynth_design"
    assert all(name.startswith("config_") for name in names[len(head) : -1])


def test_sources_and_settings_reach_the_tool(tmp_path: Path) -> None:
    """Part, clock, uncertainty, flags and paths are those of the project."""
    root = make_project(tmp_path)
    outcome = run_step(root, "csynth", "vitis_hls-2022.2")
    assert outcome.call("set_top") == ["rmsmp_top"]
    assert outcome.call("set_part") == ["xczu9eg-ffvb1156-2-e"]
    assert outcome.call("create_clock") == ["-period", "5.0", "-name", "default"]
    assert outcome.call("set_clock_uncertainty") == ["0.625"]
    sources, bench = [call[1:] for call in outcome.calls if call[0] == "add_files"]
    assert sources == [f"{root}/src/top.cpp", "-cflags", f"-std=c++14 -I{root}/src"]
    assert bench[:2] == ["-tb", f"{root}/testbench/testbench.cpp"]
    assert f"-I{root}/testbench" in bench[3]
    assert "sim" not in [part for word in [*sources, *bench] for part in word.split("/")]


def test_dialects_differ_where_the_tools_do(tmp_path: Path) -> None:
    """-flow_target, pipeline style, C++ standard and 64-bit addresses follow the generation."""
    root = make_project(tmp_path)
    old = run_step(root, "csynth", "vivado_hls-2020.1")
    new = run_step(root, "csynth", "vitis_hls-2020.2")
    assert old.call("open_solution") == ["-reset", "solution"]
    assert new.call("open_solution") == ["-reset", "solution", "-flow_target", "vivado"]
    assert "-std=c++11" in old.words("add_files")
    assert "-std=c++14" in new.words("add_files")
    assert old.call("config_compile") == ["-pipeline_loops", "0"]
    assert new.call("config_compile") == ["-pipeline_loops", "0", "-pipeline_style", "stp"]
    assert old.call("config_interface") == ["-m_axi_addr64"]
    assert "-m_axi_addr64=true" in new.call("config_interface")
    assert "-m_axi_latency" in new.call("config_interface")
    unified = run_step(root, "csynth", "unified-2024.2")
    assert unified.call("open_component") == [
        "-reset", "hls_component", "-flow_target", "vivado",
    ]  # fmt: skip


def test_32_bit_addresses_are_asked_for_in_both_dialects(tmp_path: Path) -> None:
    """A part with a 32-bit address space gets no 64-bit address registers."""
    settings = ProjectSettings("t", "xc7z020clg400-1", 10.0, m_axi_addr64=False)
    root = make_project(tmp_path, settings)
    assert "config_interface" not in [
        c[0] for c in run_step(root, "csynth", "vivado_hls-2020.1").calls
    ]
    new = run_step(root, "csynth", "vitis_hls-2022.2")
    assert "-m_axi_addr64=false" in new.call("config_interface")


def test_throughput_driven_partitioning_is_off_only_where_documented(tmp_path: Path) -> None:
    """2023.1 on has the option; older and unknown versions do not get it."""
    root = make_project(tmp_path)
    assert run_step(root, "csynth", "vitis_hls-2022.2").words("config_array_partition") == ""
    newer = run_step(root, "csynth", "vitis_hls-2023.2")
    assert newer.call("config_array_partition") == ["-throughput_driven", "off"]
    unknown = run_step(root, "csynth", "vitis_hls-2020.2", XILINX_HLS="/tools/hls")
    assert unknown.exit_code == 0
    assert unknown.words("config_array_partition") == ""


def test_environment_overrides_detection(tmp_path: Path) -> None:
    """RMSMP_HLS_DIALECT and RMSMP_HLS_VERSION win; a wrong dialect is refused by name."""
    root = make_project(tmp_path)
    told = run_step(
        root, "csynth", "vitis_hls-2023.2",
        XILINX_HLS="", RMSMP_HLS_DIALECT="vitis_hls", RMSMP_HLS_VERSION="2023.2",
    )  # fmt: skip
    assert told.exit_code == 0
    assert "rmsmp-tool: vitis_hls 20232" in told.lines
    wrong = run_step(root, "csynth", "vitis_hls-2023.2", RMSMP_HLS_DIALECT="quartus")
    assert wrong.exit_code == 1
    assert any("RMSMP_HLS_DIALECT is 'quartus'" in line for line in wrong.lines)


def test_only_synthesis_drops_earlier_results(tmp_path: Path) -> None:
    """cosim and export need the result of csynth, so they open the design without -reset."""
    root = make_project(tmp_path)
    for step in STEPS:
        opened = run_step(root, step, "vitis_hls-2022.2").call("open_solution")
        assert ("-reset" in opened) == (step == "csynth")


def test_testbench_gets_the_data_folder(tmp_path: Path) -> None:
    """csim runs all vectors, cosim one image."""
    root = make_project(tmp_path)
    csim = run_step(root, "csim", "vitis_hls-2022.2").call("csim_design")
    assert csim == ["-clean", "-argv", f"{root}/data"]
    cosim = run_step(root, "cosim", "vitis_hls-2022.2").call("cosim_design")
    assert cosim[-1] == f"{root}/data --images 1 --batch 1"


def test_export_flow(tmp_path: Path) -> None:
    """The export is plain unless asked for figures; another word is refused before any call."""
    root = make_project(tmp_path)
    plain = run_step(root, "export", "vitis_hls-2022.2").call("export_design")
    assert plain == ["-rtl", "verilog", "-format", "ip_catalog"]
    impl = run_step(root, "export", "vitis_hls-2022.2", RMSMP_HLS_EXPORT_FLOW="impl")
    assert impl.call("export_design")[:2] == ["-flow", "impl"]
    wrong = run_step(root, "export", "vitis_hls-2022.2", RMSMP_HLS_EXPORT_FLOW="[exit 0]")
    assert wrong.exit_code == 1
    assert wrong.calls == []


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("step", "command"),
    [("csim", "csim_design"), ("csynth", "csynth_design"), ("cosim", "set_part"),
     ("export", "export_design")],
)  # fmt: skip
def test_failures_are_reported_on_one_line(
    tmp_path: Path, generation: str, step: str, command: str
) -> None:
    """The tool's message stands on a single rmsmp-error line; the exit code is 1."""
    outcome = run_step(make_project(tmp_path), step, generation, FAKE_HLS_FAIL=command)
    assert outcome.exit_code == 1
    (line,) = [line for line in outcome.lines if line.startswith("rmsmp-error:")]
    assert line == f"rmsmp-error: {step}: ERROR: [HLS 200-70] '{command}' failed as asked"
    assert not any(line.startswith(f"rmsmp-step: {step} ok") for line in outcome.lines)


@pytest.mark.parametrize(
    "part",
    ['x"y', "x]y", "x[exit 3]y", "x;exit 3", "$(touch pwned)", "$env(HOME)", "{", "}", "a b",
     "\\", "x\\", "#x", "", "x}y{", '"; exit 3; "'],
)  # fmt: skip
def test_hostile_settings_stay_one_word(tmp_path: Path, part: str) -> None:
    """Whatever a setting holds, the tool gets it as one literal argument and nothing runs."""
    root = make_project(tmp_path)
    view = project_view(SETTINGS)
    hostile = type(view)(**{**{f: getattr(view, f) for f in view.__slots__}, "part": part})
    (root / "project.tcl").write_text(render("project.tcl.j2", project=hostile))
    outcome = run_step(root, "csynth", "vitis_hls-2022.2")
    assert outcome.exit_code == 0, outcome.lines
    assert outcome.call("set_part") == [part]


@pytest.mark.parametrize("part", ["x\ny", "x\r", "a\0b", "\x1b[0m", "a\u2028b"])
def test_control_characters_never_reach_tcl(part: str) -> None:
    """Line breaks and other control characters are refused when the text is made."""
    view = project_view(SETTINGS)
    hostile = type(view)(**{**{f: getattr(view, f) for f in view.__slots__}, "part": part})
    with pytest.raises(CodegenError, match="control characters"):
        render("project.tcl.j2", project=hostile)


def test_project_path_with_blanks_is_refused(tmp_path: Path) -> None:
    """The tools split option strings at blanks: such a path is named as the problem."""
    outcome = run_step(make_project(tmp_path / "a b"), "csynth", "vitis_hls-2022.2")
    assert outcome.exit_code == 1
    assert any("path of the project holds blanks" in line for line in outcome.lines)


def test_missing_setting_is_named(tmp_path: Path) -> None:
    """A project.tcl of another version fails with the setting's name."""
    root = make_project(tmp_path)
    (root / "project.tcl").write_text("set rmsmp::settings [dict create top t]\n")
    outcome = run_step(root, "csynth", "vitis_hls-2022.2")
    assert outcome.exit_code == 1
    assert any("project.tcl does not say part" in line for line in outcome.lines)


def test_the_stand_in_refuses_what_is_not_documented(tmp_path: Path) -> None:
    """The stand-in is able to fail: an option of another generation is an error in it."""
    script = tmp_path / "wrong.tcl"
    script.write_text("open_project p\nopen_solution s -flow_target vivado\nexit 0\n")
    result = subprocess.run(
        ["tclsh", str(FAKE), "vivado_hls-2020.1", str(script)], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "open_solution: unknown option '-flow_target'" in result.stderr


@pytest.mark.parametrize("generation", ["vitis_hls-2022.2", "unified-2024.2", "vivado_hls-2020.1"])
def test_black_boxes_are_added_where_they_were_written(tmp_path: Path, generation: str) -> None:
    """Vitis HLS gets every descriptor by its path; Vivado HLS, and projects without, get none."""
    from rmsmp_hls.rtl.black_box import black_box_files, black_boxes
    from tests.codegen.tiny_design import array

    project = make_project(tmp_path)
    assert "-blackbox" not in run_step(project, "csynth", generation).words("add_files")
    (project / "rtl").mkdir()
    for path, data in black_box_files(array()).items():
        (project / path).write_bytes(data)
    outcome = run_step(project, "csynth", generation)
    assert outcome.exit_code == 0, outcome.lines
    words = outcome.words("add_files")
    wanted = [f"-blackbox {project}/rtl/{box.name}.json" for box in black_boxes(array())]
    assert [text in words for text in wanted] == [not generation.startswith("vivado")] * 4
