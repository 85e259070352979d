"""Reads JSON of unknown origin: every access checks the type and knows the place."""

from __future__ import annotations

import json
import math
from typing import Any

from rmsmp_hls.errors import ModelImportError

_INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


class Json:
    """A JSON value and its place in the document; every method raises ModelImportError."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    @classmethod
    def parse(cls, text: bytes, place: str) -> Json:
        """Return the document `text`, called `place` in messages."""
        try:
            return cls(json.loads(text.decode("utf-8")), place)
        except (ValueError, RecursionError) as error:
            raise ModelImportError(f"is not JSON ({error})"[:200], where=place) from error

    def field(self, name: str) -> Json:
        """Return an entry of a table."""
        table = self._of(dict, "a table")
        if name not in table:
            raise self.wrong(f"has no {name!r}")
        return Json(table[name], f"{self.place}.{name}")

    def optional(self, name: str) -> Json | None:
        """Return an entry of a table, None if it is missing or null."""
        table = self._of(dict, "a table")
        return Json(table[name], f"{self.place}.{name}") if table.get(name) is not None else None

    def table(self) -> dict[str, Json]:
        """Return all entries of a table."""
        table = self._of(dict, "a table")
        return {name: Json(value, f"{self.place}.{name}") for name, value in table.items()}

    def items(self) -> list[Json]:
        """Return the entries of a list."""
        values = self._of(list, "a list")
        return [Json(value, f"{self.place}[{i}]") for i, value in enumerate(values)]

    def union(self) -> tuple[str, Json]:
        """Return (tag, value) of a table of one entry that is not null."""
        given = {k: v for k, v in self._of(dict, "a table").items() if v is not None}
        if len(given) != 1:
            raise self.wrong(f"has {len(given)} entries, not one")
        tag, value = next(iter(given.items()))
        return tag, Json(value, f"{self.place}.{tag}")

    def text(self) -> str:
        """Return a string of printable characters."""
        value = self._of(str, "a string")
        if len(value) > 1000 or not value.isprintable():
            raise self.wrong("is not a printable name")
        return str(value)

    def integer(self) -> int:
        """Return an integer."""
        return int(self._of(int, "an integer"))

    def flag(self) -> bool:
        """Return true or false."""
        return bool(self._of(bool, "true or false"))

    def number(self) -> float:
        """Return a number; the schema writes infinities as strings."""
        if isinstance(self.value, str) and self.value in _INFINITE:
            return _INFINITE[self.value]
        if type(self.value) not in (int, float):
            raise self.wrong("is not a number")
        try:
            return float(self.value)
        except OverflowError as error:
            raise self.wrong("is too large") from error

    def wrong(self, what: str) -> ModelImportError:
        """Return the error: this value is not what the schema says."""
        return ModelImportError(what, where=self.place[:200], fix="save the model again")

    def _of(self, kind: type, name: str) -> Any:
        if type(self.value) is not kind:
            raise self.wrong(f"is not {name}")
        return self.value
