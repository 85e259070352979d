"""What a project is generated for, besides the design itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rmsmp_hls.codegen.render import c_ident
from rmsmp_hls.errors import CodegenError, ConfigError

_PART = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{2,63}")


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Settings of the HLS project; the same for every dialect of the tools.

    Attributes:
        top: name of the top function and so of the IP.
        part: full part name, such as xczu9eg-ffvb1156-2-e.
        clock_period_ns: target clock period, ns.
        clock_uncertainty: part of the period kept in reserve, 0 .. 0.5 of it.
        m_axi_addr64: 64-bit addresses on the memory ports and in the driver's registers.

    Raises:
        ConfigError: a value is impossible; all findings at once.
    """

    top: str
    part: str
    clock_period_ns: float
    clock_uncertainty: float = 0.125
    m_axi_addr64: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        findings = []
        try:
            c_ident(self.top)
        except CodegenError as error:
            findings.append(ConfigError(error.what, where="top function", fix=error.fix))
        if not _PART.fullmatch(self.part):
            findings.append(
                ConfigError(
                    f"{self.part[:80]!r} cannot be a part name",
                    where="part",
                    fix="give the full name, such as xczu9eg-ffvb1156-2-e",
                )
            )
        if not 0.5 <= self.clock_period_ns <= 1000.0:
            findings.append(
                ConfigError(
                    f"a clock period of {self.clock_period_ns:g} ns is outside 0.5 .. 1000 ns",
                    where="clock",
                )
            )
        if not 0.0 <= self.clock_uncertainty <= 0.5:
            findings.append(
                ConfigError(
                    f"a clock uncertainty of {self.clock_uncertainty:g} is outside 0 .. 0.5 "
                    "(a part of the period)",
                    where="clock uncertainty",
                )
            )
        if findings:
            raise ConfigError.gather(findings)
