"""Facts about plots on a raster: which heads they hold, how large they are, and what is wrong with some of them."""

import csv
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from painted_rasters import CARD, GSD, NORTH_UP, ORIGIN, UTM, find_painted, painted, write_raster
from spica.cli import app
from spica.errors import AnnotationError
from spica.prediction.folder import Order
from spica.prediction.journal import Outcome
from spica.prediction.parts import part_of
from spica.rasters.counting import whole_part
from spica.rasters.folder import predict_raster
from spica.rasters.plots import Plot, read_plots
from spica.rasters.raster import opened

WIDTH, HEIGHT = 700, 500
HEADS = np.array([[100, 100, 110, 110], [140, 100, 150, 110], [300, 300, 310, 310], [600, 400, 610, 410]])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def on_ground(left: float, top: float, right: float, bottom: float) -> Any:
    """Return the polygon of a box in pixels, in coordinates of the raster."""
    import shapely

    x, y = ORIGIN
    return shapely.box(x + left * GSD, y - bottom * GSD, x + right * GSD, y - top * GSD)


def write_plots(
    path: Path, shapes: list[Any], names: list[Any], *, crs: str | None = UTM, column: str = "plot"
) -> Path:
    import shapely
    from pyogrio.raw import write

    driver = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".geojson": "GeoJSON"}[path.suffix]
    content = np.array(names, dtype=object if any(isinstance(one, str) or one is None for one in names) else None)
    wkb = np.array([None if one is None else shapely.to_wkb(one) for one in shapes], dtype=object)
    kind = "Polygon" if path.suffix == ".shp" else "Unknown"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing coordinate system
        write(path, wkb, [content], [column], driver=driver, crs=crs, geometry_type=kind)
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, HEADS))


@pytest.fixture
def results(raster: Path, tmp_path: Path) -> Path:
    predict_raster(find_painted, Order([raster], tmp_path / "boxes", 0.5, card=CARD))
    return tmp_path / "boxes"


def plots_of(raster: Path, file: Path, column: str = "plot") -> tuple[tuple[Plot, ...], list[str]]:
    with opened(raster) as one:
        plots, problems = read_plots(file, one, column)
    return plots, [problem.line() for problem in problems]


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson"])
def test_a_head_belongs_to_the_plot_that_holds_its_centre(suffix: str, results: Path, tmp_path: Path) -> None:
    import shapely
    from pyogrio.raw import read

    from spica.rasters.coordinates import converted

    shapes = [on_ground(50, 50, 144, 200), on_ground(144, 50, 400, 400)]  # the seam is left of the second one's centre
    crs = UTM
    if suffix == ".geojson":
        crs = "EPSG:4326"
        shapes = [shapely.transform(one, lambda points: converted(points, UTM, "EPSG:4326")) for one in shapes]
    plots = write_plots(tmp_path / f"p{suffix}", shapes, [7, 12], crs=crs)
    result = run("count", results, "--out", tmp_path / "out", "--plots", plots)
    assert result.exit_code == 0, result.output
    first, second = rows(tmp_path / "out" / "plots.csv")
    assert (first["plot"], first["photos"], first["found"], first["flags"]) == ("7", "1", "1", "blur not_wheat")
    assert (second["plot"], second["found"]) == ("12", "2")
    area = 94 * 150 * GSD**2
    assert float(first["area_m2"]) == pytest.approx(area, rel=0.02)
    assert float(first["density"]) == pytest.approx(1 / area, rel=0.01)
    (whole,) = rows(tmp_path / "out" / "counts.csv")
    assert (whole["image"], whole["found"]) == ("o.tif", "4")
    margin = 0.2 * 10  # pixels: a fifth of a head, as around a photo
    assert float(whole["area_m2"]) == pytest.approx((WIDTH + 2 * margin) * (HEIGHT + 2 * margin) * GSD**2, rel=2e-3)
    meta, _, drawn, fields = read(tmp_path / "out" / "plots.gpkg")
    assert meta["crs"] == UTM
    values = dict(zip(meta["fields"], fields, strict=True))
    assert (values["plot"].tolist(), values["found"].tolist()) == (["7", "12"], [1, 2])
    assert np.isnan(values["heads"]).all()
    assert shapely.from_wkb(drawn[0]).area == pytest.approx(area, rel=1e-3)


