"""Facts about density maps: heads per square metre cell by cell, and a picture that shows them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from painted_rasters import CARD, GSD, find_painted, painted, scattered, write_raster
from spica.cli import app
from spica.images import read_image
from spica.prediction.folder import Order
from spica.rasters.density import density_of
from spica.rasters.folder import predict_raster
from spica.rasters.raster import opened

WIDTH, HEIGHT = 1600, 1100  # 0.8 x 0.55 m, in cells of 0.25 m


def test_a_cell_has_its_heads_over_the_area_that_is_seen(tmp_path: Path) -> None:
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :250] = 0  # half of the first column of cells
    mask[:, 500:1000] = 0
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, np.zeros((0, 4), int)), mask=mask)
    boxes = np.array([[300, 10, 320, 30], [310, 20, 330, 40], [1590, 1090, 1600, 1100]], np.float32)
    with opened(raster) as one:
        assert one.gsd is not None
        density = density_of(one, boxes, one.gsd)
    assert density.cell == 0.25
    assert density.heads.shape == (3, 4)
    assert density.heads[0, 0] == pytest.approx(2 / (250 * 500 * GSD**2), rel=0.01)
    assert np.isnan(density.heads[2, 3])  # a corner of 100 x 100 pixels
    assert np.isnan(density.heads[:, 1]).all()
    assert density.heads[1, 2] == 0


@pytest.mark.parametrize(("width", "height"), [(1010, 1010), (520, 3000), (1350, 1650), (450, 450)])
@pytest.mark.parametrize("masked", [False, True])
def test_heads_that_stand_evenly_have_one_density_in_cells_of_any_size(
    masked: bool, width: int, height: int, tmp_path: Path
) -> None:
    mask = np.full((height, width), 255, np.uint8)
    options: dict[str, Any] = {"mask": mask} if masked else {}
    raster = write_raster(tmp_path / "o.tif", painted(width, height, np.zeros((0, 4), int)), **options)
    corners = np.stack(np.meshgrid(np.arange(20, width, 50), np.arange(20, height, 50)), -1).reshape(-1, 2)
    boxes = np.hstack([corners, corners + 10]).astype(np.float32)  # ten by ten in a cell of 500 x 500 pixels
    with opened(raster) as one:
        density = density_of(one, boxes, gsd=0.5)
    known = np.isfinite(density.heads)
    assert known.any()
    np.testing.assert_allclose(density.heads[known], 100 / 0.25**2)


def test_the_map_is_drawn_by_the_command(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, scattered(3, WIDTH, HEIGHT)))
    predict_raster(find_painted, Order([raster], tmp_path / "boxes", 0.5, card=CARD))
    result = CliRunner().invoke(
        app, ["count", str(tmp_path / "boxes"), "--out", str(tmp_path / "out"), "--map", str(tmp_path / "map.png")]
    )
    assert result.exit_code == 0, result.output
    picture = read_image(tmp_path / "map.png")
    assert picture.shape == (round(900 * HEIGHT / WIDTH) + 50, 900 + 150, 3)
    assert len(np.unique(picture[:600, :900].reshape(-1, 3), axis=0)) >= 4


@pytest.mark.parametrize(
    ("name", "crs", "said"),
    [("map.gif", "EPSG:32632", "expected a name that ends with .png"), ("map.png", None, "--map is for one GeoTIFF")],
)
def test_what_cannot_be_drawn_is_misuse(name: str, crs: str | None, said: str, tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "o.tif", painted(100, 100, np.zeros((0, 4), int)), crs=crs)
    result = CliRunner().invoke(app, ["count", str(raster), "--out", str(tmp_path / "out"), "--map", name])
    assert result.exit_code == 2
    assert said in result.output
