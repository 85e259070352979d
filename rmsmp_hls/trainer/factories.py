"""Functions of the user, named "module:function". They are the user's own code and are trusted."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rmsmp_hls.errors import ConfigError


def call_factory(name: str, arguments: Mapping[str, str], folder: Path, where: str) -> Any:
    """Import the module and call the function.

    Args:
        name: "module:function"; the module is looked for in `folder`, the current folder and
            among what is installed, in this order.
        arguments: keyword arguments, as text.
        folder: of the configuration.
        where: the setting, for errors.

    Raises:
        ConfigError: no such module or function, or it raised.
    """
    module_name, _, function_name = name.partition(":")
    for path in (str(Path.cwd()), str(folder.resolve())):
        if path not in sys.path:
            sys.path.insert(0, path)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"{module_name!r} cannot be imported: {type(error).__name__}: {error}",
            where=where,
            fix="put the module beside the configuration or into the current folder",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"{module_name!r} has no function {function_name!r}", where=where)
    try:
        return function(**arguments)
    except Exception as error:
        raise ConfigError(
            f"{name} raised {type(error).__name__}: {error}",
            where=where,
            fix="--debug shows where",
        ) from error
