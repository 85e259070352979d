"""The one place that finds the files shipped beside the code.

A wheel carries them in `rmsmp_hls/_assets/`; a checkout (also an editable install) has them
at its root.
"""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.errors import CodegenError

ASSETS = ("templates", "hls_cpp", "vivado_scripts")
_PACKAGE = Path(__file__).resolve().parent


def asset_dir(name: str) -> Path:
    """Return the folder of the assets called `name`, one of `ASSETS`.

    Raises:
        CodegenError: the installation does not hold the folder.
        ValueError: `name` is not one of `ASSETS`.
    """
    if name not in ASSETS:
        raise ValueError(f"unknown assets {name!r}")
    for root in (_PACKAGE / "_assets", _PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise CodegenError(
        f"the installation of rmsmp-hls lacks its folder {name!r}",
        where=str(_PACKAGE),
        fix="reinstall rmsmp-hls",
    )


def asset_files(name: str, pattern: str = "*") -> dict[str, bytes]:
    """Return {file name: content} of the files of one asset folder that match `pattern`.

    Args:
        name: an asset folder, or a folder inside one, such as "hls_cpp/rmsmp".
        pattern: glob pattern of the file names; hidden files are left out.

    Raises:
        CodegenError: the folder is missing, or no file matches.
    """
    top, _, rest = name.partition("/")
    folder = asset_dir(top) / rest
    paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
    files = {p.name: p.read_bytes() for p in paths if p.is_file() and not p.name.startswith(".")}
    if not files:
        raise CodegenError(
            f"the installation of rmsmp-hls lacks its files {name}/{pattern}",
            where=str(folder),
            fix="reinstall rmsmp-hls",
        )
    return files
