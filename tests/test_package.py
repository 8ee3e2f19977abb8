"""Facts about the package as a whole: its documents say what is there, and agree on the version."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import spica
from spica.cli import app
from spica.model.settings import Settings
from spica.training.recipe import Recipe, read_recipe, recipe_from

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
RECIPE = ROOT / "recipes" / "wheat-mobilenet_v2.toml"
FOLDERS = ("docs/", "recipes/", "src/", "tests/", "benchmarks/")

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(path: Path, language: str) -> list[str]:
    """Return the code blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the names by which a document's headings are linked to."""
    headings = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the arguments of each call of spica in a document."""
    for block in blocks(path, "bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            starts = [number for number, word in enumerate(words) if word in ("spica", "$(command -v spica)")]
            if starts and "pip" not in words:
                yield words[starts[0] + 1 :]


def test_public_names_are_there_and_need_no_torch() -> None:
    code = (
        "import spica, sys\n"
        "values = [getattr(spica, name) for name in spica.__all__]\n"
        "print(len(values), 'torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(spica.__all__)), "False", "False"]
    assert len(set(spica.__all__)) == len(spica.__all__) > 5


def test_a_name_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load'; it has Boxes, Detect"):
        spica.load  # noqa: B018 - the look-up is what raises


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changed = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert changed is not None
    assert spica.__version__ == project["version"] == changed[1] == citation()["version"]


def citation() -> dict[str, str]:
    """Return the keys of CITATION.cff that have their value on the same line, and every other key with ""."""
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    pairs = [re.fullmatch(r"([a-z-]+):(?: (.+))?", line) for line in lines if not line.startswith((" ", "#"))]
    assert all(pairs), "a top line of CITATION.cff is not a key"
    return {pair[1]: (pair[2] or "").strip('"') for pair in pairs if pair}


def test_the_citation_has_what_its_format_asks_for() -> None:
    content = citation()
    assert content["cff-version"] == "1.2.0"
    assert content["type"] == "software"
    assert content["license"] == "MIT"
    assert content["message"]
    assert content["title"].startswith("Spica")
    assert {"authors", "references"} <= content.keys()


def test_each_reference_of_the_citation_has_type_title_authors_and_year() -> None:
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert "\t" not in text
    references = text.partition("\nreferences:\n")[2].split("\n  - type: ")
    assert len(references) == 3
    for reference in references:
        assert "    title: " in reference
        assert re.search(r"^    year: (2015|2020|2021)$", reference, flags=re.MULTILINE)
        assert re.search(r"^    (doi: 10\.\d{4,}/\S+|url: \"https://\S+\")$", reference, flags=re.MULTILINE)
        authors = re.findall(r"^      - (.*)$", reference, flags=re.MULTILINE)
        assert len(authors) >= 4
        assert all(re.fullmatch(r"\{family-names: [^,{}:]+, given-names: [^,{}:]+\}", author) for author in authors)


@every_document
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if target.startswith("https://"):
            continue
        name, _, heading = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{target} is not there"
        assert not heading or heading in anchors(file), f"{target}: no such heading"


@every_document
def test_files_that_a_document_names_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    names = {word.rstrip("`.,:;)") for word in re.findall(r"[\w./-]+", text) if word.startswith(FOLDERS)}
    missing = [name for name in names if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


@every_document
def test_commands_in_documents_have_the_options_that_they_are_given(path: Path) -> None:
    for words in commands(path):
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            assert words, "a command is missing"
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
        assert unknown == [], f"spica {command.name}"


@every_document
def test_settings_that_commands_change_are_settings_of_a_recipe(path: Path) -> None:
    for words in commands(path):
        settings = [words[number + 1] for number, word in enumerate(words) if word == "--set"]
        if words[0] == "train":
            read_recipe(ROOT / words[1] if (ROOT / words[1]).exists() else RECIPE, settings)


@every_document
def test_recipes_in_documents_are_recipes(path: Path) -> None:
    for block in blocks(path, "toml"):
        recipe_from(tomllib.loads(block), str(path))


@every_document
def test_what_python_in_documents_imports_is_there(path: Path) -> None:
    for block in blocks(path, "python"):
        for module, names in re.findall(r"^(?:>>> )?from (spica[\w.]*) import (.+)$", block, flags=re.MULTILINE):
            for name in names.split(", "):
                assert name in defined(module), f"{module} has no {name}"


def defined(module: str) -> set[str]:
    """Return the names that a module defines or imports, without running it: some of them load torch."""
    if module == "spica":
        return set(spica.__all__)
    file = ROOT.joinpath("src", *module.split(".")).with_suffix(".py")
    tree = ast.parse((file if file.is_file() else file.with_suffix("") / "__init__.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)} | {
        name.asname or name.name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names
    }


def settings_in_code(model: type[Settings], table: str) -> Iterator[tuple[str, str, Any]]:
    """Yield table, name and default of each setting of a recipe."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from settings_in_code(field.annotation, f"{table}.{name}".strip("."))
        else:
            yield table, name, field.default


def settings_in_document() -> Iterator[tuple[str, str, Any]]:
    """Yield the same from docs/training.md."""
    table: str | None = None
    for line in (ROOT / "docs" / "training.md").read_text("utf-8").splitlines():
        if line == "## Settings":
            table = ""
        elif heading := re.fullmatch(r"### `\[(.+)\]`", line):
            table = heading[1]
        elif table is not None and (row := re.match(r"\| `(\w+)` \| (?:`(.+?)`|-) \|", line)):
            yield table, row[1], tomllib.loads(f"value = {row[2]}")["value"] if row[2] else None


def as_lists(value: Any) -> Any:
    return [as_lists(part) for part in value] if isinstance(value, tuple | list) else value


def test_the_document_of_training_lists_every_setting_with_its_default() -> None:
    written = [(table, name, as_lists(default)) for table, name, default in settings_in_code(Recipe, "")]
    assert list(settings_in_document()) == written
    assert len(written) > 60
