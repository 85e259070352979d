"""Images from files, in the layout that a network takes: arrays (.npz, .npy) and folders."""

from rmsmp_hls.images.arrays import as_images, read_named
from rmsmp_hls.images.folder import image_files
from rmsmp_hls.images.read import Normalization, range_warnings, read_images
from rmsmp_hls.images.spread import evenly

__all__ = [
    "Normalization",
    "as_images",
    "evenly",
    "image_files",
    "range_warnings",
    "read_images",
    "read_named",
]
