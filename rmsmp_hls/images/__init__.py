"""Images from files, in the layout that a network takes: arrays (.npz, .npy) and folders."""

from rmsmp_hls.images.arrays import check_images, read_named
from rmsmp_hls.images.read import Normalization, read_images

__all__ = ["Normalization", "check_images", "read_images", "read_named"]
