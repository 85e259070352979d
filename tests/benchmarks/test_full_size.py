"""What the benchmark of networks at full size keeps of a run, and what the page says of it."""

from __future__ import annotations

import copy
import sys

import pytest

MIB = 1 << 20


def test_refusals_are_counted_by_operation() -> None:
    """The most frequent first, each with the first text of its kind; others by their words."""
    import full_size

    problems = ["aten.cat.default: is not supported", "aten.conv2d.default: has groups=24",
                "aten.conv2d.default: has groups=58", "does not fit"]  # fmt: skip
    assert full_size.reasons(problems) == [
        "2 x aten.conv2d.default: has groups=24",
        "1 x aten.cat.default: is not supported",
        "1 x does not fit",
    ]
    assert full_size.reasons([]) == []


def test_a_failed_command_keeps_its_error() -> None:
    """Time and memory stay; the words from `error:` on are kept."""
    import full_size
    from watch import Watched

    lines = (
        (0.5, "import  …"),
        (1.0, "error: layer 'a': too large"),
        (1.1, "  -> make it smaller"),
    )
    found = full_size.seconds_and_memory(Watched(1.25, lines, ((0.1, 3 * MIB),), 0, 6))
    words = "error: layer 'a': too large   -> make it smaller"
    assert found == {"seconds": 1.25, "peak_mib": 3, "failed": words}
    assert "failed" not in full_size.seconds_and_memory(Watched(1.25, lines, (), 0))


def test_a_command_may_fail_if_told_so() -> None:
    """Its exit code and output come back."""
    from watch import watch

    run = watch([sys.executable, "-c", "print('so far'); raise SystemExit(7)"], may_fail=True)
    assert run.exit_code == 7
    assert [line for _, line in run.lines] == ["so far"]


@pytest.fixture
def built() -> dict:
    """A result of a network that was built, with round figures."""
    stages = ("import", "quantize", "lower", "schedule", "generate", "csim")
    return {
        "machine": {
            "processor": "P", "processors": 2, "memory_gib": 8.0, "compiler": "g++", "python": "3",
            "packages": {"torch": "2"}, "omp_num_threads": "1",
        },
        "other_programs_share": 0.0,
        "figures": {
            "calibration_images": 8, "program_mib": 50.0, "read_seconds": 0.5,
            "quantize": {"seconds": 30.0, "peak_mib": 1024},
            "boards": {"zcu102": {
                "check": {"seconds": 1.0, "problems": []},
                "build": {"seconds": 9.0, "peak_mib": 512},
                "stages": {name: {"seconds": 2.0, "peak_mib": 100} for name in stages},
                "modelled_latency_ms": 5.0, "modelled_utilization": 0.25, "gmacs": 1.8,
                "csim": {"native": {"compile_seconds": 3.0, "seconds": 1.0, "compared": 1000,
                                    "mismatches": 0}},
            }},
        },
    }  # fmt: skip


def test_the_way_to_the_project_is_quantize_and_the_stages_before_csim(built: dict) -> None:
    """The simulation does not count; memory is that of the larger command."""
    from full_size_table import memory, to_generated

    figures = built["figures"]
    assert to_generated(figures, figures["boards"]["zcu102"]) == 40.0
    assert memory(figures, figures["boards"]["zcu102"]) == 1.0
    assert to_generated(figures, {"stages": {"import": {"seconds": 1.0}}}) is None
    assert memory(figures, {}) is None


def test_aims_are_reached_missed_or_not_measured(built: dict) -> None:
    """Each of the three is said; nothing is claimed without a figure."""
    from full_size_table import full_size_section

    def line(result: dict, words: str) -> str:
        text = full_size_section({"resnet18": result})
        return next(line for line in text.splitlines() if words in line)

    assert line(built, "one image, `native`").endswith("| 3 s | 1 s | yes |")
    assert "not measured" in line(built, "one image, `ap_int`")
    assert "yes" not in line(built, "one image, `ap_int`")
    assert line(built, "generated project").endswith("| 60 s | 40 s | yes |")
    slow = copy.deepcopy(built)
    slow["figures"]["quantize"]["seconds"] = 55.0
    assert line(slow, "generated project").endswith("| 65 s | **no** |")


def test_a_refused_network_is_in_the_table_with_its_reasons(built: dict) -> None:
    """And is not among those with times."""
    from full_size_table import full_size_section

    refused = {
        **built,
        "figures": {
            "calibration_images": 8, "program_mib": 1.0,
            "boards": {"zcu102": {"check": {"seconds": 1.0, "problems": ["3 x a | b", "1 x c"]}}},
        },
    }  # fmt: skip
    text = full_size_section({"resnet18": built, "vgg16_bn": refused})
    assert "| vgg16_bn, zcu102 | refused: 3 x a / b; 1 x c |" in text
    assert text.count("vgg16_bn") == 1


def test_a_build_that_failed_says_how(built: dict) -> None:
    """The error of the command stands where the reasons of a refusal would."""
    from full_size_table import full_size_section

    failed = copy.deepcopy(built)
    board = failed["figures"]["boards"]["zcu102"]
    del board["csim"]
    board["build"]["failed"] = "error: too\n large"
    text = full_size_section({"resnet50": failed})
    assert "| resnet50, zcu102 | error: too large |" in text


def test_figures_of_a_busy_machine_are_preliminary(built: dict) -> None:
    """They carry a mark, and the mark is explained."""
    from full_size_table import full_size_section

    assert "preliminary" not in full_size_section({"resnet18": built})
    text = full_size_section({"resnet18": {**built, "other_programs_share": 0.5}})
    assert "preliminary" in text and "resnet18, zcu102 \\*" in text
