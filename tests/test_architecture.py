"""The house keeps its shape: imports go down only, heavy libraries stay behind their doors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import restorekit
from tests.imported import imports

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    {"errors", "machine"},
    {"atomic", "cache", "files", "remote", "signed"},
    {"degradation", "image", "paired"},
    {"composition", "model"},
    {"plugin", "weighing"},
    {"running"},
    {"pil", "work"},
    {"training", "bench"},
    {"plugin.testing"},
    {"web"},
    {"cli"},
    {"__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def room_of(module: str) -> str:
    """The room that a module of restorekit is in; one room lies in another, where plugin authors look for it."""
    inner = module.removeprefix("restorekit.")
    return next((room for room in RANK if "." in room and f"{inner}.".startswith(f"{room}.")), inner.split(".")[0])


IMAGE = ROOT / "restorekit" / "image"
HEAVY = {"diffusers", "peft", "kornia", "pyiqa", "PIL", "pyvips", "pillow_heif", "uvicorn", "onnx", "onnxruntime"}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, other than for the type checker, wherever in the file."""
    return {module for module, _ in imports(path)}


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Sets of modules of which each reaches all others: the strongly connected components with more than one."""
    reached = {module: set(below) for module, below in graph.items()}
    for middle in graph:  # Warshall, 1962, https://doi.org/10.1145/321105.321107
        for below in reached.values():
            if middle in below:
                below |= reached[middle]
    return {
        frozenset({module} | {other for other in below if module in reached[other]})
        for module, below in reached.items()
        if module in below
    }


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", modules("restorekit"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path):
    room = room_of(module_of(path))
    if room == "restorekit":
        return
    for name in imported(path):
        if name.startswith("restorekit."):
            # The embedded backbone is itself a plugin: that one file speaks to the seam.
            if path.match("*/plugin.py") and name == "restorekit.plugin":
                continue
            assert RANK[room_of(name)] <= RANK[room], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", modules("restorekit/training"), ids=lambda p: p.name)
def test_a_training_module_says_what_is_public_and_passes_on_nothing(path):
    """What it names is its own: each name has one place to import it from."""
    body = ast.parse(path.read_text()).body
    targets = [t for node in body for t in getattr(node, "targets", [getattr(node, "target", None)]) if t]
    constants = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    own = constants | {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert "__all__" in own
    told = next(node.value for node in body if "__all__" in ast.unparse(node) and hasattr(node, "value"))
    assert set(ast.literal_eval(told)) <= own


def module_of(path: Path) -> str:
    """Dotted name of a file; of a package, the package's."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_files_need_each_other_in_no_circle():
    """Not for their types either: what two files share belongs into a third."""
    files = {module_of(path): path for path in modules("restorekit")}

    def of(path: Path) -> set[str]:  # `from package import name` is the package's business unless name is a file
        taken = {(module, f"{module}.{name}") for module, name in imports(path, types=True)}
        return {inner if inner in files else module for module, inner in taken} & files.keys()

    found = circles({name: of(path) for name, path in files.items()})
    assert not found, f"circles: {[sorted(circle) for circle in found]}"


def test_a_circle_is_found_however_long_it_is():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()
    long = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"d"}, "f": {"d"}}
    assert circles(long) == {frozenset("abc"), frozenset("de")}


@pytest.mark.parametrize("path", modules("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_plugins_import_only_the_public_seam(path):
    ours = {n for n in imported(path) if n.split(".")[0] == "restorekit"}
    allowed = (
        {"restorekit.plugin", "restorekit.plugin.testing"} if "tests" in path.parts else {"restorekit.plugin"}
    )
    assert ours <= allowed


def test_the_core_never_names_a_plugin():
    for path in modules("restorekit"):
        assert not any(n.startswith("restorekit_") for n in imported(path)), path


def test_one_room_knows_pil():
    knowing = {p for p in modules("restorekit") if any(n.split(".")[0] == "PIL" for n in imported(p))}
    outside = {p.name for p in knowing if not p.is_relative_to(IMAGE)}
    drawing = {
        "report.py",
        "strips.py",
        "lettering.py",
        "letters.py",
    }  # the benchmark and a training draw pictures
    assert outside <= drawing


def test_the_commands_for_pictures_reach_files_through_the_door_only():
    for name in ("restore", "inspect", "degrade", "printer", "terminal"):
        path = ROOT / "restorekit" / "cli" / f"{name}.py"
        rooms = {n.split(".")[1] for n in imported(path) if n.startswith("restorekit.")}
        assert not rooms & {"image", "pil", "restorer", "files", "atomic"}, path


def test_no_heavy_library_is_imported_at_the_top_of_a_file():
    for path in modules("restorekit"):
        if path.name == "diffusers_model.py":  # whose purpose they are
            continue
        heavy = HEAVY - {"PIL"} if path.is_relative_to(IMAGE) else HEAVY
        for node in ast.parse(path.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not heavy & {n.split(".")[0] for n in names}, path


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('MODULES', *sorted({{m.split('.')[0] for m in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split("MODULES", 1)[1].split())


def test_importing_the_package_and_the_plugin_seam_loads_no_torch():
    assert "torch" not in loaded_after("import restorekit, restorekit.plugin")


def test_the_doors_of_runs_and_a_clusters_worker_load_neither_the_command_line_nor_torch():
    code = "import restorekit.work, restorekit.web.serve, restorekit.work.cluster as c; c.Worker"
    assert not loaded_after(code) & {"torch", "typer", "click", "rich", "ray", "fastapi", "uvicorn", "starlette"}
    script = f"{code}; import sys; assert not any(m.startswith('restorekit.cli') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_building_the_catalogue_loads_no_torch():
    code = "from restorekit.plugin.catalog import *; build_catalog(load_plugins())"
    assert "torch" not in loaded_after(code)


def test_restoring_loads_neither_diffusers_nor_peft(tiny):
    code = "import torch, restorekit; restorekit.Restorer.from_pretrained().restore(torch.rand(1, 3, 16, 16))"
    assert not loaded_after(code) & ((HEAVY - {"PIL"}) | {"torchvision"})


def test_the_public_names_are_these():
    assert set(restorekit.__all__) == {
        "MixingWeights",
        "Mixture",
        "RestorationResult",
        "RestorekitError",
        "Restorer",
        "Wish",
        "__version__",
        "restore_pil",
    }
    for name in restorekit.__all__:
        assert getattr(restorekit, name) is not None
    with pytest.raises(AttributeError):
        _ = restorekit.nothing
