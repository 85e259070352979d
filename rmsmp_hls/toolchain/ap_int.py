"""Find the vendor's ap_int headers for a C simulation with g++.

An installed Vitis HLS, Vitis or Vivado has them. Else the Apache-2.0 copy inside the PyPI
package hls4ml serves: it is located without importing hls4ml, which takes seconds, and only
the arithmetic headers are taken, so that its other headers cannot shadow ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.errors import ToolError

_VENDOR_VARIABLES = ("XILINX_HLS", "XILINX_VITIS", "XILINX_VIVADO")
_NOTICE = """\
The headers in this folder are copies from the Python package hls4ml {version}. One was changed,
for speed only: etc/ap_private.h, where clearUnusedBits is no longer volatile.
Copyright 2011-2019 Xilinx, Inc. Licensed under the Apache License, Version 2.0; the licence
text: http://www.apache.org/licenses/LICENSE-2.0
They serve only the C simulation with g++ and are no part of the synthesized sources.
"""
# Every ap_int of up to 64 bits is cut to its width through a volatile pointer to itself, which
# forces it into memory after each operation. Without that word the simulation computes the same
# in a sixth of the time.
_SLOW_FILE = "etc/ap_private.h"
_SLOW, _FAST = "void clearUnusedBits(void) volatile", "void clearUnusedBits(void)"
_CHANGED = "// Changed by rmsmp-hls: clearUnusedBits is no longer volatile.\n"


@dataclass(frozen=True, slots=True)
class ApIntHeaders:
    """Where `ap_int.h` lies, and whose it is ("Vitis HLS ..." or "hls4ml 1.3.0").

    Attributes:
        folder: the folder that holds ap_int.h.
        origin: for messages and reports.
        vendor: an installed vendor tool's folder, to be used in place; else to be copied.
    """

    folder: Path
    origin: str
    vendor: bool

    def files(self) -> tuple[str, ...]:
        """Return the arithmetic headers, relative to `folder`, sorted."""
        found = [path.name for path in self.folder.glob("ap_*.h")]
        return tuple(sorted([*found, "etc/ap_private.h"]))


def find_ap_int(environment: Mapping[str, str] | None = None) -> ApIntHeaders:
    """Return the headers of an installed vendor tool, else those inside hls4ml.

    Args:
        environment: variables to look at; ours if None.

    Raises:
        ToolError: there are none.
    """
    environment = os.environ if environment is None else environment
    for variable in _VENDOR_VARIABLES:
        folder = Path(environment.get(variable) or "/nonexistent") / "include"
        if (folder / "ap_int.h").is_file() and (folder / "etc" / "ap_private.h").is_file():
            return ApIntHeaders(folder, f"{variable}={environment[variable]}", vendor=True)
    spec = importlib.util.find_spec("hls4ml")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / "templates" / "vivado" / "ap_types"
        if (folder / "ap_int.h").is_file() and (folder / "etc" / "ap_private.h").is_file():
            version = importlib.metadata.version("hls4ml")
            return ApIntHeaders(folder, f"hls4ml {version}", vendor=False)
    raise ToolError(
        "the ap_int headers were not found, which the C simulation with ap_int storage needs",
        fix="pip install hls4ml (only its headers are used), or source the vendor tool's "
        "settings64.sh",
    )


def stage_ap_int(headers: ApIntHeaders, folder: Path) -> Path:
    """Return a folder to pass to `-isystem`: the vendor's own, or our copy in `folder`.

    Args:
        headers: what `find_ap_int` found.
        folder: made, and brought up to date, if the headers have to be copied.

    Raises:
        ToolError: the copies cannot be written.
    """
    if headers.vendor:
        return headers.folder
    notice = _NOTICE.format(version=headers.origin.partition(" ")[2])
    try:
        if (folder / "NOTICE").is_file() and (folder / "NOTICE").read_text() == notice:
            return folder
        (folder / "etc").mkdir(parents=True, exist_ok=True)
        for name in headers.files():
            shutil.copyfile(headers.folder / name, folder / name)
        text = (folder / _SLOW_FILE).read_text(encoding="utf-8")
        if _SLOW in text:
            changed = _CHANGED + text.replace(_SLOW, _FAST)
            (folder / _SLOW_FILE).write_text(changed, encoding="utf-8")
        (folder / "NOTICE").write_text(notice)  # last: it says that the copy is whole
    except OSError as error:
        raise ToolError(
            f"the ap_int headers cannot be copied: {error.strerror}",
            where=str(folder),
            fix="choose an output folder that can be written and has space",
        ) from error
    return folder
