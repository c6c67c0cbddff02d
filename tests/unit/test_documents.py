"""Every path, module, command and setting that the documents name must exist; ARCHITECTURE.md must show every room."""

import re
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

from ml.features.schema import FEATURES
from ops.cli.command_line import shrike
from settings import Settings

PAGES = [
    *(Path(name) for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(Path("docs").glob("*.md")),
    *sorted(Path("ops/adr").glob("*.md")),
    *sorted(Path("ops/runbooks").glob("*.md")),
]
ROOMS = ("ml", "security", "observability", "tasks", "web", "workers", "ops", "settings")
TOP_LEVEL = (*ROOMS, "tests", "docs", "requirements")
MOST_WORDS_OF_README = 900

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans(page: Path) -> list[str]:
    """Returns what stands between single backquotes, code blocks left out."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`]+)`", prose)


def named_paths(page: Path) -> set[str]:
    """Returns the paths that a page names: `ml/domain/label.py`, also with the name of a test behind `::`."""
    names = (re.fullmatch(r"([\w.*/-]+)(?:::.*)?", span) for span in spans(page))
    paths = {name[1].rstrip("/") for name in names if name}
    files = {path for path in paths if "/" not in path and path.endswith(".py")}
    return files | {path for path in paths if path.split("/")[0] in TOP_LEVEL and "/" in path}


def to_come() -> set[str]:
    """Returns the rooms that ARCHITECTURE.md announces and nobody has made yet."""
    sentence = re.search(r"Rooms to come(.*?)\n\n", text_of(Path("ARCHITECTURE.md")), re.DOTALL)
    assert sentence is not None
    return {path.rstrip("/") for path in re.findall(r"`([^`]+/)`", sentence[1])}


@each_page
def test_every_named_path_exists(page: Path) -> None:
    known = {path.name for path in Path().glob("*.py")}
    nearby = {path.name for room in ROOMS for path in Path(room).rglob("*.py")}
    missing = [
        path
        for path in named_paths(page) - to_come()
        if not (list(Path().glob(path)) or path in known or ("/" not in path and path in nearby))
    ]
    assert missing == []


@each_page
def test_every_named_module_exists(page: Path) -> None:
    pattern = rf"(?:{'|'.join(ROOMS)})(?:\.\w+)+(?::\w+)?"
    dotted = {span.partition(":")[0] for span in spans(page) if re.fullmatch(pattern, span)} - {"settings.py"}
    assert [name for name in dotted if not is_defined(name)] == []


def is_defined(dotted: str) -> bool:
    """Whether a dotted name is that of a package, a module, or a class or function in a module."""
    path = Path(*dotted.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and re.search(rf"^(?:class|def) {path.name}\b", text_of(module), re.MULTILINE) is not None


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)", text_of(page))
    missing = []
    for file, heading in targets:
        target = page.parent / file if file else page
        if not target.exists() or (heading and heading not in headings(target)):
            missing.append(f"{file}#{heading}")
    assert missing == []


def headings(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_every_named_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(Path("Makefile")), re.MULTILINE))
    commands = [span for span in spans(page) if span.startswith("make ")]
    commands += re.findall(r"^\$ (make [a-z-]+)", text_of(page), re.MULTILINE)
    named = {word for command in commands for word in command.split()[1:] if "=" not in word}
    assert named - targets == set()


@each_page
def test_every_named_ops_command_exists(page: Path) -> None:
    missing = []
    # A span may be broken over two lines.
    for words in re.findall(r"python\s+-m\s+ops(?![.\w])\s+([a-z][a-z0-9-]*(?:\s+[a-z][a-z0-9-]*)?)", text_of(page)):
        name, _, word = " ".join(words.split()).partition(" ")
        command = shrike.get_command(click.Context(shrike), name)
        known = command is not None
        if isinstance(command, click.Group) and word:
            known = command.get_command(click.Context(command), word) is not None
        if not known:
            missing.append(words)
    assert missing == []


def test_every_setting_of_the_operators_table_exists() -> None:
    table = text_of(Path("docs/operations.md")).partition("## Settings")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE))
    names = {name.lower() for cell in named for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert len(names) > 15
    assert names <= set(Settings.model_fields)


def is_room(folder: Path) -> bool:
    return folder.name[0] not in "_." and any(path.name != "__pycache__" for path in folder.iterdir())


@pytest.mark.parametrize("room", [room for room in ROOMS if Path(room).is_dir()])
def test_the_architecture_shows_every_room(room: str) -> None:
    tree = re.search(rf"^{room}/.*?(?=^\S)", text_of(Path("ARCHITECTURE.md")), re.DOTALL | re.MULTILINE)
    assert tree is not None
    shown = set(re.findall(r"([\w-]+)/", tree[0]))
    # A folder that was moved away may still hold bytecode.
    packages = {path.name for path in Path(room).iterdir() if path.is_dir() and is_room(path)}
    assert packages - shown == set()
    at_the_left = set(re.findall(r"^  ([\w-]+)/", tree[0], re.MULTILINE))
    assert at_the_left - packages == set()


def test_the_operators_table_lists_every_ops_command() -> None:
    table = text_of(Path("docs/operations.md")).partition("## Commands")[2].partition("\n## ")[0]
    named = set(re.findall(r"python -m ops ([a-z-]+)", table))
    assert set(shrike.list_commands(click.Context(shrike))) - named == set()


def test_the_number_of_features_is_that_of_the_schema() -> None:
    stated = re.search(r"declares the (\d+) features", text_of(Path("docs/features.md")))
    assert stated is not None
    assert int(stated[1]) == len(FEATURES)


def test_the_architecture_states_the_floors_that_import_linter_holds() -> None:
    contracts = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [contract for contract in contracts if contract["type"] == "layers"]
    held = {contract.get("containers", ["all"])[0]: contract["layers"] for contract in floors}
    stated = re.findall(r"^(\w+): +(\w+(?: [<|] \w+)+)$", text_of(Path("ARCHITECTURE.md")), re.MULTILINE)
    assert dict(stated) == {room: " < ".join(reversed(layers)) for room, layers in held.items()}


def test_the_readme_is_short() -> None:
    assert len(text_of(Path("README.md")).split()) <= MOST_WORDS_OF_README


def test_the_index_lists_every_document() -> None:
    pages = {path.name for path in Path("docs").glob("*.md")} - {"README.md"}
    assert pages - set(re.findall(r"\]\(([\w-]+\.md)\)", text_of(Path("docs/README.md")))) == set()
