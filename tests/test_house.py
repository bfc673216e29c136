"""The laws of the house, read off the syntax trees: the import arrows, what nothing may use, sizes, and docstrings.

Every check takes a path relative to the root and a source, and gives one line `path:line: what` for each violation. Each is shown
to find what is planted before the tree itself is asked.
"""

import ast
from collections import Counter
from collections.abc import Callable, Container, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

from tests.house_samples import PLANTED, SOUND

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("mmrec", "data_modules", "scripts", "tests")

# The order in which data flows. A room imports from rooms of earlier lines, and from itself.
ORDER = (
    {"_torchvision", "errors", "lazy_names"},
    {"frames", "extras", "row_count"},
    {"types"},
    {"plugins", "argument_errors", "renames", "terminal", "type_hints"},
    {"files"},
    {"data.tables"},
    {"data.interactions"},
    {"data.features"},
    {"data.pictures"},
    {"data.batches"},
    {"data.folder"},
    {"data.sources"},
    {"data.discover", "data.ingest"},
    {"data.__init__"},
    {"kg"},
    {"nn"},
    {"losses"},
    {"metrics"},
    {"models"},
    {"tasks"},
    {"testing"},
    {"charts"},
    {"evaluation.format"},
    {"evaluation.compare"},
    {"evaluation.measure"},
    {"evaluation.pages"},
    {"evaluation.__init__"},
    {"rerank", "explain", "feedback", "policy", "privacy", "compress"},
    {"steering"},
    {"experiment.tuning"},
    {"experiment"},
    {"serving"},
    {"schemas", "bounds"},
    {"config"},
    {"api"},
    {"cli"},
    {"__init__"},
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# Where a library may be imported, of mmrec's rooms and data_modules.
LIBRARY_ROOMS = {
    "hydra": {"schemas", "config", "cli"},
    "omegaconf": {"schemas", "config", "cli"},
    "lightning": {"tasks", "experiment", "cli", "data_modules"},
    "pytorch_lightning": {"tasks", "experiment", "cli", "data_modules"},
    "networkx": {"kg", "explain"},
    "fsspec": {"files"},
    "httpcore": {"files"},
    "httpx": {"files", "data.pictures"},
    "pytest": {"testing"},
}
DATA_MODULES_MAY_IMPORT = ("_torchvision", "types", "errors", "files", "data", "kg")

BANNED_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
BANNED_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "pandas.read_pickle", "torch.load", "torch.save", "torch.hub.load", "torch.jit.load"),
    *(f"yaml.{name}" for name in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")),
}
GLOBS_UNLESS_TOLD = {f"polars.{verb}_{kind}" for verb in ("scan", "read") for kind in ("csv", "parquet", "ipc")}
GLOBS_ALWAYS = {"polars.scan_ndjson", "polars.read_ndjson", "polars.read_parquet_schema", "polars.read_ipc_schema"}
ESCAPES_GLOBS = PurePosixPath("mmrec/data/tables/formats.py")
UNPICKLES_UNLESS_TOLD = {"numpy.load", "numpy.lib.format.read_array"}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS, MAX_FILES_A_FOLDER = 400, 60, 8, 15

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[PurePosixPath, str], list[str]]


@cache
def parse(source: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """A source's tree, and all of its nodes."""
    tree = ast.parse(source)
    return tree, tuple(ast.walk(tree))


def room_of(path: PurePosixPath) -> str:
    """The room of a file: `data.tables` for mmrec/data/tables/raw.py, `types` for mmrec/types.py, and the top folder outside mmrec."""
    return room_of_module(".".join(path.with_suffix("").parts[1:])) if path.parts[0] == "mmrec" else path.parts[0]


def room_of_module(name: str) -> str:
    """The room of a module below mmrec, the innermost that has a place in ORDER; the first part of its name where none has."""
    parts = name.split(".")
    prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in RANK), parts[0])


