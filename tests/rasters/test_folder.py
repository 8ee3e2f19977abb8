"""Facts about rasters: the same heads as in memory, where they lie on the earth, and what goes on after a kill."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageFilter
from typer.testing import CliRunner

from painted_rasters import CARD, GSD, NORTH_UP, ORIGIN, UTM, find_painted, painted, scattered, write_raster
from spica.boxes import median_side
from spica.cli import app
from spica.cli.rasters import say_what_is_lost
from spica.detections import Detections
from spica.errors import ImageError, MissingExtraError, OutputError
from spica.image import Image
from spica.images import aspect_of
from spica.labels.fields import SOURCES, render_field
from spica.prediction.folder import Order
from spica.prediction.looking import Looks
from spica.prediction.reading import read_results
from spica.prediction.tiles import joined, tiled, tiles_of
from spica.rasters.folder import predict_raster
from spica.rasters.joining import joined_in_rows
from spica.rasters.raster import is_raster, opened

SIDE, OVERLAP = 160, 40  # of windows at 0.5 mm by the card of painted heads
WIDTH, HEIGHT = 700, 500


def rows_of(found: Detections) -> set[tuple[float, ...]]:
    rows = np.hstack([found.boxes, found.scores[:, None]]).round(3).tolist()
    assert len({tuple(row) for row in rows}) == len(rows)
    return {tuple(row) for row in rows}


def predicted(raster: Path, out: Path, **changes: Any) -> Detections:
    predict_raster(find_painted, replace(Order([raster], out, 0.5, card=CARD), **changes))
    (photo,) = read_results(out).photos
    assert photo.found is not None
    return photo.found


def boxes_of(found: Detections) -> set[tuple[float, ...]]:
    return {tuple(row) for row in found.boxes.tolist()}


# --- joining


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(60, 500), height=st.integers(60, 900), score=st.floats(0, 1))
def test_rows_give_the_same_heads_as_all_tiles_at_once(seed: int, width: int, height: int, score: float) -> None:
    random = np.random.default_rng(seed)
    heads = random.integers(0, [width, height], (width * height // 900, 2))
    heads = np.hstack([heads, np.minimum(heads + random.integers(3, 60, heads.shape), [width, height])])
    heads = heads[(heads[:, 2:] > heads[:, :2]).all(axis=1)]

    def detect(tile: Any) -> Detections:
        edges = [tile.left, tile.top, tile.left, tile.top]
        noise = np.random.default_rng([seed, tile.left, tile.top])  # no network finds quite the same box twice
        seen = np.clip(heads - edges + noise.normal(0, 2, heads.shape), 0, [tile.width, tile.height] * 2)
        seen = seen[((seen[:, 2:] - seen[:, :2]) > 1).all(axis=1)].astype(np.float32)
        return Detections(seen, noise.random(len(seen)).astype(np.float32))

    tiles = tuple(tiles_of(width, height, 100, 30))
    found = [detect(tile) for tile in tiles]
    whole = joined(tiles, found, width, height).above(score)
    rows = [one.above(score) for one in joined_in_rows(zip(tiles, found, strict=True), width, height)]
    assert sum(map(len, rows)) == len(whole)
    assert set().union(*(rows_of(one) for one in rows)) == rows_of(whole)


@pytest.mark.parametrize("seed", range(3))
def test_a_raster_has_the_heads_that_are_found_on_it_in_memory(seed: int, tmp_path: Path) -> None:
    photo = painted(WIDTH, HEIGHT, scattered(seed, WIDTH, HEIGHT))
    found = predicted(write_raster(tmp_path / "ortho.tif", photo), tmp_path / "out")
    assert boxes_of(found) == boxes_of(tiled(find_painted, SIDE, OVERLAP)(photo)) == boxes_of(find_painted(photo))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["window"] == SIDE
    assert manifest["gsd"] == pytest.approx(GSD * 1000, rel=1e-3)


# --- flags


@pytest.mark.parametrize(
    ("radius", "least", "most", "raised"),
    [(0, 0.8, 1.2, {}), (0, 1.2, 2, {"small_heads": 1}), (0, 0.5, 0.8, {"large_heads": 1}), (7, 0.8, 1.2, {"blur": 1})],
)
def test_a_fine_raster_is_judged_at_the_size_at_which_the_network_looks_at_it(
    radius: int, least: float, most: float, raised: dict[str, int], tmp_path: Path
) -> None:
    side, finer = 320, 3
    (source,) = (one for one in SOURCES if one.name == "dark_nadir")
    field, heads = render_field(5, side=side, source=source, heads=20)
    fine = Pillow.fromarray(field).resize((finer * side, finer * side), Pillow.Resampling.BICUBIC)
    photo = np.asarray(fine.filter(ImageFilter.GaussianBlur(radius)))
    assert aspect_of(photo).sharpness < 0.14 < aspect_of(field).sharpness  # where the flag is raised

    def detect(_window: Image) -> Detections:
        return Detections(heads * np.float32(finer), np.full(len(heads), 0.9, np.float32))

    size = median_side(heads)
    card = replace(CARD, side=side, head_sides=(least * size, most * size))
    raster, looks = write_raster(tmp_path / "o.tif", photo), Looks(tile=finer * side)
    summary = predict_raster(detect, Order([raster], tmp_path / "out", 0.5, card=card, looks=looks))
    assert (summary.heads, summary.flagged) == (len(heads), raised)


# --- pixels


def test_four_bands_with_alpha_are_looked_at_where_alpha_is_and_read_by_their_names(tmp_path: Path) -> None:
    from rasterio.enums import ColorInterp

    heads = scattered(5, WIDTH, HEIGHT)
    photo, alpha = painted(WIDTH, HEIGHT, heads), np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, 400:] = 0
    bands = np.dstack([photo[..., ::-1], alpha])
    colours = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.alpha]
    asked: list[Image] = []

    def detect(window: Image) -> Detections:
        asked.append(window)
        return find_painted(window)

    order = Order([write_raster(tmp_path / "o.tif", bands, colours=colours)], tmp_path / "out", 0.5, card=CARD)
    predict_raster(detect, order)
    found = read_results(tmp_path / "out").photos[0].found
    assert found is not None
    whole = heads[heads[:, 2] <= 400]
    assert {tuple(row) for row in whole.astype(float).tolist()} <= boxes_of(found)
    assert (found.boxes[:, [0, 2]].mean(axis=1) < 400).all()
    tiles = list(tiles_of(WIDTH, HEIGHT, SIDE, OVERLAP))
    assert len(asked) == sum(tile.left < 400 for tile in tiles) < len(tiles)


@pytest.mark.parametrize("kind", ["nodata", "mask"])
def test_a_head_whose_centre_has_no_pixel_is_dropped(kind: str, tmp_path: Path) -> None:
    heads = np.array([[100, 100, 120, 120], [300, 100, 320, 120]])
    photo = painted(WIDTH, HEIGHT, heads)
    valid = np.full((HEIGHT, WIDTH), 255, np.uint8)
    valid[:, 295:315] = 0  # the centre of the second head, but not its right edge
    if kind == "nodata":
        photo[valid == 0] = 0
    options: dict[str, Any] = {"nodata": 0} if kind == "nodata" else {"mask": valid}

    def detect(window: Image) -> Detections:
        # Boxes reach across what is masked, as those of a network do.
        found = find_painted(window)
        boxes = found.boxes.copy()
        boxes[:, 0] = np.maximum(0, boxes[:, 2] - 20)
        return Detections(boxes, found.scores)

    order = Order([write_raster(tmp_path / "o.tif", photo, **options)], tmp_path / "out", 0.5, card=CARD)
    predict_raster(detect, order)
    found = read_results(tmp_path / "out").photos[0].found
    assert found is not None
    assert found.boxes.tolist() == [[100, 100, 120, 120]]


def test_sixteen_bits_are_stretched_in_the_same_way_in_every_window(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    bands = random.integers(1000, 3001, (300, 400, 5)).astype(np.uint16)
    bands[:1] = 60_000  # glare on too little to decide
    with opened(write_raster(tmp_path / "o.tif", bands)) as raster:
        low, high = raster.levels
        windows = [raster.read(tile) for tile in tiles_of(400, 300, 128, 32)]
    assert raster.bands == (1, 2, 3)
    assert 1000 <= low < 1050
    assert 2950 < high <= 3000
    for window in windows:
        rows, columns = (slice(window.tile.top, window.tile.top + 128), slice(window.tile.left, window.tile.left + 128))
        wanted = (bands[rows, columns, :3].astype(float) - low) * 255 / (high - low)
        assert np.abs(window.pixels - np.clip(wanted, 0, 255)).max() <= 0.51


def test_a_cloud_optimised_file_gives_the_same_windows(tmp_path: Path) -> None:
    from rasterio.shutil import copy

    plain = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, scattered(4, WIDTH, HEIGHT)))
    copy(plain, tmp_path / "cog.tif", driver="COG", blocksize=128, overviews="AUTO", compress="deflate")
    with opened(plain) as first, opened(tmp_path / "cog.tif") as second:
        assert second.dataset.overviews(1)
        for tile in tiles_of(WIDTH, HEIGHT, SIDE, OVERLAP):
            assert (first.read(tile).pixels == second.read(tile).pixels).all()
    assert is_raster(tmp_path / "cog.tif")


def test_one_band_is_grey(tmp_path: Path) -> None:
    grey = np.arange(100 * 80, dtype=np.uint8).reshape(80, 100, 1)
    with opened(write_raster(tmp_path / "o.tif", grey)) as raster:
        (tile,) = tiles_of(100, 80, 100, 0)
        assert (raster.read(tile).pixels == grey).all()


@pytest.mark.parametrize(
    ("bands", "options"),
    [
        (np.ones((40, 40, 5), np.uint16), {}),
        (np.ones((40, 40, 6), np.uint8), {"photometric": "minisblack"}),
        (np.ones((40, 40, 3), np.uint16), {"interleave": "pixel", "photometric": "minisblack"}),
        (np.ones((40, 40, 3), np.uint8), {"compress": "lerc"}),
        (np.ones((40, 40, 3), np.float32), {}),
        (np.ones((40, 40, 5), np.uint16), {"BIGTIFF": "YES"}),
    ],
)
def test_pixels_of_any_kind_are_of_a_raster(bands: np.ndarray, options: dict[str, Any], tmp_path: Path) -> None:
    assert is_raster(write_raster(tmp_path / "o.tif", bands, **options))


def test_a_raster_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "o.tif", np.random.default_rng(0).integers(0, 999, (600, 600, 3), dtype=np.uint16))
    raster.write_bytes(raster.read_bytes()[: raster.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"cannot be (read|opened)"), opened(raster):
        pass


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), "has float32 values, expected 8 or 16 bits"),
        (np.zeros((8, 8, 3), np.int16), "has int16 values, expected 8 or 16 bits"),
        (np.zeros((8, 8, 2), np.uint8), "has 2 bands of colour, expected one, or three and more"),
    ],
)
def test_bands_that_cannot_be_looked_at_are_refused(bands: np.ndarray, said: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"photometric": "minisblack", "alpha": "no"} if bands.shape[2] == 2 else {}
    raster = write_raster(tmp_path / "o.tif", bands, **options)
    with pytest.raises(ImageError, match=said), opened(raster):
        pass


# --- scale and coordinates


def polygons(file: Path) -> tuple[np.ndarray, str, np.ndarray]:
    """Return the shapes, the coordinate system and the scores in a layer of heads."""
    import shapely
    from pyogrio.raw import read

    meta, _, shapes, fields = read(file)
    assert list(meta["fields"]) == ["head", "score"]
    return shapely.from_wkb(shapes), meta["crs"], fields[1]


def test_heads_have_the_coordinates_of_the_raster_and_longitude_and_latitude(tmp_path: Path) -> None:
    import shapely
    from rasterio.warp import transform

    photo = painted(WIDTH, HEIGHT, np.array([[100, 40, 120, 50]]))
    predicted(write_raster(tmp_path / "o.tif", photo), tmp_path / "out")
    ((shape,), crs, (score,)) = polygons(tmp_path / "out" / "heads.gpkg")
    x, y = ORIGIN
    assert crs == "EPSG:32632"
    assert shape.bounds == pytest.approx((x + 0.05, y - 0.025, x + 0.06, y - 0.02), abs=1e-6)
    assert score == pytest.approx(0.5 + 0.4 / 1.02, abs=1e-5)
    ((turned,), crs, _) = polygons(tmp_path / "out" / "heads.geojson")
    assert crs == "EPSG:4326"
    longitude, latitude = transform("EPSG:4326", "EPSG:32632", *([one] for one in turned.centroid.coords[0]))
    assert (longitude[0], latitude[0]) == pytest.approx((x + 0.055, y - 0.0225), abs=2e-4)
    content = json.loads((tmp_path / "out" / "heads.geojson").read_text())
    assert "crs" not in content
    assert shapely.is_ccw(shapely.get_exterior_ring(turned))
    (row,) = csv.DictReader((tmp_path / "out" / "detections.csv").read_text().splitlines())
    assert (row["image"], row["left"], row["bottom"]) == ("o.tif", "100.00", "50.00")


def test_heads_on_a_rotated_raster_are_turned_with_it(tmp_path: Path) -> None:
    angle = np.radians(30)
    a, d = GSD * np.cos(angle), GSD * np.sin(angle)
    x, y = ORIGIN
    photo = painted(WIDTH, HEIGHT, np.array([[100, 40, 120, 50]]))
    raster = write_raster(tmp_path / "o.tif", photo, transform=(a, d, x, d, -a, y))
    assert len(predicted(raster, tmp_path / "out")) == 1
    ((shape,), _, _) = polygons(tmp_path / "out" / "heads.gpkg")
    assert shape.area == pytest.approx(20 * 10 * GSD**2, rel=1e-4)
    assert shape.centroid.coords[0] == pytest.approx((x + a * 110 + d * 45, y + d * 110 - a * 45), abs=1e-6)


@pytest.mark.parametrize("latitude", [0.0, 51.0, -35.0])
def test_degrees_are_looked_at_in_square_pixels_of_the_right_size(latitude: float, tmp_path: Path) -> None:
    degree = 111_320.0  # m, at the equator
    step = GSD / degree
    heads = np.array([[100, 40, 130, 60], [400, 300, 430, 320]])
    transform = (step, 0, 8.0, 0, -step, latitude)
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, heads), crs="EPSG:4326", transform=transform)
    with opened(raster) as one:
        assert one.coordinates is not None
        across, down = one.coordinates.pixel_sides()
        assert across == pytest.approx(GSD * np.cos(np.radians(latitude)), rel=0.01)
        assert down == pytest.approx(GSD, rel=0.01)
        assert one.frame[0] / one.frame[1] == pytest.approx(WIDTH * across / (HEIGHT * down), rel=0.02)
        assert one.coordinates.pixel_area() == pytest.approx(across * down, rel=1e-4)
    sizes: list[tuple[int, ...]] = []

    def detect(window: Image) -> Detections:
        bright = window[..., 0] > 100
        if not bright.any():
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        row, column = np.nonzero(bright)
        sizes.append((int(np.ptp(column)) + 1, int(np.ptp(row)) + 1))
        box = [column.min(), row.min(), column.max() + 1, row.max() + 1]
        return Detections(np.array([box], np.float32), np.array([0.9], np.float32))

    predict_raster(detect, Order([raster], tmp_path / "out", 0.5, card=CARD, looks=Looks(tile=350)))
    found = read_results(tmp_path / "out").photos[0].found
    assert found is not None
    np.testing.assert_allclose(np.sort(found.boxes, axis=0), heads, atol=2)
    assert any(abs(size[0] / size[1] - 30 * across / (20 * down)) < 0.15 for size in sizes)


def test_without_a_coordinate_system_there_are_pixels_alone_and_the_scale_is_asked_for(tmp_path: Path) -> None:
    heads = scattered(2, WIDTH, HEIGHT)
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, heads), crs=None)
    with pytest.raises(ImageError, match=r"o\.tif: has no coordinate system .* give --gsd MM or --tile SIDE"):
        predicted(raster, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(predicted(raster, tmp_path / "out", looks=Looks(gsd=0.5))) == len(heads)
    assert not list((tmp_path / "out").glob("heads.*"))


def test_pixels_too_coarse_for_heads_are_refused(tmp_path: Path) -> None:
    transform = (0.02, 0, ORIGIN[0], 0, -0.02, ORIGIN[1])
    raster = write_raster(tmp_path / "o.tif", np.zeros((50, 50, 3), np.uint8), transform=transform)
    with pytest.raises(ImageError, match="a pixel measures 20 mm, expected at most 5 mm"):
        predicted(raster, tmp_path / "out")


def test_web_mercator_is_measured_on_the_ground(tmp_path: Path) -> None:
    from rasterio.warp import transform

    ((x,), (y,)) = transform("EPSG:4326", "EPSG:3857", [8.0], [51.0])
    raster = write_raster(
        tmp_path / "o.tif", np.zeros((50, 50, 3), np.uint8), crs="EPSG:3857", transform=(0.001, 0, x, 0, -0.001, y)
    )
    with opened(raster) as one:
        assert one.coordinates is not None
        assert one.coordinates.gsd() == pytest.approx(np.cos(np.radians(51)), rel=0.005)


# --- which files are rasters


def test_a_tiff_with_coordinates_is_a_raster_and_any_other_file_a_photo(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert is_raster(write_raster(tmp_path / "a.tif", pixels))
    assert is_raster(write_raster(tmp_path / "b.tif", pixels, BIGTIFF="YES"))
    assert not is_raster(write_raster(tmp_path / "c.tif", pixels, crs=None))
    (tmp_path / "d.tif").write_bytes(b"II*\0 broken")
    assert not is_raster(tmp_path / "d.tif")
    assert not is_raster(tmp_path)
    assert not is_raster(tmp_path / "missing.tif")
    assert NORTH_UP[4] < 0


def beside(raster: Path, world: bool, facts: str) -> Path:
    """Write files beside a TIFF that say where it lies; rasterio writes a world file too, if asked."""
    if world:
        raster.with_suffix(".tfw").write_text("0.0005\n0\n0\n-0.0005\n500000.00025\n5499999.99975\n")
    if facts:
        raster.with_name(f"{raster.name}.aux.xml").write_text(f"<PAMDataset>{facts}</PAMDataset>")
    return raster


def test_coordinates_beside_a_tiff_are_coordinates(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    system = f"<SRS>{UTM}</SRS>"
    raster = beside(write_raster(tmp_path / "a.tif", pixels, crs=None), world=True, facts=system)
    assert is_raster(raster)
    with opened(raster) as one:
        assert one.coordinates is not None
        assert one.coordinates.transform == pytest.approx(NORTH_UP)
    assert is_raster(beside(write_raster(tmp_path / "b.tif", pixels, crs=None), world=True, facts=""))
    assert is_raster(beside(write_raster(tmp_path / "c.tif", pixels, crs=None), world=False, facts=system))
    statistics = "<Metadata><MDI key='STATISTICS_MEAN'>9</MDI></Metadata>"
    assert not is_raster(beside(write_raster(tmp_path / "d.tif", pixels, crs=None), world=False, facts=statistics))


def test_rasters_that_are_taken_as_photos_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    first, second = (write_raster(tmp_path / name, pixels) for name in ("a.tif", "b.tif"))
    plain = write_raster(tmp_path / "c.tif", pixels, crs=None)
    for paths, said in (([first, second], "2 GeoTIFF(s)"), ([tmp_path], "2 GeoTIFF(s)"), ([first, plain], "1 GeoTIFF")):
        say_what_is_lost(paths)
        assert capsys.readouterr().err.startswith(said)
    for alone in (first, plain):
        say_what_is_lost([alone])
        assert capsys.readouterr().err == ""


def test_commands_tell_of_rasters_that_are_taken_as_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.tif", "b.tif"):
        write_raster(tmp_path / "photos" / name, np.zeros((64, 64, 3), np.uint8))
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "photos"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "2 GeoTIFF(s) are taken as photos" in result.stderr


def test_without_the_extra_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = write_raster(tmp_path / "a.tif", np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(
        MissingExtraError, match=r"rasterio is not installed, .*a\.tif needs it: pip install 'spica-wheat\[geo\]'"
    ):
        predicted(raster, tmp_path / "out")


# --- going on


def stopping(after: int) -> Callable[[int, int], None]:
    def told(done: int, _all: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    return told


@pytest.mark.parametrize("after", [1, 6, 7, 24])
def test_what_was_killed_goes_on_with_the_next_window_and_ends_with_the_same_tables(after: int, tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, scattered(7, WIDTH, HEIGHT)))
    windows = len(list(tiles_of(WIDTH, HEIGHT, SIDE, OVERLAP)))
    assert windows == 24
    order = Order([raster], tmp_path / "out", 0.5, card=CARD)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(find_painted, order, told=stopping(after))
    lines = tmp_path / "out" / ".unfinished" / "photos.jsonl"
    lines.write_bytes(lines.read_bytes()[:-3])  # a kill in the middle of a line: that window is looked at again
    with pytest.raises(OutputError, match="another score"):
        predict_raster(find_painted, replace(order, score=0.4))
    asked: list[Image] = []

    def detect(window: Image) -> Detections:
        asked.append(window)
        return find_painted(window)

    predict_raster(detect, order)
    assert len(asked) == windows - after + 1
    predict_raster(find_painted, replace(order, out=tmp_path / "whole"))
    for name in ("counts.csv", "detections.csv", "heads.geojson", "manifest.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (tmp_path / "out" / ".unfinished").exists()


def stopped(raster: Path, photo: Image, out: Path) -> Order:
    """Write a raster and look at six windows of it."""
    order = Order([write_raster(raster, photo)], out, 0.5, card=CARD)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(find_painted, order, told=stopping(6))
    return order


def test_a_raster_that_was_replaced_since_is_looked_at_again_from_its_first_window(tmp_path: Path) -> None:
    order = stopped(tmp_path / "o.tif", painted(WIDTH, HEIGHT, scattered(7, WIDTH, HEIGHT)), tmp_path / "out")
    (tmp_path / "o.tif").unlink()
    other = painted(WIDTH, HEIGHT, scattered(8, WIDTH, HEIGHT))
    assert boxes_of(predicted(write_raster(tmp_path / "o.tif", other), order.out)) == boxes_of(find_painted(other))


def test_a_raster_that_lies_elsewhere_since_is_refused(tmp_path: Path) -> None:
    photo = painted(WIDTH, HEIGHT, scattered(7, WIDTH, HEIGHT))
    order = stopped(tmp_path / "o.tif", photo, tmp_path / "out")
    write_raster(tmp_path / "o.tif", photo, transform=(*NORTH_UP[:5], ORIGIN[1] + 1))
    with pytest.raises(OutputError, match=r"another place \('EPSG:32632 0.0005 0 500000 0 -0.0005 5500000' instead of"):
        predict_raster(find_painted, order)
