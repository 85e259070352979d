"""What a campaign saw: how often each operation and pair of operations, what was refused."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.case import Case
from tests.fuzz.checks import Failure, Passed, Refusal

_SHOWN = 40
_NUMBER = re.compile(r"-?\d[\d.,e+x-]*|'[^']*'")


def signature(stage: str, what: str) -> str:
    """Return a message without its numbers and names: equal for failures of one cause."""
    return _NUMBER.sub("#", f"{stage}: {what.splitlines()[0] if what else ''}")[:160]


@dataclass
class Coverage:
    """Counts over cases; `add` sums two of them."""

    passed: int = 0
    emulated: int = 0
    spilled: int = 0
    elements: int = 0
    inputs: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def cases(self) -> int:
        """How many networks were tried."""
        return self.passed + self.refused.total() + self.failed.total()

    def see(self, case: Case, outcome: Passed | Refusal | Failure) -> None:
        """Count one case; operations count only where the case passed."""
        if isinstance(outcome, Refusal):
            self.refused[signature(outcome.stage, outcome.what)] += 1
        elif isinstance(outcome, Failure):
            self.failed[signature(outcome.stage, outcome.what)] += 1
        else:
            self.passed += 1
            self.emulated += outcome.emulated
            self.spilled += any(kind.startswith("SAVE") for kind in outcome.records)
            self.records.update(outcome.records)
            self.elements += outcome.elements
            nodes = case.network.nodes
            self.inputs[("vectors", "lines", "images")[len(case.network.shape) - 1]] += 1
            self.operations.update(node.op for node in nodes)
            made = ["input", *(node.op for node in nodes)]
            self.pairs.update((made[i], node.op) for node in nodes for i in node.inputs)

    def add(self, other: Coverage) -> None:
        """Add the counts of another campaign."""
        self.passed += other.passed
        self.emulated += other.emulated
        self.spilled += other.spilled
        self.elements += other.elements
        for name in ("inputs", "operations", "pairs", "records", "refused", "failed"):
            getattr(self, name).update(getattr(other, name))

    def lines(self) -> list[str]:
        """Return the report."""
        known = sorted(self.operations)
        absent = [f"{a} > {b}" for a in ["input", *known] for b in known if not self.pairs[a, b]]
        return [
            f"{self.cases} networks: {self.passed} passed, {self.refused.total()} refused, "
            f"{self.failed.total()} failed",
            f"{self.elements} elements compared with the C++; {self.emulated} networks emulated, "
            f"{self.spilled} with tensors in DRAM",
            "inputs: " + _counts(self.inputs),
            "operations: " + _counts(self.operations),
            "records of programs: " + _counts(self.records),
            f"pairs: {len(self.pairs)} of {(len(known) + 1) * len(known)} occurred; most: "
            + _counts(Counter({f"{a} > {b}": n for (a, b), n in self.pairs.items()}), 12),
            f"pairs that never occurred, {_SHOWN} at most: {', '.join(absent[:_SHOWN]) or 'none'}",
            *(f"refused {n} x {text}" for text, n in self.refused.most_common()),
            *(f"FAILED {n} x {text}" for text, n in self.failed.most_common()),
        ]


def _counts(counter: Counter[str], most: int | None = None) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common(most)) or "none"
