"""`mmrec`: the verbs, and the one place where errors become messages."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from mmrec import __version__
from mmrec.cli.hydra import shorthand
from mmrec.cli.hydra.errors import explain, no_choice
from mmrec.cli.hydra.their_config import check_config_dirs
from mmrec.cli.terminate import terminable
from mmrec.cli.words import resume_words
from mmrec.errors import ConfigError, MmrecError, StorageError, Terminated, nearest
from mmrec.schemas import register_schemas

_OPEN = re.compile(r"data\.features[.=]")
"""Keys with whatever names a person has below them: Hydra wants ++ for that."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
HELP = """mmrec {version}: recommendation from interactions, text, pictures and a knowledge graph

  mmrec train data=movielens_100k               train, measure beside baselines, report
  mmrec train data=folder data.path=my_shop/    your own files (interactions.csv; items, images, triples optional)
  mmrec train -m "ablation=[],[no_text]"        one run an ablation
  mmrec train resume=runs/…                     go on with a run that was stopped, to the bit
  mmrec evaluate run=runs/…                     measure a run again from its checkpoints
  mmrec evaluate run=runs/… predictions=x.csv   any other system's lists under the protocol of that run
  mmrec compare runs/a runs/b …                 paired tests against the first run, a page and a verdict in words
  mmrec leaderboard board=movielens_100k        data × splits × models × seeds into one table; started again it goes on
  mmrec recommend run=runs/… user=42 k=10       the best items for a user
  mmrec data init my_shop/                      which of your files is what: guesses, and writes them to my_shop/mmrec.yaml
  mmrec data check my_shop/                     everything that is wrong with your files, in one pass; --json FILE
  mmrec data ingest my_shop/ ready/             millions of rows in little memory: checked, filtered, split; to train on with split=given
  mmrec data describe my_shop/                  counts, plots, coverage, examples; --output page.html
  mmrec data graph my_shop/                     what is in the knowledge graph; --output graph.graphml
  mmrec pretrain data=demo_shop                 train a small CLIP on a catalogue's pictures and texts

Every key can be overridden: `mmrec VERB --help` lists the choices, `mmrec VERB key=value … --cfg job` shows the result.
"""


