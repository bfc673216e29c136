"""`mmrec`: the verbs, and the one place where errors become messages."""

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mmrec import __version__
from mmrec.cli.hydra import shorthand
from mmrec.cli.hydra.errors import explain, no_choice
from mmrec.cli.hydra.their_config import check_config_dirs
from mmrec.cli.process.os_errors import describe_os_error
from mmrec.cli.process.terminate import terminable
from mmrec.cli.words import resume_words
from mmrec.errors import ConfigError, MmrecError, Terminated, nearest
from mmrec.schemas import register_schemas
from mmrec.terminal import is_reader_gone, say, show, silent_when_unread

_OPEN = re.compile(r"data\.(features|inputs)[.=]")
"""Keys with whatever names a person has below them: Hydra wants ++ for that."""
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
    with silent_when_unread():
        _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help") or arguments in (["data", "-h"], ["data", "--help"]):
        say(*HELP.format(version=__version__).splitlines(), stderr=False)
        return
    if arguments[0] == "--version":
        say(__version__, stderr=False)
        return
    verb, rest = (" ".join(arguments[:2]), arguments[2:]) if arguments[0] == "data" else (arguments[0], arguments[1:])
    with errors_as_messages(verb), terminable():
        if verb in PLAIN_VERBS:
            PLAIN_VERBS[verb](rest)
            return
        if verb in shorthand.HELP and {"-h", "--help"} & set(rest):
            say(*shorthand.HELP[verb].splitlines(), stderr=False)
            return
        if verb not in VERBS:
            raise MmrecError(f"there is no `mmrec {verb}`; {nearest(verb, [*VERBS, *PLAIN_VERBS])}")
        run, config_name = VERBS[verb]
        rest = shorthand.quote_paths(rest)
        rest = shorthand.spell_out(verb, rest) if arguments[0] == "data" else rest
        rest = [f"++{word}" if _OPEN.match(word) else word for word in rest]
        sys.argv = [f"mmrec {verb}", *sorted(rest, key=lambda word: word not in ("-m", "--multirun"))]  # argparse wants it before or after
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting: the messages are ours
        register_schemas()
        _members.clear()
        _of_run.clear()
        os.environ[_SWEEPER] = str(os.getpid())
        _check_choices(rest)
        check_config_dirs(rest, config_name)
        if verb == "train":
            sys.argv[1:], _of_run[:] = resume_words(sys.argv[1:])
        hydra.main(version_base="1.3", config_path="pkg://mmrec.conf", config_name=config_name)(_quietly(run, verb))()
        _finish_sweep(_members)


def train(cfg: DictConfig) -> None:
    """`mmrec train`. Each run of a sweep is remembered for the table at its end."""
    from mmrec.cli.train import train as run

    overrides = list(HydraConfig.get().overrides.task) + _of_run
    _members.append(Member(overrides, run(cfg, overrides)))


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


_of_run: list[str] = []
"""The overrides of the run that is resumed, which Hydra did not compose."""


class Member(NamedTuple):
    """A run of a sweep: its overrides, and its folder or why there is none."""

    overrides: list[str]
    folder: Path | None
    problem: str = ""


_members: list[Member] = []
"""The runs of this process."""
_SWEEPER = "MMREC_SWEEPER"
"""The environment variable with the number of the process that a sweep was started in; its launcher may use others."""


def _finish_sweep(members: list[Member]) -> None:
    """Prints the runs of a sweep side by side, each under the overrides that are not common to all. Raises MmrecError where one failed."""
    if not members:
        return
    common = set.intersection(*(set(member.overrides) for member in members)) if len(members) > 1 else set()
    labels = [" ".join(override for override in member.overrides if override not in common) for member in members]
    failed = [label for member, label in zip(members, labels, strict=True) if member.folder is None]
    finished = [(member.folder, label) for member, label in zip(members, labels, strict=True) if member.folder is not None]
    if finished and len(members) > 1:
        _show_sweep(finished, failed)
    if failed:
        problems = (f"{label}: {member.problem}" for member, label in zip(members, labels, strict=True) if member.problem)
        raise MmrecError("\n".join(problems))


def _show_sweep(finished: list[tuple[Path, str]], failed: list[str]) -> None:
    from mmrec.evaluation.compare.against_baselines import cutoffs
    from mmrec.evaluation.pages.terminal import sweep_table
    from mmrec.experiment.run_folder.record import read_sweep_run

    found = [read_sweep_run(folder, label) for folder, label in finished]
    ks = cutoffs(found[0].metrics["models"][found[0].model])
    show(sweep_table(found, [f"{name}@{k}" for k in ks for name in ("recall", "ndcg")], f"ndcg@{ks[-1]}", failed))


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
    """The same, with errors made messages before Hydra adds a line of its own. One that ends a run of a sweep leaves the others theirs."""

    def wrapped(cfg: DictConfig) -> None:
        if HydraConfig.get().mode == RunMode.MULTIRUN and verb == "train":
            _run_member(run, cfg, verb)
        else:
            with errors_as_messages(verb):
                _check_trust(cfg)
                run(cfg)

    return wrapped


def _check_trust(cfg: DictConfig) -> None:
    """Raises ConfigError where a file, and not the command line, says which packages are trusted."""
    words = HydraConfig.get().overrides.task
    if cfg.get("trusted_packages") and not any(word.lstrip("+").startswith("trusted_packages=") for word in words):
        raise ConfigError("trusted_packages: a file may not say whom you trust; give it on the command line")


def _run_member(run: Callable[[DictConfig], None], cfg: DictConfig, verb: str) -> None:
    """One run of a sweep. What makes it fail is printed and remembered; a launcher's own process raises it, for the sweep to end with."""
    overrides = list(HydraConfig.get().overrides.task)
    try:
        _check_trust(cfg)
        run(cfg)
    except Exception as error:
        problem = message_of(error, verb)
        if problem is None:
            traceback.print_exc()
            problem = f"{type(error).__name__}: {error}"
        say(*f"mmrec: {' '.join(overrides)}: {problem}".split("\n"))
        if os.environ.get(_SWEEPER) != str(os.getpid()):
            raise
        _members.append(Member(overrides, None, problem))


@contextmanager
def errors_as_messages(verb: str) -> Iterator[None]:
    """Prints what a person can put right as one message on stderr and exits with its code; lets everything else through."""
    try:
        yield
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except Terminated as end:
        _stop(str(end), end.code)
    except Exception as error:
        if (message := message_of(error, verb)) is None:
            raise
        _stop(message, MmrecError.exit_code)


def message_of(error: Exception, verb: str) -> str | None:
    """What to tell a person of an error; None for one that nobody but who writes mmrec can put right, or when nobody is there to read."""
    if isinstance(error, MmrecError):
        return str(error)
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return explain(error, VERBS.get(verb, VERBS["train"])[1])
    if isinstance(error, OSError) and not (isinstance(error, BrokenPipeError) and is_reader_gone()):
        return describe_os_error(error)
    return None


def _stop(message: str, code: int) -> None:
    say(*f"mmrec: {message}".split("\n"))
    sys.exit(code)


if __name__ == "__main__":
    main()
