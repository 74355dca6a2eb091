"""Who may import whom, and that importing does nothing.

The rules are read off the source as a table, so a new dependency is a decision somebody writes down here. What a
source cannot show (what an import drags in behind it) is tried in a fresh interpreter in which the training half's
libraries cannot be imported.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("models", "service", "training", "benchmarks")
HEAVY = ("torch", "torchaudio", "torchvision", "librosa", "scipy", "onnx", "onnxscript", "sklearn", "numba")
WEB = {"fastapi", "starlette", "uvicorn", "uvloop", "httptools", "python_multipart"}

# The libraries that a part may import beside the standard library and itself.
MAY_IMPORT = {
    "models": {"numpy", "pydantic", "PIL", "av", "soxr"},
    "service": WEB
    | {"models", "numpy", "pydantic", "pydantic_settings", "PIL", "pillow_heif", "av", "opencc", "tiktoken"}
    | {"onnxruntime", "prometheus_client", "anyio", "langcodes", "wetext"},
}
# What a part may never import, where listing what it may would say little.
MAY_NOT_IMPORT = {"training": {"service", "benchmarks", "tests"} | WEB, "benchmarks": {"tests"}}
# A library or module of ours → the only places of `service` that know it; a trailing slash means a folder.
ONLY_IN = {
    "onnxruntime": ("service/onnx_runner.py",),
    "prometheus_client": ("service/telemetry.py",),
    "pydantic_settings": ("service/settings.py",),
    "uvicorn": (
        "service/__main__.py",
        "service/http_protocol.py",
        "service/request_parser.py",
        "service/flow.py",
    ),
    "httptools": ("service/request_parser.py",),
    "service.http_protocol": ("service/__main__.py",),
    "service.tls_door": ("service/__main__.py",),
    "python_multipart": ("service/api/",),
    "fastapi": ("service/api/", "service/app.py"),
    "starlette": ("service/api/", "service/app.py"),
    "av": ("service/vision/",),
    "langcodes": ("service/speech/language.py",),
    "opencc": ("service/speech/",),
    "tiktoken": ("service/speech/",),
    "wetext": ("service/speech/numerals.py",),
    "service.api": ("service/api/", "service/app.py"),
    "service.app": ("service/__main__.py",),
    "service.onnx_runner": ("service/loader.py", "service/app.py", "service/offline.py", "service/speech/"),
}
# The middle of the service, from the inside out: each module may import of `service` only what stands in its row.
INNER = {
    "service/errors.py": set[str](),
    "service/allocator.py": set[str](),
    "service/chatter.py": set[str](),
    "service/logs.py": set[str](),
    "service/connections.py": set[str](),
    "service/incoming.py": {"service.errors"},
    "service/telemetry.py": set[str](),
    "service/runner.py": set[str](),
    "service/places.py": set[str](),
    "service/admission.py": {"service.errors", "service.places"},
    "service/batcher.py": {"service.errors", "service.admission"},
    "service/engine.py": {"service.errors", "service.admission", "service.batcher", "service.plan"},
}
VAGUE = {"util", "utils", "helper", "helpers", "common", "base", "core", "misc", "shared"}
READS_ENVIRONMENT = {"service/onnx_runner.py"}  # to switch telemetry off; settings are read by pydantic-settings


def sources(*parts: str) -> list[Path]:
    """Python files of the parts, without generated ones."""
    return sorted(path for part in parts for path in (ROOT / part).rglob("*.py") if "__pycache__" not in path.parts)


def relative(path: Path) -> str:
    """The path as the tables above write it."""
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Full dotted names of what a module imports anywhere in it, `importlib.import_module("…")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" if prefix.strip(".") else prefix for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def imports_of(path: Path) -> set[str]:
    """What one file imports."""
    return set(imported(ast.parse(path.read_text("utf-8"))))


def root_of(name: str) -> str:
    """`numpy.typing` → `numpy`."""
    return name.partition(".")[0]


def is_within(name: str, module: str) -> bool:
    """True where the dotted name is the module or lies in it."""
    return name == module or name.startswith(f"{module}.")


def test_the_reader_of_imports_sees_every_form() -> None:
    code = "import a.b\nfrom c import d\nfrom . import k\ndef f():\n    from e.g import h\n    import_module('i.j')"
    assert set(imported(ast.parse(code))) == {"a.b", "c.d", "e.g.h", "i.j", "."}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_its_row_allows(part: str) -> None:
    allowed = MAY_IMPORT[part] | set(sys.stdlib_module_names) | {part}
    broken = {relative(path): strange for path in sources(part) if (strange := _roots(path) - allowed)}
    assert not broken


@pytest.mark.parametrize("part", MAY_NOT_IMPORT)
def test_a_part_never_imports_what_is_forbidden_to_it(part: str) -> None:
    broken = {relative(path): found for path in sources(part) if (found := _roots(path) & MAY_NOT_IMPORT[part])}
    assert not broken


def _roots(path: Path) -> set[str]:
    return {root_of(name) for name in imports_of(path)}


@pytest.mark.parametrize("module", ONLY_IN)
def test_a_library_is_known_only_where_the_table_says(module: str) -> None:
    places = ONLY_IN[module]
    knowing = [path for path in sources("service") if any(is_within(name, module) for name in imports_of(path))]
    assert not [where for path in knowing if not (where := relative(path)).startswith(places)]


@pytest.mark.parametrize("file", INNER)
def test_the_middle_of_the_service_knows_only_what_lies_inside_of_it(file: str) -> None:
    ours = {name for name in imports_of(ROOT / file) if root_of(name) in {"service", "models"}}
    assert not {name for name in ours if not any(is_within(name, module) for module in INNER[file])}


@pytest.mark.parametrize("path", sources(*PARTS), ids=relative)
def test_importing_does_nothing(path: Path) -> None:
    """On the outermost level only definitions stand: no call for its effect, no loop, no look at the environment."""
    tree = ast.parse(path.read_text("utf-8"))
    code = tree.body[1:] if ast.get_docstring(tree) else tree.body
    assert not [f"line {node.lineno}" for node in code if not _is_definition(node)]
    if path.parts[len(ROOT.parts)] in ("service", "models") and relative(path) not in READS_ENVIRONMENT:
        assert not {"os.environ", "os.getenv"} & _attributes(tree)


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("os.environ"):
        return ast.unparse(node) == "os.environ['ORT_DISABLE_TELEMETRY'] = '1'"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # the docstring of the name above it
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
    return isinstance(node, (*kinds, ast.AnnAssign))


def _attributes(tree: ast.AST) -> set[str]:
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("path", sources(*PARTS, "tests"), ids=relative)
def test_a_module_is_named_for_what_it_is_and_says_what_it_is_for(path: Path) -> None:
    names = {path.stem, path.parent.name}
    assert not names & VAGUE
    if path.parent != ROOT / "tests" and path.stem != "__init__":
        assert path.stem not in sys.stdlib_module_names
    if code := path.read_text("utf-8").strip():
        assert ast.get_docstring(ast.parse(code)), "a module opens with prose"


def test_every_folder_of_tests_is_a_package() -> None:
    """Or `import service` may find tests/service instead."""
    folders = {path.parent for path in sources("tests")}
    assert not [relative(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_every_package_is_installed() -> None:
    """setuptools takes the list in pyproject.toml literally: a package that is missing there is missing in images."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"])
    present = {relative(path.parent).replace("/", ".") for path in sources("models", "service", "training")}
    assert listed == present