@pytest.mark.parametrize(("crs", "stretch"), [(UTM, 1), (UTM, 2), (None, 1)])
def test_a_raster_has_the_area_that_it_has_as_a_photo(crs: str | None, stretch: int, tmp_path: Path) -> None:
    from spica.counting.ground import Sampled

    transform = (GSD * stretch, 0.0, ORIGIN[0], 0.0, -GSD, ORIGIN[1])
    file = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, HEADS), crs=crs, transform=transform)
    found = find_painted(painted(WIDTH, HEIGHT, HEADS))
    outcome = Outcome("o.tif", WIDTH, HEIGHT, found)
    with opened(file) as raster:
        area = whole_part(raster, outcome, gsd=0.5).area
    square = replace(outcome, width=WIDTH * stretch, found=found.scaled(stretch, 1))
    photo = part_of(square, "", Sampled(0.5), framed=False)
    assert area == pytest.approx(photo.area, rel=2e-3)  # UTM: 0.9996 squared


def test_a_plot_partly_outside_has_the_area_of_its_part_inside(results: Path, tmp_path: Path) -> None:
    plots = write_plots(tmp_path / "p.gpkg", [on_ground(550, 350, 850, 450), on_ground(0, 0, 99, 99)], ["a", "b"])
    run("count", results, "--out", tmp_path / "out", "--plots", plots)
    first, second = rows(tmp_path / "out" / "plots.csv")
    assert "partly_outside" in first["flags"]
    assert "partly_outside" not in second["flags"]
    assert float(first["area_m2"]) == pytest.approx(150 * 100 * GSD**2, abs=1e-4)
    assert first["found"] == "1"


def test_a_plot_partly_without_pixels_has_the_area_of_those_that_are_there(tmp_path: Path) -> None:
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :200] = 0
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, HEADS), mask=mask)
    shapes = [on_ground(100, 50, 300, 450), on_ground(210, 50, 300, 450), on_ground(10, 50, 190, 450)]
    (first, second), problems = plots_of(raster, write_plots(tmp_path / "p.gpkg", shapes, ["a", "b", "c"]))
    assert first.inside == pytest.approx(first.area / 2, rel=5e-3)
    assert first.flags == ("partly_outside",)
    assert second.inside == second.area
    assert len(problems) == 1
    assert "p.gpkg, feature 3: the plot c lies where o.tif has no pixels" in problems[0]


def test_what_is_wrong_with_a_plot_is_one_line_and_the_others_count(raster: Path, tmp_path: Path) -> None:
    import shapely

    x, y = ORIGIN
    bow = shapely.Polygon([(x + 0.1, y - 0.1), (x + 0.2, y - 0.2), (x + 0.2, y - 0.1), (x + 0.1, y - 0.2)])
    # A spike, of no area, that runs back on itself.
    spike = shapely.Polygon(
        [(x, y), (x + 0.1, y), (x + 0.1, y - 0.1), (x + 0.1, y - 0.2), (x + 0.1, y - 0.1), (x, y - 0.1)]
    )
    flat = shapely.Polygon([(x, y), (x + 0.1, y - 0.1), (x + 0.2, y - 0.2)])
    good, far = on_ground(50, 50, 144, 200), on_ground(5000, 5000, 5100, 5100)
    shapes = [good, bow, spike, flat, good, shapely.Polygon(), None, shapely.Point(x, y), far, good]
    names = ["good", "bow", "spike", "flat", "good", "empty", "nothing", "point", "far", None]
    plots, problems = plots_of(raster, write_plots(tmp_path / "p.gpkg", shapes, names))
    assert [plot.name for plot in plots] == ["good", "spike"]
    assert plots[1].area == pytest.approx(0.01, rel=2e-3)
    for line, said in zip(
        problems,
        [
            "feature 2: the plot bow crosses itself (Self-intersection",
            "feature 3: the plot spike was repaired (",
            "feature 4: the plot flat has no area",
            "feature 5: the plot good is there already",
            "feature 6: the plot empty is nothing, expected a polygon",
            "feature 7: the plot nothing is nothing, expected a polygon",
            "feature 8: the plot point is Point, expected a polygon",
            "feature 9: the plot far lies where o.tif has no pixels",
            "feature 10: the name of the plot is empty",
        ],
        strict=True,
    ):
        assert said in line


