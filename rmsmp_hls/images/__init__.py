"""Images from files, in the layout that a network takes: arrays (.npz, .npy) and folders."""

from rmsmp_hls.images.arrays import fit_images, read_named
from rmsmp_hls.images.folder import image_files
from rmsmp_hls.images.read import Normalization, range_warnings, read_images
from rmsmp_hls.images.spread import evenly

__all__ = [
    "Normalization",
    "evenly",
    "fit_images",
    "image_files",
    "range_warnings",
    "read_images",
    "read_named",
]
