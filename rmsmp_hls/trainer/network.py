"""The network to train: a factory's or a file's, with its quantizers."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from rmsmp_hls.config import show_ratio
from rmsmp_hls.config.training import NetworkSource, Quantization
from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.ir.float_ops import BatchNorm
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.train.model import RmsmpModel, prepare, prepare_traced
from rmsmp_hls.train.settings import ScaleSettings
from rmsmp_hls.trainer.factories import call_factory
from rmsmp_hls.trainer.seeds import seed_all

_SHOWN = 8


def build_model(
    source: NetworkSource, settings: Quantization, image: Tensor, folder: Path, seed: int
) -> RmsmpModel:
    """Return the prepared network, on the CPU.

    Args:
        source: where it is from.
        settings: formats of its quantizers.
        image: one input, without batch.
        folder: of the configuration.
        seed: of the initial weights.

    Raises:
        ConfigError: the factory fails, or does not return a network.
        ModelImportError, LoweringError: what cannot be mapped (all of it is listed).
        ArtefactError: the weights are another architecture's.
    """
    widths = (settings.activation_bits, settings.residual_bits, settings.input_bits)
    ratio = show_ratio(settings.ratio)
    scales = ScaleSettings(
        settings.activation_scale,  # type: ignore[arg-type]
        settings.weight_scale,  # type: ignore[arg-type]
        settings.weight_fit,  # type: ignore[arg-type]
    )
    if source.checkpoint is not None:
        graph = load_model(source.checkpoint).graph
        shape = graph.input.shape
        if tuple(image.shape) not in (shape, (shape[0], *shape[2:])):
            raise ConfigError(
                f"images have shape {list(image.shape)}, the network takes {list(shape)}",
                where=str(source.checkpoint),
            )
        return prepare_traced(
            holder(graph), graph, codebook=settings.codebook, ratio=ratio, widths=widths,
            multipliers=settings.multipliers, scale_values=settings.scale_values,
            first_last=settings.first_last, scales=scales,
        )  # fmt: skip
    assert source.factory is not None
    seed_all(seed, "network")
    module = call_factory(source.factory, source.arguments, folder, "model.factory")
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"the factory returns a {type(module).__name__}, not a torch.nn.Module",
            where="model.factory",
        )
    if source.weights is not None:
        load_weights(module, source.weights)
    return prepare(
        module, image[None], codebook=settings.codebook, ratio=ratio, activation_bits=widths[0],
        residual_bits=widths[1], input_bits=widths[2], multipliers=settings.multipliers,
        scale_values=settings.scale_values, first_last=settings.first_last,
        activation_scale=scales.activation_scale, weight_scale=scales.weight_scale,
        weight_fit=scales.weight_fit,
    )  # fmt: skip


def holder(graph: FloatGraph) -> nn.Module:
    """Return a module that holds the graph's constants under their keys, and computes nothing.

    Running means and variances are buffers, all else parameters.
    """
    statistics = {key for op in graph.of_type(BatchNorm) if isinstance(op, BatchNorm)
                  for key in (op.running_mean, op.running_var)}  # fmt: skip
    root = nn.Module()
    for key, constant in graph.constants.items():
        owner, (*path, name) = root, key.split(".")
        for part in path:
            if part not in owner._modules:
                owner._modules[part] = nn.Module()
            child = owner._modules[part]
            assert child is not None
            owner = child
        tensor = torch.from_numpy(constant.array.copy())
        if key in statistics:
            owner._buffers[name] = tensor
        else:
            owner._parameters[name] = nn.Parameter(tensor)
    return root


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state_dict file into a network. No code in the file is run.

    Raises:
        ArtefactError: it cannot be read, holds no state_dict, or another architecture's.
    """
    content = read_tensors(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values())
    if not tensors or not content:
        raise ArtefactError(
            "holds no state_dict", where=str(path), fix="torch.save(model.state_dict(), path)"
        )
    assert isinstance(content, dict)
    check_names(module.state_dict(), content, str(path))
    module.load_state_dict(content)


def read_tensors(path: Path) -> object:
    """Return what torch.save wrote: tensors, numbers, text and collections of them only.

    Raises:
        ArtefactError: the file is missing, damaged, or holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (
        pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, TypeError,
        AttributeError, IndexError, AssertionError,
    ) as error:  # fmt: skip
        raise ArtefactError(
            f"is damaged or holds more than tensors ({type(error).__name__})", where=str(path)
        ) from error


def check_names(wanted: Mapping[str, object], found: Mapping[str, object], where: str) -> None:
    """Refuse tensors of another architecture, with the names in which it differs.

    Raises:
        ArtefactError: names are missing or unknown, or shapes differ.
    """
    missing = [key for key in wanted if key not in found]
    unknown = [key for key in found if key not in wanted]
    shapes = [
        f"{key} {list(theirs.shape)} instead of {list(ours.shape)}"
        for key, ours in wanted.items()
        if isinstance(theirs := found.get(key), Tensor)
        and isinstance(ours, Tensor)
        and ours.shape != theirs.shape
    ]
    named = (("missing", missing), ("unknown", unknown), ("other shapes", shapes))
    parts = [f"{title}: {_some(names)}" for title, names in named if names]
    if parts:
        raise ArtefactError(
            f"belongs to another architecture; {'; '.join(parts)}",
            where=where,
            fix="use the network that it was trained with",
        )


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
