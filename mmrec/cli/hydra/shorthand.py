"""The words of the command line as overrides.

`mmrec data check`, `describe`, `ingest` and `graph` take a folder instead of two keys and options instead of keys. Every verb takes paths
as a shell gives them, whatever is in them.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mmrec.errors import ConfigError, nearest
from mmrec.files.locate import user_path

HELP = {
    "data check": """usage: mmrec data check PATH [--json FILE] [key=value …]

Reads a dataset and says everything that is wrong with it, in one pass: the first hundred problems by file:line:column with value, reason
and code, the counts of all, what was odd, and pictures that are missing or cannot be read. Exit code 0 where it is sound, 2 where not.

  mmrec data check my_shop/                                     a folder, with its mmrec.yaml if it has one
  mmrec data check my_shop/ data.columns.item_id=sku            keys as for `mmrec train`
  mmrec data check data=movielens_100k                          any other data
  mmrec data check my_shop/ --json problems.json                the same for programs; - is stdout, the words then go to stderr
  mmrec data check my_shop/ pictures=false                      does not decode the pictures, only looks whether they are there
""",
    "data describe": """usage: mmrec data describe PATH [--output page.html] [key=value …]

Prints what a dataset holds: counts, density, time span, interactions of a user and of an item, ratings, how many items have text, picture,
graph and other vectors, examples. Writes the same with plots to one self-contained page.

  mmrec data describe my_shop/                                  a folder, with its mmrec.yaml if it has one
  mmrec data describe my_shop/ --output page.html
  mmrec data describe data=movielens_100k examples=12           any other data; how many items to show
""",
    "data ingest": """usage: mmrec data ingest PATH OUT [split=…] [filter.…=…] [key=value …]

Reads a folder of any size in bounded memory: checks every row, filters, removes repeated rows, splits, and writes the folder OUT, whole or
not at all. Training on it with split=given is training on PATH with the same filter and split. Where OUT is made of the same files
already, nothing is done. Pictures stay where they are.

  mmrec data ingest my_shop/ ready/ split=global_time filter.min_rating=4
  mmrec data ingest my_shop/ ready/ data.on_error=quarantine    rows that cannot be used are set aside, the rest goes on
  mmrec train data=folder data.path=ready/ split=given          then
""",
}
_OPTIONS = {"data check": ("--json",), "data describe": ("--output",), "data graph": ("--output",), "data ingest": ()}
_OUTPUT = ("data ingest",)
"""Verbs whose second word without a key is the folder to write."""
_PATHS = re.compile(
    r"\+{0,2}(run|run_dir|resume|output|predictions|json|store|features\.store|paths\.(cache|runs)"
    r"|data\.(path|pictures|quarantine|archive|cache|files\.folder|(tables|features)\..+))"
)
"""Keys whose value is a path."""
_PATH_STARTS = ("/", "./", "../")
"""No key starts so."""
_HYDRA = ("--cfg", "-c", "--resolve", "--package", "-p", "--info", "--config-dir", "-cd", "--multirun", "-m", "--help", "-h")


def quote_paths(words: Sequence[str]) -> list[str]:
    """The words, paths that Hydra's grammar would refuse, split or take for something else in quotes: `data.path=a=b`, `run=~name`.

    A path that is there is taken as it stands. In a sweep, commas and functions such as `choice(a,b)` stay what they are in Hydra.
    """
    is_sweep = not {"-m", "--multirun"}.isdisjoint(words)
    return [_with_quoted_path(word, is_sweep) for word in words]


def _with_quoted_path(word: str, is_sweep: bool) -> str:
    key, _, text = word.partition("=")
    if not text or not _PATHS.fullmatch(key) or (_is_text(text, is_sweep) and not user_path(text).exists()):
        return word
    return f"{key}={_quoted_path(text)}"


def _quoted_path(text: str) -> str:
    return quoted(str(user_path(text)) if text.startswith("~") else text)


def _is_text(text: str, is_sweep: bool) -> bool:
    """Whether Hydra takes this for a text, for nothing, or for several texts where it may."""
    try:
        override = OverridesParser.create().parse_override(f"key={text}")
    except HydraException:
        return False
    return is_sweep if override.is_sweep_override() else override.value() is None or isinstance(override.value(), str)


def spell_out(verb: str, words: Sequence[str]) -> list[str]:
    """The words of a verb as Hydra takes them. Raises ConfigError for an unknown option, one without a value, none or a second folder."""
    options, spelt, folder, queue = _OPTIONS[verb], [], None, list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if name in options:
            if not equals and not queue:
                raise ConfigError(f"{name}: expected a file after it")
            spelt.append(f"{name.removeprefix('--')}={quoted(value if equals else queue.pop(0))}")
        elif word.startswith("-"):
            if name not in _HYDRA:
                raise ConfigError(f"{word}: there is no such option; {nearest(name, [*options, *_HYDRA])}")
            spelt.append(word)
            spelt += [queue.pop(0)] if name in ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd") and not equals and queue else []
        elif equals and not word.startswith(_PATH_STARTS) and not (folder is None and Path(word).is_dir()):
            spelt.append(word)
        elif folder is not None and verb in _OUTPUT and not any(one.startswith("output=") for one in spelt):
            spelt.append(f"output={_quoted_path(word)}")
        elif folder is not None:
            raise ConfigError(f"`{word}`: expected one folder and overrides as key=value, `{folder}` is a folder already")
        else:
            folder = word
            spelt += ["data=folder", f"data.path={_quoted_path(word)}"]
    if verb in HELP and not any(re.match(r"data(\.path)?=", word) for word in spelt):
        raise ConfigError(f"expected a folder or data=…: mmrec {verb} my_shop/")
    if verb in _OUTPUT and not any(word.startswith("output=") or word in _HYDRA for word in spelt):
        raise ConfigError(f"expected a folder to write: mmrec {verb} my_shop/ ready/")
    return spelt


def quoted(text: str) -> str:
    """The text as the grammars of Hydra and of OmegaConf take it, whatever is in it."""
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return "'" + re.sub(r"(\\*)('|$)", r"\1\1\2", text).replace("'", r"\'") + "'"
