"""The part of `mmrec leaderboard` for boards with `slices`: updates, full training and no update, measured slice by slice."""

from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table

from mmrec.config.hydra.stream import stream_settings
from mmrec.experiment.updating.stream import Step, Summary, run_stream, summarize, table_of
from mmrec.files.storage import write_json, write_text
from mmrec.terminal import say, show


def stream_board(cfg: DictConfig, folder: Path) -> list[Step]:
    """Run or resume the streams of a board, print their tables, write stream.md and stream.json to its folder, and return all steps.

    Raises ConfigError as `stream_settings` does.
    """
    pages, told, all_steps = [], {}, []
    for name, settings in stream_settings(cfg, folder):
        steps = run_stream(settings)
        rows, summary = table_of(steps), summarize(steps)
        columns = list(rows[0])
        table = Table(*columns, title=f"{name}: update / full training / no update", title_justify="left")
        cells = [[row[column] for column in columns] for row in rows]
        for row in cells:
            table.add_row(*row)
        show(table)
        say(_describe(summary))
        lines = [" | ".join(columns), " | ".join(["---"] * len(columns)), *(" | ".join(row) for row in cells)]
        pages.append(
            "\n".join(
                [f"## {name}: update / full training / no update", "", *(f"| {line} |" for line in lines), "", _describe(summary), ""]
            )
        )
        told[name] = {"steps": [step._asdict() for step in steps], "summary": summary._asdict()}
        all_steps += steps
    write_text(folder / "stream.md", "\n".join(pages))
    write_json(folder / "stream.json", told)
    say(f"tables: {folder / 'stream.md'}")
    return all_steps


def _describe(summary: Summary) -> str:
    return (
        f"Updates reach {summary.ndcg_ratio:.1%} of the ndcg of full training in {summary.cpu_ratio:.1%} of its processor time of fitting; "
        f"on earlier users they lose {summary.fall:.1%} compared with no update."
    )
