"""Facts about the way back from QGIS: heads corrected over a raster become labels of photos cut out of it.

The files in `exports` were written by QGIS 3.22.16 (its Python, without a window) from the heads.gpkg that `spica
predict` writes for the raster of `qgis_raster`: the features 1 and 2 deleted; 5 moved by 10 pixels to the right and 4
down; the lower right corner of 8 dragged 6 to the right and 3 down; two rectangles and an ellipse drawn, without a word
in the attribute table; a row added in that table, which has no shape; the style saved. The GeoPackage got a second
layer, `area`, the rectangle 0, 0, 640, 500 in degrees; the others are exports of the corrected layer.
"""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from painted_rasters import CARD, GSD, NORTH_UP, ORIGIN, UTM, find_painted, painted, scattered, write_raster
from spica.cli import app
from spica.errors import AnnotationError, OutputError
from spica.images import read_image
from spica.labels.folder import LAYOUTS, read_labels
from spica.labels.labelled import Labels
from spica.prediction.folder import Order
from spica.rasters.areas import tiles_inside, whole_tiles
from spica.rasters.cutting import Cut, Cuttings, cut_raster
from spica.rasters.folder import predict_raster
from spica.rasters.raster import opened

EXPORTS = Path(__file__).parent / "exports"
WIDTH, HEIGHT = 700, 500


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def on_ground(left: float, top: float, right: float, bottom: float) -> Any:
    import shapely

    x, y = ORIGIN
    return shapely.box(x + left * GSD, y - bottom * GSD, x + right * GSD, y - top * GSD)


def write_shapes(path: Path, shapes: list[Any], *, crs: str | None = UTM, layer: str = "heads") -> Path:
    """Write shapes of any kind without columns, as a layer that is new in QGIS has none."""
    import shapely
    from pyogrio.raw import write

    wkb = np.array([None if one is None else shapely.to_wkb(one) for one in shapes], dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is no coordinate system
        write(path, wkb, [], [], layer=layer, geometry_type="Unknown", crs=crs)
    return path


def predicted(raster: Path, out: Path) -> Path:
    predict_raster(find_painted, Order([raster], out, 0.5, card=CARD))
    return out


def on_raster(labels: Labels) -> list[tuple[float, ...]]:
    """Return the boxes of all photos in pixels of the raster, sorted; the ids of photos say where they lie."""
    moved = [
        tuple((box + np.array([int(part) for part in image.id.split("_")[-2:]] * 2)).round(2).tolist())
        for image in labels
        for box in image.boxes
    ]
    return sorted(moved)


def cut(raster: Path, heads: Path, out: Path, side: int = 1024, **changes: Any) -> Cuttings:
    return cut_raster(replace(Cut(raster, heads, side, "field"), **changes), out, "kaggle")


def kinds(done: Cuttings) -> list[str]:
    return [problem.kind for problem in done.problems]


@pytest.fixture
def qgis_raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "ortho.tif", painted(WIDTH, HEIGHT, scattered(1, WIDTH, HEIGHT, 40)))


# --- the way round


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_what_qgis_saved_is_what_is_on_the_photo(ending: str, qgis_raster: Path, tmp_path: Path) -> None:
    photo = read_image(qgis_raster)
    found = [tuple(float(edge) for edge in row) for row in find_painted(photo).boxes]
    moved = tuple(edge + step for edge, step in zip(found[4], (10, 4, 10, 4), strict=True))
    left, top, right, bottom = found[7]
    drawn = [(200.0, 10.0, 224.0, 30.0), (300.5, 480.25, 330.0, 499.0)]
    expected = sorted([*found[2:4], moved, *found[5:7], (left, top, right + 6, bottom + 3), *found[8:], *drawn])
    done = cut(
        qgis_raster, EXPORTS / f"corrected.{ending}", tmp_path / "out", layer="heads" if ending == "gpkg" else None
    )
    boxes = on_raster(done.labels)
    ellipse = [box for box in boxes if np.abs(np.array(box) - (388, 232, 412, 268)).max() < 0.5]  # 8 and 20 around
    assert len(ellipse) == 1
    boxes.remove(ellipse[0])
    np.testing.assert_allclose(np.array(boxes), np.array(expected), atol=0.3 if ending == "geojson" else 0.011)
    assert [problem.kind for problem in done.problems if problem.severity == "error"] == ["no polygon"]
    assert done.features == len(expected) + 2
    assert done.used == len(expected) + 1


