"""Tests of rasters need the extra geo."""

import pytest

pytest.importorskip("rasterio", reason="rasterio is not installed: it is in the extra geo")