def main() -> None:
    """The entry point: runs a verb. A person's mistake prints one message and exits with 2; nothing of it is a traceback."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help") or arguments in (["data", "-h"], ["data", "--help"]):
        print(HELP.format(version=__version__), end="")
        return
    if arguments[0] == "--version":
        print(__version__)
        return
    verb, rest = (" ".join(arguments[:2]), arguments[2:]) if arguments[0] == "data" else (arguments[0], arguments[1:])
    with errors_as_messages(verb), terminable():
        if verb in PLAIN_VERBS:
            PLAIN_VERBS[verb](rest)
            return
        if verb in shorthand.HELP and {"-h", "--help"} & set(rest):
            print(shorthand.HELP[verb], end="")
            return
        if verb not in VERBS:
            raise MmrecError(f"there is no `mmrec {verb}`; {nearest(verb, [*VERBS, *PLAIN_VERBS])}")
        run, config_name = VERBS[verb]
        rest = shorthand.spell_out(verb, rest) if arguments[0] == "data" else rest
        rest = [f"++{word}" if _OPEN.match(word) else word for word in rest]
        sys.argv = [f"mmrec {verb}", *sorted(rest, key=lambda word: word not in ("-m", "--multirun"))]  # argparse wants it before or after
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting: the messages are ours
        register_schemas()
        _finished.clear()
        _of_run.clear()
        _check_choices(rest)
        check_config_dirs(rest, config_name)
        if verb == "train":
            sys.argv[1:], _of_run[:] = resume_words(sys.argv[1:])
        hydra.main(version_base="1.3", config_path="pkg://mmrec.conf", config_name=config_name)(_quietly(run, verb))()
        if len(_finished) > 1:
            _print_sweep(_finished)


def train(cfg: DictConfig) -> None:
    """`mmrec train`. Each run of a sweep is remembered for the table at its end."""
    from mmrec.cli.train import train as run

    overrides = list(HydraConfig.get().overrides.task) + _of_run
    _finished.append((overrides, run(cfg, overrides)))


def pretrain(cfg: DictConfig) -> None:
    """`mmrec pretrain`."""
    from mmrec.cli.pretrain import pretrain_command

    pretrain_command(cfg)


def graph(cfg: DictConfig) -> None:
    """`mmrec data graph`."""
    from mmrec.cli.graph import graph_command

    graph_command(cfg)


def check(cfg: DictConfig) -> None:
    """`mmrec data check`."""
    from mmrec.cli.check import check_command

    check_command(cfg)


def ingest(cfg: DictConfig) -> None:
    """`mmrec data ingest`."""
    from mmrec.cli.ingest import ingest_command

    ingest_command(cfg)


def describe(cfg: DictConfig) -> None:
    """`mmrec data describe`."""
    from mmrec.cli.describe import describe_command

    describe_command(cfg)


def evaluate(cfg: DictConfig) -> None:
    """`mmrec evaluate`."""
    from mmrec.cli.evaluate import evaluate as run

    run(cfg)


def recommend(cfg: DictConfig) -> None:
    """`mmrec recommend`."""
    from mmrec.cli.recommend import recommend as run

    run(cfg)


def leaderboard(cfg: DictConfig) -> None:
    """`mmrec leaderboard`."""
    from mmrec.cli.leaderboard import leaderboard as run

    run(cfg)


VERBS: dict[str, tuple[Callable[[DictConfig], None], str]] = {
    "train": (train, "train"),
    "evaluate": (evaluate, "evaluate"),
    "leaderboard": (leaderboard, "leaderboard"),
    "recommend": (recommend, "recommend"),
    "pretrain": (pretrain, "pretrain"),
    "data check": (check, "check"),
    "data describe": (describe, "describe"),
    "data ingest": (ingest, "ingest"),
    "data graph": (graph, "graph"),
}


def compare(words: list[str]) -> None:
    """`mmrec compare`."""
    from mmrec.cli.compare import compare as run

    run(words)


def init(words: list[str]) -> None:
    """`mmrec data init`."""
    from mmrec.cli.init import init as run

    run(words)


PLAIN_VERBS: dict[str, Callable[[list[str]], None]] = {"compare": compare, "data init": init}
"""Verbs that take folders and options, not overrides."""


_finished: list[tuple[list[str], Path]] = []
"""The overrides and the folder of each run of this process."""
_of_run: list[str] = []
"""The overrides of the run that is resumed, which Hydra did not compose."""


def _print_sweep(runs: list[tuple[list[str], Path]]) -> None:
    """The runs of a sweep side by side, each under the overrides that are not common to all."""
    from mmrec.evaluation.compare.against_baselines import cutoffs
    from mmrec.evaluation.pages.terminal import sweep_table
    from mmrec.experiment.record import read_sweep_run

    common = set.intersection(*(set(overrides) for overrides, _ in runs))
    found = [read_sweep_run(run_dir, " ".join(o for o in overrides if o not in common)) for overrides, run_dir in runs]
    ks = cutoffs(found[0].metrics["models"][found[0].model])
    Console().print(sweep_table(found, [f"{name}@{k}" for k in ks for name in ("recall", "ndcg")], f"ndcg@{ks[-1]}"))


def _check_choices(words: list[str]) -> None:
    """Raises for an override without a key, and for a number where a group takes a name: Hydra itself fails on both with a trace."""
    groups = {path.name for path in files("mmrec.conf").iterdir() if path.is_dir()}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and not key:
            raise MmrecError(f"`{word}` is no override; expected key=value")
        if key in groups and re.fullmatch(r"[-+.\d]+", value):
            raise MmrecError(no_choice(key, value))


def _quietly(run: Callable[[DictConfig], None], verb: str) -> Callable[[DictConfig], None]:
    """The same, with errors made messages before Hydra adds a line of its own."""

    def wrapped(cfg: DictConfig) -> None:
        with errors_as_messages(verb):
            _check_trust(cfg)
            run(cfg)

    return wrapped


def _check_trust(cfg: DictConfig) -> None:
    """Raises ConfigError where a file, and not the command line, says which packages are trusted."""
    words = HydraConfig.get().overrides.task
    if cfg.get("trusted_packages") and not any(word.lstrip("+").startswith("trusted_packages=") for word in words):
        raise ConfigError("trusted_packages: a file may not say whom you trust; give it on the command line")


@contextmanager
def errors_as_messages(verb: str) -> Iterator[None]:
    """Prints what a person can put right as one message on stderr and exits with its code; lets everything else through."""
    try:
        yield
    except MmrecError as error:
        _stop(str(error), error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        _stop(explain(error, VERBS[verb][1]), MmrecError.exit_code)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except Terminated as end:
        _stop(str(end), end.code)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        where = f": {error.filename}" if error.filename else ""
        _stop(f"{error.strerror}{where}; make room, and go on with `mmrec train resume=` and the folder of the run", StorageError.exit_code)


def _stop(message: str, code: int) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"mmrec: {message}", markup=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
