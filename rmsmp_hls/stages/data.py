"""The images a build is checked with: given by the user, saved in the model, those that calibrated
it, or random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.images import as_images, evenly, read_named

if TYPE_CHECKING:
    from rmsmp_hls.frontend.checkpoint import Checkpoint

FEW_IMAGES = 4
"""So many calibration or random images are simulated, unless the options say otherwise."""


@dataclass(frozen=True, slots=True)
class CheckData:
    """Images in the network's own layout.

    Attributes:
        inputs: float32 [N, C, H, W] (or [N, F]).
        labels: int64 [N], or None.
        origin: words for the report.
        own: whether this is all of the model's own validation set.
    """

    inputs: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    origin: str
    own: bool = False

    def arrays(self) -> dict[str, Any]:
        """Return what is saved."""
        found = {"inputs": self.inputs}
        return found if self.labels is None else {**found, "labels": self.labels}


def load_data(
    options: BuildOptions,
    checkpoint: Checkpoint,
    calibration: npt.NDArray[np.float32] | None = None,
) -> CheckData:
    """Return the images: `--data` first, then the model's own, then some of those that calibrated
    it, else random ones.

    Args:
        options: of the build; `images` is how many are taken.
        checkpoint: the quantized model.
        calibration: images [N, ...] that it was quantized with in this build, if it was.

    Raises:
        ConfigError: the file cannot be read or does not fit the network's input.
    """
    shape = checkpoint.graph.input.shape
    own = False
    if options.data is not None:
        inputs, labels = read_named(options.data)
        name = options.data.name.encode("utf-8", "backslashreplace").decode("utf-8")
        origin = f"images of {name}"
    elif checkpoint.validation is not None:
        inputs, labels = checkpoint.validation.inputs.array, checkpoint.validation.labels.array
        origin = "images saved in the model"
        own = options.images is None or options.images >= len(inputs)
    elif calibration is not None:
        chosen = evenly(len(calibration), options.images or FEW_IMAGES)
        inputs, labels = calibration[chosen], None
        origin = "calibration images (no other data given, so no accuracy)"
    else:
        inputs, labels = _random(checkpoint), None
        origin = "random images (no data given, so no accuracy)"
    where = str(options.data or options.model)
    inputs = as_images(inputs, shape, where)
    _check_labels(inputs, labels, where)
    if options.images is not None:
        inputs = inputs[: options.images]
        labels = None if labels is None else labels[: options.images]
    return CheckData(
        np.ascontiguousarray(inputs, dtype=np.float32),
        None if labels is None else np.asarray(labels, dtype=np.int64),
        origin,
        own,
    )


def _check_labels(inputs: npt.NDArray[Any], labels: npt.NDArray[Any] | None, where: str) -> None:
    if labels is not None and (labels.shape != inputs.shape[:1] or labels.dtype.kind not in "iu"):
        raise ConfigError(
            f"`labels` has shape {list(labels.shape)} and type {labels.dtype}, not one integer "
            "per image",
            where=where,
        )


def _random(checkpoint: Checkpoint) -> npt.NDArray[np.float32]:
    """Uniform over the range of the input's codes, fixed seed."""
    first = checkpoint.graph.input
    form = checkpoint.params.activations.get(first.name)
    low, high = (-1.0, 1.0) if form is None else (form.low * form.scale, form.high * form.scale)
    rng = np.random.default_rng(0)
    return rng.uniform(low, high, (FEW_IMAGES, *first.shape)).astype(np.float32)
