"""The zip archive of torch.export.save: its layout, and its members as checked bytes.

| layout | graph | parameters |
|---|---|---|
| raw (PyTorch 2.13 writes it) | models/M.json | raw files in data/weights/, M_weights_config.json |
| first archives | models/M.json | data/weights/M.pt, a torch.save of the state_dict |
| up to 2.7 | serialized_exported_program.json | serialized_state_dict.pt, a torch.save |

Example inputs, constants and compiled code are pickles or programs: they are never read.
PyTorch compresses no member, so nothing is larger than the file itself.

Source: torch/export/pt2_archive/_package.py, torch/export/__init__.py.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.archive import check_file

_OLD_GRAPH, _OLD_STATE = "serialized_exported_program.json", "serialized_state_dict.pt"
_FORMAT = "archive_format"
_MOST_MEMBERS = 100_000
_MOST_JSON = 256 << 20  # bytes; ResNet-50 takes half a MiB
_ZIP_ERRORS = (
    zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error,
    zlib.error,
)  # fmt: skip
_AGAIN = "copy or save the model again: torch.export.save(torch.export.export(model, (x,)), path)"


@dataclass(frozen=True)
class Archive:
    """An open archive.

    Attributes:
        path: the file.
        zip: the open file.
        members: name inside the archive, without its root folder -> zip entry.
        graph: name of the JSON graph.
        state: name of the torch.save file with the parameters, "" if they are raw files.
        config: name of the JSON description of the raw files, "" if there are none.
        model: name of the network inside the archive, "" in the oldest layout.
    """

    path: Path
    zip: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    graph: str
    state: str = ""
    config: str = ""
    model: str = ""

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, its checksum verified.

        Raises:
            ModelImportError: it is missing, damaged, or a JSON text of absurd size.
        """
        entry = self.members.get(name)
        if entry is None:
            raise ModelImportError(f"has no member {name!r}", where=str(self.path), fix=_AGAIN)
        if name.endswith(".json") and entry.file_size > _MOST_JSON:
            raise _unsafe(self.path, f"has a member {name!r} of {entry.file_size} bytes")
        try:
            return self.zip.read(entry)
        except _ZIP_ERRORS as error:
            raise _damaged(self.path, str(error)) from error


def is_exported_program(path: str | Path) -> bool:
    """Return whether the file is an archive of torch.export.save; nothing in it is loaded."""
    try:
        if not Path(path).is_file():  # a device has no end to search the directory from
            return False
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, *_ZIP_ERRORS):
        return False
    return _OLD_GRAPH in names or bool(_root(names))


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open the archive and check every entry of its directory.

    Raises:
        ModelImportError: it is missing, damaged, no archive of torch.export.save, declares
            more bytes than it has, or names files outside of it.
    """
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            yield _layout(archive, members, path)
    except _ZIP_ERRORS as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise ModelImportError(
            f"cannot be read: {error.strerror or error}", where=str(path)
        ) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    size = path.stat().st_size
    if not entries or min(entry.header_offset for entry in entries) != 0:
        # Without its end, the directory of a zip file inside of it is found instead.
        raise _damaged(path, "its directory is missing")
    names = [entry.filename for entry in entries]
    bad = [n for n in names if n.startswith("/") or "\\" in n or ".." in n.split("/")]
    if bad:
        raise _unsafe(path, f"names {bad[0][:100]!r}, a file outside of it")
    if len(set(names)) != len(names) or len(names) > _MOST_MEMBERS:
        raise _unsafe(path, "has members of the same name, or far too many")
    packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED]
    if packed or any(entry.file_size != entry.compress_size for entry in entries):
        raise _unsafe(path, "has compressed members, which torch.export.save does not write")
    if sum(entry.file_size for entry in entries) > size:
        raise _unsafe(path, f"declares more bytes than the {size} that it has")
    prefix = f"{_root(names)}/" if _root(names) else ""
    return {e.filename.removeprefix(prefix): e for e in entries if e.filename.startswith(prefix)}


def _layout(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], path: Path) -> Archive:
    if _OLD_GRAPH in members:
        return Archive(path, archive, members, _OLD_GRAPH, state=_OLD_STATE)
    if _FORMAT not in members:
        raise ModelImportError("is no archive of torch.export.save", where=str(path), fix=_AGAIN)
    models = [
        name.removeprefix("models/").removesuffix(".json")
        for name in members
        if name.startswith("models/") and name.endswith(".json")
    ]
    if len(models) != 1:
        compiled = any(name.startswith("data/aotinductor/") for name in members)
        what = "holds compiled code only" if compiled else f"holds {len(models)} networks"
        raise ModelImportError(what, where=str(path), fix=f"save one network; {_AGAIN}")
    _check_versions(archive, members, path)
    graph, state = f"models/{models[0]}.json", f"data/weights/{models[0]}.pt"
    if state in members:
        return Archive(path, archive, members, graph, state=state, model=models[0])
    config = f"data/weights/{models[0]}_weights_config.json"
    return Archive(path, archive, members, graph, config=config, model=models[0])


def _check_versions(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], path: Path
) -> None:
    expected = {_FORMAT: b"pt2", "archive_version": b"0", "byteorder": b"little"}
    for name, content in expected.items():
        if name in members and members[name].file_size < 100:
            found = archive.read(members[name]).strip()
            if found != content:
                raise ModelImportError(
                    f"has the {name.replace('_', ' ')} {found!r}, not {content!r}",
                    where=str(path),
                    fix="save the model again on this machine",
                )


def _root(names: list[str]) -> str:
    """Return the folder that holds the marker of the format, "" if none does."""
    roots = [n.removesuffix(f"/{_FORMAT}") for n in names if n.endswith(f"/{_FORMAT}")]
    return next((root for root in roots if "/" not in root), "")


def _damaged(path: Path, reason: str) -> ModelImportError:
    return ModelImportError(
        f"is truncated or damaged ({reason[:200]})", where=str(path), fix=_AGAIN
    )


def _unsafe(path: Path, what: str) -> ModelImportError:
    return ModelImportError(f"{what}; it was not loaded", where=str(path), fix=_AGAIN)