# Refuses the training half's libraries, then imports every module of the two serving parts, watching what they do.
_FRESH = """
import importlib, os, pkgutil, sys

heavy, written, asked = set(sys.argv[1:]), [], []

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy | {"training"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

class Environment(dict):
    def _note(self, key):
        if key.startswith("PERCEPT_"):
            asked.append(key)
    def get(self, key, default=None):
        self._note(key)
        return super().get(key, default)
    def __getitem__(self, key):
        self._note(key)
        return super().__getitem__(key)

def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        written.append(str(arguments[0]))

sys.meta_path.insert(0, Wall())
sys.dont_write_bytecode = True
os.environ = Environment(os.environ)
sys.addaudithook(watch)
import models, service
for package in (models, service):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
import logging, threading
problems = {
    "imported": sorted(set(sys.modules) & heavy),
    "settings read": asked,
    "files written": written,
    "logging set up": [str(handler) for handler in logging.getLogger().handlers],
    "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
}
assert "service.app" in sys.modules
print({name: found for name, found in problems.items() if found} or "nothing")
"""


def test_the_service_imports_without_the_training_half() -> None:
    # the watching dictionary in place of os.environ does not reach onnxruntime, so telemetry is switched off here
    silent = {"ORT_DISABLE_TELEMETRY": "1"}
    environment = {**os.environ, **silent, "PYTHONPATH": str(ROOT), "PERCEPT_PORT": "not a number"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FRESH, *HEAVY],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "nothing"


def test_onnxruntime_is_imported_only_where_its_telemetry_is_switched_off_before() -> None:
    """Its library writes files when it is loaded, so a stray import anywhere, tests included, undoes the promise."""
    importing = {
        relative(path)
        for path in sources(*PARTS, "tests")
        if any(isinstance(node, ast.Import) and node.names[0].name == "onnxruntime" for node in _nodes(path))
    }
    assert importing == {"service/onnx_runner.py", "training/export/runtime.py", "benchmarks/peers/plain.py"}
    for file in importing:
        code = (ROOT / file).read_text("utf-8")
        assert code.index('"ORT_DISABLE_TELEMETRY"') < code.index("\nimport onnxruntime")


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))