def imports(path: PurePosixPath, source: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, inside functions too; relative imports resolved."""
    for node in parse(source)[1]:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = path.parent.parts[: len(path.parent.parts) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def eager_imports(path: PurePosixPath, source: str) -> Iterator[tuple[int, str]]:
    """What importing a package imports of the house at once, but for what makes its names lazy; what is under a condition is left out.

    Such are the imports that type checkers read, and what a spawned process needs.
    """
    conditions = ("TYPE_CHECKING", "'--multiprocessing-fork' in sys.orig_argv")
    under = [node for node in parse(source)[1] if isinstance(node, ast.If) and ast.unparse(node.test) in conditions]
    lines = {line for node in under for line in range(node.lineno, node.end_lineno + 1)}
    for line, name in imports(path, source):
        if line not in lines and name.partition(".")[0] in ("mmrec", "data_modules") and name != "mmrec.lazy_names.lazy_names":
            yield line, name


def dotted(node: ast.AST) -> str:
    """`torch.nn` for the expression torch.nn, the empty text for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def check_arrows(path: PurePosixPath, source: str) -> list[str]:
    """Imports point backwards along ORDER; mmrec never imports data_modules, which imports only four rooms of mmrec."""
    if path.parts[0] not in ("mmrec", "data_modules"):
        return []
    room, found = room_of(path), []
    if path.name == "__init__.py":
        found += [f"{path}:{line}: a face imports {name} before it is asked for" for line, name in eager_imports(path, source)]
    if path.parts[0] == "mmrec" and room not in RANK:
        found.append(f"{path}:1: `{room}` has no place in ORDER")
    for line, name in imports(path, source):
        top, _, rest = name.partition(".")
        target = room_of_module(rest)
        if top == "data_modules" and path.parts[0] == "mmrec" and room != "__init__":
            found.append(f"{path}:{line}: mmrec imports data_modules")
        elif top != "mmrec" or target not in RANK or target == room:
            continue
        elif room == "data_modules":
            if target.partition(".")[0] not in DATA_MODULES_MAY_IMPORT:
                found.append(f"{path}:{line}: data_modules imports mmrec.{target}")
        elif RANK[target] >= RANK.get(room, len(ORDER)):
            found.append(f"{path}:{line}: {room} imports {target}, which does not come before it")
    return found


def check_libraries(path: PurePosixPath, source: str) -> list[str]:
    """Each library stays in its rooms, and mmrec.data knows no torch.nn."""
    if path.parts[0] not in ("mmrec", "data_modules"):
        return []
    room, found = room_of(path), []
    names = list(imports(path, source))
    for line, name in names:
        library = name.partition(".")[0]
        if room not in LIBRARY_ROOMS.get(library, {room}):
            found.append(f"{path}:{line}: {library} in {room}; it belongs in {', '.join(sorted(LIBRARY_ROOMS[library]))}")
    if path.parts[:2] == ("mmrec", "data"):
        used = names + [(node.lineno, dotted(node)) for node in parse(source)[1] if isinstance(node, ast.Attribute)]
        found += [f"{path}:{line}: torch.nn in mmrec.data" for line, name in used if name == "torch.nn" or name.startswith("torch.nn.")]
    return sorted(set(found))


def check_bans(path: PurePosixPath, source: str) -> list[str]:
    """Nothing that is read or written can run code, and pretrained weights come in through the encoders alone."""
    if path.parts[0] == "tests":
        return []
    found = [
        f"{path}:{line}: {name.partition('.')[0]} is banned"
        for line, name in imports(path, source)
        if name.partition(".")[0] in BANNED_MODULES or name in BANNED_CALLS
    ]
    names = aliases(source)
    for node in parse(source)[1]:
        if isinstance(node, ast.Call):
            found += [f"{path}:{node.lineno}: {what}" for what in banned_in_call(node, names)]
        elif isinstance(node, ast.Attribute) and node.attr == "from_pretrained" and path.parts[:3] != ("mmrec", "nn", "encoders"):
            found.append(f"{path}:{node.lineno}: from_pretrained outside mmrec/nn/encoders")
    return found


def aliases(source: str) -> dict[str, str]:
    """What each imported name stands for: `np` for numpy, `load_file` for safetensors.torch.load_file."""
    found = {}
    for node in parse(source)[1]:
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def full_name(call: ast.Call, names: dict[str, str]) -> str:
    """What a call calls: `polars.scan_csv`; `names` as `aliases` gives them."""
    first, dot, rest = dotted(call.func).partition(".")
    return f"{names.get(first, first)}{dot}{rest}"


def banned_in_call(call: ast.Call, names: dict[str, str]) -> Iterator[str]:
    """What a call does that nothing may do; `names` as `aliases` gives them."""
    name = full_name(call, names)
    given = {keyword.arg: keyword.value for keyword in call.keywords}

    def is_constant(argument: str, value: bool) -> bool:
        return isinstance(given.get(argument), ast.Constant) and given[argument].value is value

    if name in BANNED_CALLS:
        yield f"{name} is banned"
    for argument in ("trust_remote_code", "allow_pickle", "shell"):
        if argument in given and not is_constant(argument, False):
            yield f"{argument} is banned"
    if name in UNPICKLES_UNLESS_TOLD and "allow_pickle" not in given:
        yield f"{name} without allow_pickle=False"


def check_globs(path: PurePosixPath, source: str) -> list[str]:
    """Polars takes no path for a glob: a folder may be called `shop[1]`. What cannot be told so belongs where paths are escaped."""
    if path.parts[0] == "tests":
        return []
    names, found = aliases(source), []
    for call in (node for node in parse(source)[1] if isinstance(node, ast.Call)):
        name = full_name(call, names)
        told = any(keyword.arg == "glob" and getattr(keyword.value, "value", None) is False for keyword in call.keywords)
        if name in GLOBS_UNLESS_TOLD and not told:
            found.append(f"{path}:{call.lineno}: {name} without glob=False")
        elif name in GLOBS_ALWAYS and path != ESCAPES_GLOBS:
            found.append(f"{path}:{call.lineno}: {name} outside of {ESCAPES_GLOBS}")
    return found


def check_sizes(path: PurePosixPath, source: str) -> list[str]:
    """No utils.py, no long file, no long function, none of many arguments."""
    found, n_lines = [], len(source.splitlines())
    if path.name == "utils.py":
        found.append(f"{path}:1: there is no utils.py; say what it does")
    if n_lines > MAX_FILE_LINES:
        found.append(f"{path}:{n_lines}: {n_lines} lines, at most {MAX_FILE_LINES}")
    for function in functions(source):
        n_lines = function.end_lineno - function.lineno + 1
        n_arguments = sum(argument.arg not in ("self", "cls") for argument in arguments(function))
        if n_lines > MAX_FUNCTION_LINES:
            found.append(f"{path}:{function.lineno}: {function.name} has {n_lines} lines, at most {MAX_FUNCTION_LINES}")
        if n_arguments > MAX_ARGUMENTS:
            found.append(f"{path}:{function.lineno}: {function.name} has {n_arguments} arguments, at most {MAX_ARGUMENTS}")
    return found


def functions(source: str) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in parse(source)[1] if isinstance(node, Function))


