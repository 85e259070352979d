"""Looks at a model file before anything is loaded from it: nothing in it is executed."""

from __future__ import annotations

import io
import pickletools
import zipfile
from pathlib import Path

from rmsmp_hls.errors import ModelImportError

HOW_TO_SAVE = (
    "save it with rmsmp_hls.train.save(model, path), after rmsmp_hls.train.prepare(net, example)"
)
_SAFE = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch.Size",
        "torch.device",
        "torch.serialization._get_layout",
        "torch._tensor._rebuild_from_type_v2",
        "torch.nn.parameter.Parameter",
    }
)
_STORAGES = ("Storage", "Tensor")
_EXPORTED = ("serialized_exported_program.json", "archive_format", "models/model.json")


def check_archive(path: Path) -> None:
    """Refuse what is not a torch.save archive of plain tensors, numbers and strings.

    Raises:
        ModelImportError: names what the file is, and what to do.
    """
    where = str(path)
    check_file(path)
    with path.open("rb") as file:
        head = file.read(4)
    if head[:1] == b"\x80":
        _check_pickle(path.read_bytes(), where)
        raise ModelImportError("is a bare pickle, not a checkpoint", where=where, fix=HOW_TO_SAVE)
    if head != b"PK\x03\x04":
        raise ModelImportError(
            "is not a PyTorch file (no zip archive)", where=where, fix=HOW_TO_SAVE
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            _check_members(names, where)
            damaged = archive.testzip()
            if damaged is not None:
                raise _truncated(where, f"checksum of {damaged!r} is wrong")
            for name in names:
                if name.endswith("data.pkl"):
                    _check_pickle(archive.read(name), where)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _truncated(where, str(error)) from error
    except OSError as error:
        raise ModelImportError(f"cannot be read: {error.strerror or error}", where=where) from error


def check_saved(content: bytes, where: str) -> None:
    """Refuse bytes of torch.save that hold more than plain tensors, numbers and strings.

    Raises:
        ModelImportError: says what `where` holds; nothing was loaded.
    """
    if content[:1] == b"\x80":
        _check_pickle(content, where)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if (
                any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
                or sum(entry.file_size for entry in entries) > len(content)
                or len({entry.filename for entry in entries}) != len(entries)
            ):
                raise _truncated(where, "its parameters are no archive of torch.save")
            for entry in entries:
                if entry.filename.endswith("data.pkl"):
                    _check_pickle(archive.read(entry), where)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _truncated(where, str(error)) from error


def foreign_globals(pickled: bytes) -> list[str]:
    """Return the names that a pickle would import beyond those of plain tensors, in order.

    The opcodes are read, not executed.

    Raises:
        ValueError: these are no pickle opcodes.
    """
    found: list[str] = []
    strings: list[str] = []
    stream = io.BytesIO(pickled)
    first = True
    while first or stream.read(1) == b"\x80":  # the old format is several pickles, then bytes
        stream.seek(-1 if not first else 0, io.SEEK_CUR)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ("GLOBAL", "INST"):
                    found.append(str(argument).replace(" ", ".", 1))
                elif opcode.name == "STACK_GLOBAL":
                    # Its two operands; if they come from the memo, the last strings are a
                    # guess that serves the message only: torch.load refuses the opcode.
                    found.append(".".join(strings[-2:]) or "an unnamed global")
                elif isinstance(argument, str):
                    strings.append(argument)
        except ValueError:
            if first:
                raise
            break  # the bytes behind the pickles
        first = False
    return [name for name in dict.fromkeys(found) if not _is_safe(name)]


def _is_safe(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return name in _SAFE or (module in ("torch", "torch.storage") and attribute.endswith(_STORAGES))


def check_file(path: Path) -> None:
    """Raise ModelImportError if the file is missing, empty, a folder or not readable."""
    where = str(path)
    try:
        if path.is_dir():
            raise ModelImportError("is a folder", where=where, fix="give the model file itself")
        if not path.exists():
            raise ModelImportError("does not exist", where=where, fix="check the path")
        if path.stat().st_size == 0:
            raise ModelImportError("is empty", where=where, fix="save the model again")
        path.open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelImportError(f"cannot be read: {reason}", where=where) from error


def _check_members(names: list[str], where: str) -> None:
    inner = [name.split("/", 1)[-1] for name in names]
    kind, fix = "", HOW_TO_SAVE
    if any(name == "constants.pkl" or name.startswith("code/") for name in inner):
        kind = "a TorchScript archive"
    elif any(
        name in _EXPORTED or original in _EXPORTED
        for name, original in zip(inner, names, strict=True)
    ):
        kind = "an exported program (torch.export.save), not quantized yet"
        fix = "quantize it first: rmsmp-hls quantize FILE --calib IMAGES -o model.pt"
    if kind:
        raise ModelImportError(f"is {kind}; this reads RMSMP checkpoints", where=where, fix=fix)
    if "data.pkl" not in inner:
        raise ModelImportError(
            "is a zip archive, but not one of torch.save", where=where, fix=HOW_TO_SAVE
        )


def _check_pickle(pickled: bytes, where: str) -> None:
    try:
        foreign = foreign_globals(pickled)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise _truncated(where, str(error)) from error
    if foreign:
        names = ", ".join(name[:100] for name in foreign[:3])
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ModelImportError(
            f"holds a pickled {names}{more}, which would run code; it was not loaded",
            where=where,
            fix=f"only if you trust its author: load it yourself, then {HOW_TO_SAVE}",
        )


def _truncated(where: str, reason: str) -> ModelImportError:
    return ModelImportError(
        f"is truncated or damaged ({reason})", where=where, fix="copy or save the model again"
    )
