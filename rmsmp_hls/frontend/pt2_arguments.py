"""Arguments in the JSON of an exported program -> plain values and Refs.

What no importer reads (devices, layouts, inner graphs) becomes its tag, a string.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rmsmp_hls.frontend.nodes import Ref
from rmsmp_hls.frontend.pt2_json import Json
from rmsmp_hls.frontend.pt2_sizes import Sizes
from rmsmp_hls.frontend.pt2_weights import dtype_name


def argument_of(argument: Json, sizes: Sizes) -> Any:
    """Return the value of one argument: a number, string, list, None or `Ref`."""
    tag, value = argument.union()
    if tag in ("as_sym_int", "as_sym_ints"):
        parts = value.items() if tag == "as_sym_ints" else [value]
        numbers = [_symbolic(part, sizes) for part in parts]
        return numbers if tag == "as_sym_ints" else numbers[0]
    if tag == "as_nested_tensors":
        return [_ref(tensor) for inner in value.items() for tensor in inner.items()]
    if tag == "as_string_to_argument":
        parts = [argument_of(part, sizes) for part in value.table().values()]
        return [item for part in parts for item in (part if isinstance(part, list) else [part])]
    if tag in _READERS:
        return _READERS[tag](value)
    if tag.removesuffix("s") in _READERS and tag.endswith("s"):
        return [_READERS[tag.removesuffix("s")](item) for item in value.items()]
    return tag


def _ref(tensor: Json) -> Ref:
    return Ref(tensor.field("name").text())


def _optional(value: Json) -> Ref | None:
    tag, tensor = value.union()
    return None if tag == "as_none" else _ref(tensor)


def _symbolic(value: Json, sizes: Sizes) -> int | str:
    tag, number = value.union()
    return number.integer() if tag == "as_int" else sizes.symbol_value(number)


_READERS: Mapping[str, Callable[[Json], Any]] = {
    "as_none": lambda _: None,
    "as_tensor": _ref,
    "as_optional_tensor": _optional,
    "as_int": Json.integer,
    "as_float": Json.number,
    "as_string": Json.text,
    "as_bool": Json.flag,
    "as_scalar_type": lambda value: dtype_name(value.integer()),
}
"""Tag of one value -> its reader; the tag of a list of them ends with an s."""
