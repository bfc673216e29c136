"""The command `mmrec compare runs/a runs/b …`: compare runs of the same split with the first one by paired tests."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from mmrec.api.console import console_output
from mmrec.cli.process.arguments import parse_arguments, unknown_option_error
from mmrec.config.saved import saved_config
from mmrec.config.values import flat, literal
from mmrec.errors import ConfigError
from mmrec.evaluation.compare.run_labels import run_labels
from mmrec.evaluation.compare.runs import MeasuredRun, RunComparison, compare_runs, seed_caveat, verdicts
from mmrec.evaluation.pages.comparison_page import write_comparison
from mmrec.evaluation.pages.terminal import comparison_tables
from mmrec.experiment.compare import read_measured_run
from mmrec.experiment.run_folder.find import convert_file_errors, find_run
from mmrec.terminal import say, show

PAGE = "compare.html"
_DESCRIPTION = """Compare runs of the same split with the first one by paired tests over users.

Prints the metrics, the paired differences with 95% confidence intervals, p-values with Holm correction, effect sizes, and a summary of each
comparison in words; writes the same with a forest plot to one HTML page. Runs of different splits are rejected.
"""


@console_output()
def compare(words: Sequence[str]) -> RunComparison:
    """Compare the runs named on the command line, print tables, and write an HTML page.

    Raises:
        ConfigError: an option or metric does not exist, or there are fewer than two runs.
        MissingFile: a folder has no finished run.
        DataError: the runs have different splits.
    """
    arguments = _parse(words)
    comparison = compare_runs(_read(arguments.runs), arguments.metric, arguments.seed)
    show(*comparison_tables(comparison))
    say(*(f"{sentence}." for sentence in (*verdicts(comparison), seed_caveat(comparison)) if sentence), stderr=False)
    target = _target(arguments)
    write_comparison(target, comparison)
    say(f"page: {target}")
    return comparison


def make_parser() -> ArgumentParser:
    """Create the argument parser of the command."""
    parser = ArgumentParser(
        "mmrec compare", description=_DESCRIPTION, formatter_class=RawDescriptionHelpFormatter, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="two or more run folders; the others are compared with the first")
    parser.add_argument("--metric", help="the tested metric, such as recall@10 (default: ndcg at the largest k)")
    parser.add_argument("--output", help=f"path of the page, or a folder for it (default: {PAGE} next to the first run)")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the resampling (default: %(default)s)")
    return parser


def _parse(words: Sequence[str]) -> Namespace:
    parser = make_parser()
    arguments, unknown = parse_arguments(parser, words)
    if unknown:
        raise unknown_option_error(parser, unknown[0])
    if len(arguments.runs) < 2:
        raise ConfigError(f"compare: expected two run folders or more, found {len(arguments.runs)}: mmrec compare runs/a runs/b")
    if arguments.metric is not None:
        arguments.metric = arguments.metric.removeprefix("test/")
    return arguments


def _read(paths: Sequence[str]) -> list[MeasuredRun]:
    folders = [find_run(path) for path in paths]
    twice = sorted({str(folder) for folder in folders if sum(folder.resolve() == other.resolve() for other in folders) > 1})
    if twice:
        raise ConfigError(f"compare: {twice[0]} is repeated")
    configs = [dict(flat(_config(folder))) for folder in folders]
    labels = run_labels(configs, [folder.resolve().name for folder in folders])
    return [read_measured_run(folder, label) for folder, label in zip(folders, labels, strict=True)]


def _config(folder: Path) -> object:
    path = folder / "config.yaml"
    with convert_file_errors(folder):
        return literal(saved_config(folder)) if path.is_file() else {}


def _target(arguments: Namespace) -> Path:
    if arguments.output is None:
        return Path(arguments.runs[0]).resolve().parent / PAGE
    output = Path(arguments.output)
    return output / PAGE if output.is_dir() else output