def arguments(function: Function) -> list[ast.arg]:
    """All arguments of a function, `self`, `*args` and `**kwargs` included."""
    declared = function.args
    return [*declared.posonlyargs, *declared.args, *declared.kwonlyargs, *(a for a in (declared.vararg, declared.kwarg) if a)]


def check_annotations(path: PurePosixPath, source: str) -> list[str]:
    """Every argument of mmrec and data_modules is annotated, `self` and `cls` excepted."""
    if path.parts[0] not in ("mmrec", "data_modules"):
        return []
    return [
        f"{path}:{function.lineno}: argument {argument.arg} of {function.name} has no annotation"
        for function in functions(source)
        for argument in arguments(function)
        if argument.annotation is None and argument.arg not in ("self", "cls")
    ]


def check_docstrings(path: PurePosixPath, source: str) -> list[str]:
    """Every file says what it is, and in mmrec every public class and function does."""
    tree = parse(source)[0]
    found = [] if ast.get_docstring(tree) else [f"{path}:1: the file has no docstring"]
    public = [n for n in tree.body if isinstance(n, ast.ClassDef | Function) and not n.name.startswith("_")]
    if path.parts[0] == "mmrec":
        found += [f"{path}:{node.lineno}: {node.name} has no docstring" for node in public if not ast.get_docstring(node)]
    return found