def test_the_area_that_was_corrected_says_which_photos_there_are(qgis_raster: Path, tmp_path: Path) -> None:
    file = EXPORTS / "corrected.gpkg"
    changes: dict[str, Any] = {"layer": "heads", "area": file, "area_layer": "area"}
    done = cut(qgis_raster, file, tmp_path / "out", 128, **changes)
    corners = {(128 * column, 128 * row) for column in range(5) for row in range(3)}
    assert {tuple(map(int, image.id.split("_")[-2:])) for image in done.labels} == corners
    assert {(image.width, image.height) for image in done.labels} == {(128, 128)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_that_nobody_corrected_come_back_in_every_layout(
    layout: str, qgis_raster: Path, tmp_path: Path
) -> None:
    results = predicted(qgis_raster, tmp_path / "results")
    done = run("data", "cut", qgis_raster, results / "heads.gpkg", "--out", tmp_path / "cut", "--to", layout)
    assert done.exit_code == 0, done.output
    assert "all of it counts as labelled" in done.stderr
    labels, problems = read_labels(tmp_path / "cut")
    assert not problems
    assert on_raster(labels) == sorted(map(tuple, find_painted(read_image(qgis_raster)).boxes.tolist()))
    (image,) = labels
    assert np.array_equal(read_image(image.path), read_image(qgis_raster))
    assert image.source == ("ortho" if layout in {"kaggle", "gwhd", "coco"} else image.source)


def test_on_a_rotated_raster_boxes_come_back_too(tmp_path: Path) -> None:
    c, s = GSD * np.cos(0.5), GSD * np.sin(0.5)
    photo = painted(WIDTH, HEIGHT, scattered(2, WIDTH, HEIGHT))
    # Away from 9 degrees east: of a longitude such as 9.000000012, GDAL takes the last digits for rounding.
    raster = write_raster(tmp_path / "ortho.tif", photo, transform=(c, s, ORIGIN[0] + 1000, s, -c, ORIGIN[1]))
    results = predicted(raster, tmp_path / "results")
    for ending, off in (("gpkg", 0.011), ("geojson", 0.5)):  # of a degree nine digits are written, 0.1 mm
        boxes = on_raster(cut(raster, results / f"heads.{ending}", tmp_path / ending).labels)
        whole = sorted(boxes, key=lambda box: [round(edge) for edge in box])  # by hundredths the order would be chance
        painted_boxes = sorted(map(tuple, find_painted(photo).boxes.tolist()))
        np.testing.assert_allclose(np.array(whole), np.array(painted_boxes), atol=off)


# --- parts


def test_a_head_at_an_edge_is_on_the_photos_that_show_enough_of_it(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 400, 3), 80, dtype=np.uint8))
    # At the edge between two photos, x = 200: whole, 20 % over it, half over it.
    heads = [(100, 10, 120, 30), (184, 60, 204, 80), (190, 110, 210, 130)]
    layer = write_shapes(tmp_path / "heads.gpkg", [on_ground(*head) for head in heads])
    first, second = cut(raster, layer, tmp_path / "out", 200).labels
    assert first.boxes.round(2).tolist() == [[100, 10, 120, 30], [184, 60, 200, 80], [190, 110, 200, 130]]
    assert second.boxes.round(2).tolist() == [[0, 110, 10, 130]]


