"""The command `mmrec leaderboard`: train every model of a board on every dataset, split and seed, and write one table of results."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.cli.hydra.board import launch, plan
from mmrec.cli.training.stream import stream_board
from mmrec.config.check import check
from mmrec.config.values import plain
from mmrec.errors import MmrecError
from mmrec.evaluation.compare.leaderboard import Section, describe_section
from mmrec.evaluation.pages.leaderboard_page import write_leaderboard
from mmrec.evaluation.pages.terminal import section_table
from mmrec.experiment.leaderboard import BoardRun, BoardSettings, read_sections
from mmrec.files.storage import check_writable
from mmrec.schemas import LeaderboardConfig
from mmrec.terminal import say, show


@console_output()
def leaderboard(cfg: DictConfig) -> list[Section]:
    """Start or resume the unfinished runs, write leaderboard.md, .html and .json to the board's folder, and return the table's sections.

    A board with `slices` is a stream: stream.md and stream.json are written instead, and there are no sections.

    The configurations of all runs are validated before the first one starts.

    Raises:
        ConfigError: the board or the configuration of a run is invalid.
        MmrecError: runs failed; raised after the table of the others is written.
    """
    check(cfg, LeaderboardConfig)
    folder = Path(cfg.output or Path(cfg.paths.runs) / "leaderboard" / cfg.board.name)
    if cfg.board.slices is not None:
        check_writable(folder, "paths.runs" if cfg.output is None else "output")
        stream_board(cfg, folder.absolute())
        return []
    runs = plan(cfg, folder)
    check_writable(folder, "paths.runs" if cfg.output is None else "output")
    waiting = [run for run in runs if not run.is_finished]
    say(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished; runs and logs under {folder}")
    try:
        failures = launch(cfg, folder, waiting) if cfg.run and waiting else {}
    except Exception:
        _write_tables(cfg, folder, runs)
        raise
    sections = _write_tables(cfg, folder, runs)
    if failures:
        raise MmrecError("\n".join(f"{run}: {message}" for run, message in failures.items()))
    return sections


def _write_tables(cfg: DictConfig, folder: Path, runs: Sequence[BoardRun]) -> list[Section]:
    """Write and print the tables of the finished runs."""
    board = plain(cfg)["board"]
    names = {key: list(board[key]) for key in ("data", "splits", "models", "columns")}
    sections = read_sections(BoardSettings(board["name"], **names, metric=board["metric"], seed=cfg.seed), runs)
    if not sections:
        say("no table yet: the board's first model has no finished run")
        return []
    write_leaderboard(folder, cfg.board.name, sections, [str(run) for run in runs if not run.is_finished])
    for section in sections:
        show(section_table(section))
        say(f"{describe_section(section)}.")
    say(f"tables: {folder / 'leaderboard.md'}, {folder / 'leaderboard.html'}")
    return sections
