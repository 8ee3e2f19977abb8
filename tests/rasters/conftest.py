"""Tests of rasters need the extra geo."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("rasterio") else ["test_*.py"]
