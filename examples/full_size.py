"""Write a well-known network at full size as an exported program, and calibration images.

    python examples/full_size.py resnet18 -o net.pt2 --calib calib.npz
    rmsmp-hls check net.pt2 --board zcu102
    rmsmp-hls quantize net.pt2 --calib calib.npz -o quantized.pt
    rmsmp-hls build quantized.pt --board zcu102

The networks are in examples/networks. Nothing is downloaded: weights, batch-norm statistics and
images are made from a seed, with the statistics of real ones, so the answers mean nothing; sizes,
times and bit-exactness are those of the real networks.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from networks.catalog import CATALOG
from networks.images import natural_images
from networks.realistic import make_realistic

STATISTICS_IMAGES = 8


def export(name: str, images: torch.Tensor, seed: int) -> torch.export.ExportedProgram:
    """Return the network `name` as an exported program for one image at a time.

    Args:
        name: in the catalog.
        images: [N, C, H, W], to take batch-norm statistics from.
        seed: of the weights.
    """
    net = make_realistic(CATALOG[name].make(), images, seed)
    with torch.no_grad():
        return torch.export.export(net, (images[:1],))


def main() -> None:
    """Make the network and the images, write them."""
    options = parse_options()
    started = time.monotonic()
    shape = CATALOG[options.network].shape
    statistics = natural_images(STATISTICS_IMAGES, shape, options.seed + 1)
    torch.manual_seed(options.seed)
    program = export(options.network, torch.from_numpy(statistics), options.seed)
    torch.export.save(program, str(options.output))
    print(f"{options.output} written after {time.monotonic() - started:.1f} s")
    if options.calib is not None:
        np.savez(options.calib, inputs=natural_images(options.images, shape, options.seed))
        print(f"{options.calib} written: {options.images} images")


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", metavar="NETWORK", choices=CATALOG, help=", ".join(CATALOG))
    parser.add_argument("-o", "--output", type=Path, default=Path("net.pt2"), help="program")
    parser.add_argument("--calib", type=Path, help="write calibration images, .npz")
    parser.add_argument("--images", type=int, default=8, help="how many calibration images")
    parser.add_argument("--seed", type=int, default=0, help="of weights and images")
    options = parser.parse_args()
    if options.images < 1:
        parser.error("--images must be at least 1")
    if options.output.suffix != ".pt2":
        parser.error("the exported program is a .pt2 file")
    for path in (options.output, options.calib):
        if path is not None and not path.resolve().parent.is_dir():
            parser.error(f"the folder of {path} does not exist")
    return options


if __name__ == "__main__":
    main()
