"""Time per megapixel and peak memory of `spica predict` on orthomosaics of 25, 100 and 400 megapixels.

    python benchmarks/rasters.py [MEGAPIXELS ...]

The raster is a rendered field of 1,024 x 1,024 pixels, put side by side into a tiled, compressed GeoTIFF at 0.3 mm a
pixel. Needs the extra geo. Ends with 1 if memory is above the bar, or the time per megapixel grows with the size.
"""

import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from rasterio.windows import Window

from spica.image import Image
from spica.labels.fields import render_field

MEGAPIXELS = (25, 100, 400)
SIDE = 1024  # of the photo that is repeated
GSD = 0.0003  # m
MOST_MEMORY = 1_000  # MB
MOST_GROWTH = 1.25  # of the time per megapixel, from the smallest to the largest raster


def main(*asked: str) -> None:
    """Print the seconds per megapixel and the largest memory of the process for each size."""
    photo, _ = render_field(1, side=SIDE)
    times, peaks = [], []
    for megapixels in map(int, asked or MEGAPIXELS):
        with TemporaryDirectory() as name:
            raster = write(Path(name, "ortho.tif"), photo, round(math.sqrt(megapixels * 1e6)))
            times.append(predict(raster, Path(name, "out")) / megapixels)
        # Of the largest child so far, in kilobytes on Linux: the sizes grow.
        peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3)
        print(f"{megapixels:4} megapixels: {times[-1]:.3f} s a megapixel, at most {peaks[-1]:.0f} MB", flush=True)
    if peaks[-1] > MOST_MEMORY or times[-1] > MOST_GROWTH * times[0]:
        sys.exit(f"expected at most {MOST_MEMORY} MB, and times per megapixel that differ by less than {MOST_GROWTH:g}")


def predict(raster: Path, out: Path) -> float:
    """Return the seconds of the command."""
    command = [sys.executable, "-c", "from spica.cli import main; main()", "predict", str(raster), "--out", str(out)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def write(path: Path, photo: Image, side: int) -> Path:
    """Write a raster of side x side pixels, part by part."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": np.uint8, "crs": "EPSG:32632"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    transform = rasterio.Affine(GSD, 0, 500_000, 0, -GSD, 5_500_000)
    with rasterio.open(path, "w", **profile, **tiles, transform=transform) as dataset:
        for top in range(0, side, SIDE):
            for left in range(0, side, SIDE):
                part = photo[: side - top, : side - left].transpose(2, 0, 1)
                dataset.write(part, window=Window(left, top, part.shape[2], part.shape[1]))
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