PRINTS, PRINT_METHODS = {"print", "rich.print", "rich.print_json", "rich.console.Console"}, ("print", "print_json", "print_exception")
PRINTER, SPEAKS_IN_BYTES = "mmrec/terminal.py", "mmrec/data/pictures/decode_worker.py"
NOT_PRINTING = ("mmrec.terminal.is_terminal", "mmrec.terminal.messages_are_shown", "mmrec.terminal.show_messages")


def check_prints(path: PurePosixPath, source: str) -> list[str]:
    """All that mmrec prints goes through mmrec/terminal.py, which makes foreign text printable, and is called by the entry points alone."""
    if path.parts[0] not in ("mmrec", "data_modules") or str(path) == PRINTER:
        return []
    found, names = [], aliases(source)
    printing = [(line, name) for line, name in imports(path, source) if name.startswith("mmrec.terminal") and name not in NOT_PRINTING]
    found += [f"{path}:{line}: {name} outside cli and api; log it" for line, name in printing if room_of(path) not in ("api", "cli")]
    for node in parse(source)[1]:
        is_call = isinstance(node, ast.Call)
        called = node.func if is_call else node
        first, dot, rest = dotted(called).partition(".")
        name = f"{names.get(first, first)}{dot}{rest}"
        is_stream = name in ("sys.stdout", "sys.stderr") and str(path) != SPEAKS_IN_BYTES
        if is_stream or (is_call and (name in PRINTS or getattr(called, "attr", "") in PRINT_METHODS)):
            found.append(f"{path}:{node.lineno}: {ast.unparse(called)} outside {PRINTER}")
        elif is_call and name == "warnings.warn" and not is_made_printable(node.args[0]):
            found.append(f"{path}:{node.lineno}: a warning that is not made printable")
    return found


def is_made_printable(argument: ast.expr) -> bool:
    """Whether an argument is a text of the source itself, or what `printable` gives."""
    return isinstance(argument, ast.Constant) or (isinstance(argument, ast.Call) and dotted(argument.func) == "printable")


CHECKS = (check_arrows, check_libraries, check_bans, check_globs, check_sizes, check_annotations, check_docstrings, check_prints)


def sources() -> list[tuple[PurePosixPath, str]]:
    """Every Python file of the house."""
    paths = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return [(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text(encoding="utf-8")) for path in paths]


@pytest.mark.parametrize(("check", "path", "source", "line"), PLANTED)
def test_finds_what_is_planted(check: str, path: str, source: str, line: int) -> None:
    found = {one.__name__: one for one in CHECKS}[check](PurePosixPath(path), source)
    assert len(found) == 1
    assert found[0].startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(("path", "source"), SOUND)
def test_lets_sound_code_be(path: str, source: str) -> None:
    documented = '"""What it is."""\n' + source
    assert [violation for check in CHECKS for violation in check(PurePosixPath(path), documented)] == []


def test_no_folder_holds_too_many_files() -> None:
    counts = Counter(path.parent for path, _ in sources() if path.parts[0] in ("mmrec", "data_modules") and path.name != "__init__.py")
    assert [f"{folder}: {n} files" for folder, n in counts.items() if n > MAX_FILES_A_FOLDER] == []


def test_modules_import_one_another_in_no_circle() -> None:
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): (path, source) for path, source in sources()}
    graph = {name: imported_modules(path, source, modules) - {name} for name, (path, source) in modules.items() if name.startswith("mmrec")}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules of the circle


def imported_modules(path: PurePosixPath, source: str, modules: Container[str]) -> set[str]:
    """The modules of the house that a file imports; `from a import b` may name a module or something in one."""
    names = {name for _, name in imports(path, source)}
    return {one for name in names for one in (name, name.rpartition(".")[0]) if one in modules and one != "mmrec"}


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_keeps_its_laws(check: Check) -> None:
    violations = [violation for path, source in sources() for violation in check(path, source)]
    assert not violations, "\n" + "\n".join(violations)
