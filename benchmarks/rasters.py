"""Time per megapixel and peak memory of `spica predict` on orthomosaics of 25, 100 and 400 megapixels.

    python benchmarks/rasters.py [MEGAPIXELS ...]

The raster is a rendered field of 1,024 x 1,024 pixels, put side by side into a tiled, compressed GeoTIFF at 0.3 mm a
pixel. Needs the extra geo. Ends with 1 if memory is above the bar, or the time per megapixel grows with the size.
"""

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from rasterio.windows import Window

from spica.labels.fields import render_field

MEGAPIXELS = (25, 100, 400)
WRITE = "write"  # first argument of the process that makes the raster
SIDE = 1024  # of the photo that is repeated
GSD = 0.0003  # m
MOST_MEMORY = 1_000  # MB
MOST_GROWTH = 1.25  # of the time per megapixel, from the smallest to the largest raster


def main(*asked: str) -> None:
    """Print the seconds per megapixel and the largest memory of the process for each size."""
    times, peaks = [], []
    for megapixels in map(int, asked or MEGAPIXELS):
        with TemporaryDirectory() as name:
            raster = Path(name, "ortho.tif")
            # In a process of its own: on Linux a child's peak begins with that of its parent, which stays small so.
            subprocess.run([sys.executable, __file__, WRITE, str(raster), str(megapixels)], check=True)
            seconds, peak = predict(raster, Path(name, "out"))
        times.append(seconds / megapixels)
        peaks.append(peak)
        print(f"{megapixels:4} megapixels: {times[-1]:.3f} s a megapixel, at most {peaks[-1]:.0f} MB", flush=True)
    if peaks[-1] > MOST_MEMORY or times[-1] > MOST_GROWTH * times[0]:
        sys.exit(f"expected at most {MOST_MEMORY} MB, and times per megapixel that differ by less than {MOST_GROWTH:g}")


def predict(raster: Path, out: Path) -> tuple[float, float]:
    """Return the seconds of the command, and its peak memory in MB."""
    command = [sys.executable, "-c", "from spica.cli import main; main()", "predict", str(raster), "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1e3  # kilobytes on Linux


def write(path: Path, megapixels: int) -> None:
    """Write a raster of that size, part by part."""
    photo, side = render_field(1, side=SIDE)[0], round(math.sqrt(megapixels * 1e6))
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": np.uint8, "crs": "EPSG:32632"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    transform = rasterio.Affine(GSD, 0, 500_000, 0, -GSD, 5_500_000)
    with rasterio.open(path, "w", **profile, **tiles, transform=transform) as dataset:
        for top in range(0, side, SIDE):
            for left in range(0, side, SIDE):
                part = photo[: side - top, : side - left].transpose(2, 0, 1)
                dataset.write(part, window=Window(left, top, part.shape[2], part.shape[1]))


if __name__ == "__main__":
    if sys.argv[1:2] == [WRITE]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