@settings(max_examples=50, deadline=None)
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), side=st.integers(64, 1500))
def test_parts_of_the_whole_cover_every_pixel_once(width: int, height: int, side: int) -> None:
    tiles = whole_tiles(width, height, side)
    assert sum(tile.width * tile.height for tile in tiles) == width * height
    columns = sorted({(tile.left, tile.left + tile.width) for tile in tiles})
    assert [end for _, end in columns] == [*(start for start, _ in columns[1:]), width]
    assert all(tile.width <= 1.5 * side and tile.height <= 1.5 * side for tile in tiles)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_parts_of_areas_are_inside_them_and_share_no_pixel(seed: int) -> None:
    import shapely

    random = np.random.default_rng(seed)
    blobs = [shapely.Point(*random.uniform(0, 1000, 2)).buffer(random.uniform(50, 300)) for _ in range(4)]
    area = shapely.union_all(blobs)
    tiles = tiles_inside(area, (1000, 900), 100)
    squares = [shapely.box(one.left, one.top, one.left + one.width, one.top + one.height) for one in tiles]
    assert all(area.buffer(1.01).contains(one) for one in squares)
    assert all(one.left >= 0 and one.top >= 0 and one.left <= 900 and one.top <= 800 for one in tiles)
    assert shapely.union_all(squares).area == pytest.approx(100 * 100 * len(tiles))
    assert tiles or max(blob.area for blob in blobs) < 5 * 100 * 100


def test_parts_without_pixels_are_no_photos_and_heads_without_pixels_none(tmp_path: Path) -> None:
    mask = np.full((200, 400), 255, dtype=np.uint8)
    mask[:, 150:] = 0
    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 400, 3), 80, dtype=np.uint8), mask=mask)
    heads = [(10, 10, 30, 30), (160, 10, 180, 30)]
    layer = write_shapes(tmp_path / "heads.gpkg", [on_ground(*head) for head in heads])
    done = cut(raster, layer, tmp_path / "out", 200)
    assert (len(done.labels), done.labels[0].heads, done.empty, kinds(done)) == (1, 1, 1, ["no pixels"])


def test_photos_show_what_a_detector_sees_of_16_bits(tmp_path: Path) -> None:
    values = np.linspace(200, 3000, 300 * 200 * 3).reshape(200, 300, 3).astype(np.uint16)
    raster = write_raster(tmp_path / "ortho.tif", values)
    done = cut(raster, write_shapes(tmp_path / "heads.gpkg", []), tmp_path / "out")
    with opened(raster) as one:
        (tile,) = whole_tiles(300, 200, 1024)
        assert np.array_equal(read_image(tmp_path / "out" / "train" / "ortho_0_0.png"), one.read(tile).pixels)
    assert done.labels[0].heads == 0


# --- what people draw


def test_each_feature_that_is_no_head_is_one_line_and_the_others_stay(tmp_path: Path) -> None:
    import shapely

    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 200, 3), 80, dtype=np.uint8))
    good, far = on_ground(50, 50, 70, 70), on_ground(900, 900, 920, 920)
    left, bottom, right, top = on_ground(100, 100, 120, 130).bounds
    bow = shapely.Polygon([(left, bottom), (right, top), (right, bottom), (left, top)])
    line = shapely.Polygon([(left, bottom), (right, bottom), (left, bottom)])
    two = shapely.MultiPolygon([on_ground(10, 150, 20, 160), on_ground(22, 150, 30, 160)])
    turned = shapely.affinity.rotate(on_ground(150, 150, 170, 170), 45)
    half = on_ground(-8, 10, 8, 20)
    shapes = [good, None, good.centroid, good.boundary, shapely.Polygon(), far, bow, line, two, turned, good, half]
    layer = write_shapes(tmp_path / "heads.gpkg", shapes)
    done = cut(raster, layer, tmp_path / "out")
    by_fid = {problem.row: (problem.severity, problem.kind) for problem in done.problems}
    assert by_fid == {
        2: ("error", "no polygon"),
        3: ("error", "no polygon"),
        4: ("error", "no polygon"),
        5: ("error", "no polygon"),
        6: ("error", "outside"),
        7: ("warning", "crossing"),
        8: ("error", "no area"),
        9: ("warning", "several parts"),
        11: ("error", "duplicate"),
    }
    grown = 10 * 2**0.5
    expected = [
        [0, 10, 8, 20],
        [10, 150, 30, 160],
        [50, 50, 70, 70],
        [100, 100, 120, 130],
        [160 - grown, 160 - grown, 160 + grown, 160 + grown],
    ]
    np.testing.assert_allclose(np.array(on_raster(done.labels)), np.array(expected), atol=0.011)
    assert done.features == len(shapes)