def test_the_command_tells_of_bad_plots_and_ends_with_1(results: Path, tmp_path: Path) -> None:
    plots = write_plots(tmp_path / "p.gpkg", [on_ground(50, 50, 144, 200)] * 2, ["a", "a"], column="parcel")
    result = run("count", results, "--out", tmp_path / "out", "--plots", plots, "--plot-id", "parcel")
    assert result.exit_code == 1
    assert "p.gpkg, feature 2: the plot a is there already" in result.output
    assert [row["plot"] for row in rows(tmp_path / "out" / "plots.csv")] == ["a"]


def test_plots_that_cannot_be_placed_are_refused(raster: Path, tmp_path: Path) -> None:
    nowhere = write_plots(tmp_path / "p.shp", [on_ground(0, 0, 9, 9)], ["a"], crs=None)
    with pytest.raises(AnnotationError, match=r"p\.shp: has no coordinate system"):
        plots_of(raster, nowhere)
    other = write_plots(tmp_path / "q.gpkg", [on_ground(0, 0, 9, 9)], ["a"], column="id")
    with pytest.raises(AnnotationError, match=r"q\.gpkg: has the columns id, expected plot; .*--plot-id"):
        plots_of(raster, other)
    (tmp_path / "r.gpkg").write_bytes(b"no layer")
    with pytest.raises(AnnotationError, match=r"r\.gpkg: cannot be read"):
        plots_of(raster, tmp_path / "r.gpkg")
    with pytest.raises(AnnotationError, match=r"s\.gpkg: there is no such file, expected polygons; check the path"):
        plots_of(raster, tmp_path / "s.gpkg")
    (tmp_path / "t.csv").write_text("image,plot\no.tif,a\n")
    with pytest.raises(AnnotationError, match=r"t\.csv: holds no polygons, which a GeoTIFF needs; .*\.gpkg"):
        plots_of(raster, tmp_path / "t.csv")
    bare = write_raster(tmp_path / "bare.tif", painted(WIDTH, HEIGHT, HEADS), crs=None)
    with pytest.raises(AnnotationError, match="has no coordinate system on the earth, which plots need"):
        plots_of(bare, other)


def test_polygons_for_photos_are_refused_before_any_work(tmp_path: Path) -> None:
    bare = write_raster(tmp_path / "bare.tif", painted(WIDTH, HEIGHT, HEADS), crs=None)
    plots = write_plots(tmp_path / "p.gpkg", [on_ground(0, 0, 9, 9)], ["a"])
    result = run("count", bare, "--out", tmp_path / "out", "--plots", plots)
    assert result.exit_code == 1
    assert "polygons need one GeoTIFF with coordinates" in result.output
    assert not (tmp_path / "out").exists()


def test_the_area_does_not_depend_on_the_coordinate_system(tmp_path: Path) -> None:
    from spica.rasters.coordinates import converted

    ((x, y),) = converted(np.array([ORIGIN]), UTM, "EPSG:3857").tolist()
    stretch = 1.55  # of Web Mercator at 49.65 degrees, nearly
    transform = (GSD * stretch, 0, x, 0, -GSD * stretch, y)
    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, HEADS), crs="EPSG:3857", transform=transform)
    plots, problems = plots_of(raster, write_plots(tmp_path / "p.gpkg", [on_ground(50, 50, 150, 150)], ["a"]))
    assert problems == []
    assert plots[0].inside == plots[0].area == pytest.approx(100 * 100 * GSD**2, rel=1e-3)  # UTM: 0.9996 squared


def test_the_shipped_model_counts_a_raster_from_its_file(tmp_path: Path) -> None:
    from spica.labels.fields import render_field

    photo, heads = render_field(3, side=640)
    raster = write_raster(tmp_path / "o.tif", photo)
    plots = write_plots(tmp_path / "p.gpkg", [on_ground(0, 0, 640, 640)], ["all"])
    result = run("count", raster, "--out", tmp_path / "out", "--plots", plots)
    assert result.exit_code == 0, result.output
    (row,) = rows(tmp_path / "out" / "plots.csv")
    assert abs(int(row["found"]) - len(heads)) < 0.5 * len(heads)
    assert json.loads((tmp_path / "out" / "boxes" / "manifest.json").read_text())["photos"] == 1