def test_polygons_may_have_other_coordinates(tmp_path: Path) -> None:
    import shapely

    from spica.rasters.coordinates import converted

    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 200, 3), 80, dtype=np.uint8))
    degrees = shapely.transform(on_ground(50, 60, 70, 90), lambda points: converted(points, UTM, "EPSG:4326"))
    done = cut(raster, write_shapes(tmp_path / "heads.gpkg", [degrees], crs="EPSG:4326"), tmp_path / "out")
    np.testing.assert_allclose(done.labels[0].boxes, [[50, 60, 70, 90]], atol=0.1)


def test_files_that_do_not_fit_are_one_line_and_no_folder(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 200, 3), 80, dtype=np.uint8))
    heads = write_shapes(tmp_path / "heads.gpkg", [on_ground(50, 50, 70, 70)])
    out = tmp_path / "out"
    plain = write_raster(tmp_path / "plain.tif", np.full((200, 200, 3), 80, dtype=np.uint8), crs=None)
    metres_as_degrees = write_shapes(tmp_path / "degrees.gpkg", [on_ground(0, 0, 200, 200)], crs="EPSG:4326")
    for changes, words in (
        ({"heads": EXPORTS / "corrected.gpkg"}, "has the layers heads, area, expected one; name one by --layer"),
        ({"layer": "wheat"}, "has the layers heads, expected wheat"),
        ({"heads": tmp_path / "none.gpkg"}, "none.gpkg: there is no such file, expected polygons; check the path"),
        ({"area": write_shapes(tmp_path / "small.gpkg", [on_ground(0, 0, 90, 200)])}, "no photo of 100 x 100 pixels"),
        ({"area": write_shapes(tmp_path / "empty.gpkg", [])}, "no photo of 100 x 100 pixels"),
        ({"area": write_shapes(tmp_path / "far.gpkg", [on_ground(900, 0, 1200, 300)])}, "no photo of 100 x 100 pixels"),
        ({"area": write_shapes(tmp_path / "by.gpkg", [on_ground(200, 0, 400, 200)])}, "no photo of 100 x 100 pixels"),
        ({"area": metres_as_degrees}, "no photo of 100 x 100 pixels"),
        ({"raster": plain}, "has no coordinate system on the earth"),
        ({"heads": write_shapes(tmp_path / "nowhere.gpkg", [on_ground(0, 0, 9, 9)], crs=None)}, "no coordinate system"),
    ):
        with pytest.raises(AnnotationError, match=words):
            cut_raster(replace(Cut(raster, heads, 100, "field"), **changes), out, "kaggle")
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        cut(raster, heads, out)


def test_a_raster_whose_transform_is_not_square_is_cut_in_square_pixels(tmp_path: Path) -> None:
    stretched = (NORTH_UP[0] * 2, *NORTH_UP[1:])
    raster = write_raster(tmp_path / "ortho.tif", np.full((200, 100, 3), 80, dtype=np.uint8), transform=stretched)
    done = cut(raster, write_shapes(tmp_path / "heads.gpkg", [on_ground(50, 60, 70, 90)]), tmp_path / "out")
    (image,) = done.labels
    assert (image.width, image.height) == (200, 200)
    np.testing.assert_allclose(image.boxes, [[50, 60, 70, 90]], atol=0.2)