def test_without_heads_or_plots_the_tables_and_layers_are_empty(tmp_path: Path) -> None:
    from pyogrio import read_info

    raster = write_raster(tmp_path / "o.tif", painted(WIDTH, HEIGHT, np.zeros((0, 4), int)))
    predict_raster(find_painted, Order([raster], tmp_path / "boxes", 0.5, card=CARD))
    assert json.loads((tmp_path / "boxes" / "heads.geojson").read_text())["features"] == []
    assert read_info(tmp_path / "boxes" / "heads.gpkg")["features"] == 0
    one = write_plots(tmp_path / "one.gpkg", [on_ground(50, 50, 144, 200)], ["a"])
    assert run("count", tmp_path / "boxes", "--out", tmp_path / "first", "--plots", one).exit_code == 0
    assert [row["found"] for row in rows(tmp_path / "first" / "plots.csv")] == ["0"]
    none = write_plots(tmp_path / "none.gpkg", [on_ground(5000, 50, 5100, 200)], ["a"])
    result = run("count", tmp_path / "boxes", "--out", tmp_path / "second", "--plots", none)
    assert result.exit_code == 1
    assert rows(tmp_path / "second" / "plots.csv") == []
    assert read_info(tmp_path / "second" / "plots.gpkg")["features"] == 0


def test_a_raster_that_is_gone_is_no_photo(raster: Path, results: Path, tmp_path: Path) -> None:
    raster.rename(tmp_path / "moved.tif")
    result = run("count", results, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "o.tif: the raster of these results is not there" in result.output
    assert not (tmp_path / "out").exists()


def test_a_raster_that_was_replaced_is_refused(raster: Path, results: Path, tmp_path: Path) -> None:
    write_raster(raster, painted(WIDTH // 2, HEIGHT // 2, HEADS[:0]))
    result = run("count", results, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "has 350 x 250 pixels, expected 700 x 500 as when it was predicted" in " ".join(result.output.split())


@pytest.mark.parametrize("crs", [UTM, "EPSG:32633", None])
def test_a_raster_that_lies_elsewhere_since_is_refused(
    crs: str | None, raster: Path, results: Path, tmp_path: Path
) -> None:
    north = 1 if crs == UTM else 0
    write_raster(raster, painted(WIDTH, HEIGHT, HEADS), crs=crs, transform=(*NORTH_UP[:5], ORIGIN[1] + north))
    if crs is None:  # still a raster, by a world file, in no coordinate system
        raster.with_suffix(".tfw").write_text("0.0005\n0\n0\n-0.0005\n500000.00025\n5499999.99975\n")
    result = run("count", results, "--out", tmp_path / "out")
    assert result.exit_code == 1
    expected = "expected EPSG:32632 0.0005 0 500000 0 -0.0005 5500000 as when it was predicted"
    assert expected in " ".join(result.output.split())


def test_metres_that_are_called_degrees_lie_outside(raster: Path, tmp_path: Path) -> None:
    text = {
        "type": "Polygon",
        "coordinates": [[[500000, 5500000], [500001, 5500000], [500001, 5499999], [500000, 5500000]]],
    }
    feature = {"type": "Feature", "properties": {"plot": "a"}, "geometry": text}
    file = tmp_path / "utm.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    plots, problems = plots_of(raster, file)
    assert plots == ()
    assert "the plot a lies where o.tif has no pixels" in problems[0]


def without_system(file: Path, number: int) -> Path:
    """Write plots as a GeoPackage that does not know its coordinate system: -1 for a plane, 0 for a globe."""
    import sqlite3

    write_plots(file, [on_ground(0, 0, 99, 99)], ["a"])
    with sqlite3.connect(file) as tables:
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            tables.execute(f"UPDATE {table} SET srs_id = {number}")
    return file


def test_a_geopackage_that_knows_no_coordinate_system_is_refused(raster: Path, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="has no coordinate system"):
        plots_of(raster, without_system(tmp_path / "plots.gpkg", -1))
    plots, (problem,) = plots_of(raster, without_system(tmp_path / "globe.gpkg", 0))
    assert plots == ()
    assert "lies where o.tif has no pixels; check the coordinate systems" in problem
