"""The printed table and its Markdown form, against what a person would write by hand."""

import polars as pl
from rich.console import Console

from mmrec.evaluation.compare.runs import MeasuredRun, compare_runs
from mmrec.evaluation.pages.terminal import SweepRun, comparison_tables, console_table, sweep_table

METRICS = {
    "models": {
        "fusion": {"test/ndcg@20": 0.33, "test/recall@20": 0.44, "val/ndcg@20": 0.5},
        "ease": {"test/ndcg@20": 0.3, "test/recall@20": 0.55, "val/ndcg@20": 0.4},
        "popularity": {"test/ndcg@20": 0.1},
    },
    "seeds": {"1": {"test/ndcg@20": 0.32}, "2": {"test/ndcg@20": 0.34}},
    "confidence": {"ease": {"test/ndcg@20": [0.29, 0.31]}},
}


def test_console_table_prints_ours_first_with_spread_and_difference_beneath() -> None:
    console = Console(width=100, force_terminal=True, color_system="standard", _environ={})
    with console.capture() as capture:
        console.print(console_table(METRICS, ["ndcg@20", "recall@20"]))
    lines = capture.get().splitlines()
    fusion, ease = (next(line for line in lines if name in line) for name in ("fusion", "ease"))
    assert lines.index(fusion) < lines.index(ease)
    assert "\x1b[1m0.3300" in fusion.replace(" ", "") and "\x1b[1m0.4400" not in fusion.replace(" ", "")
    assert "± 0.0141" in capture.get()
    difference = next(line for line in lines if "vs. best baseline" in line)
    assert "+10.0%" in difference and "−20.0%" in difference


def test_five_columns_fit_a_terminal_of_80() -> None:
    console = Console(width=80)
    columns = ["recall@10", "recall@20", "ndcg@10", "ndcg@20", "val/ndcg@20"]
    with console.capture() as capture:
        console.print(console_table(METRICS, columns))
    assert "…" not in capture.get() and "val/ndcg@20" in capture.get()


def test_a_model_name_is_no_markup() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(console_table({"models": {"[red]a": {"test/ndcg@20": 0.1}}}, ["ndcg@20"]))
    assert "[red]a" in capture.get() and "baseline" not in capture.get()


def sweep_run(label: str, ndcg: float, per_user: list[float], split_hash: str = "a", model: str = "fusion") -> SweepRun:
    users = pl.DataFrame({"user_id": [str(u) for u in range(len(per_user))], "model": model, "seed": 1, "ndcg@20": per_user})
    return SweepRun(label, model, {"models": {model: {"test/ndcg@20": ndcg}}}, users, split_hash)


def test_a_sweep_shows_each_run_and_its_paired_difference_to_the_first() -> None:
    full = sweep_run("ablation=[]", 0.5, [0.5, 0.6, 0.4, 0.5])
    worse = sweep_run("ablation=[no_text]", 0.4, [0.4, 0.5, 0.3, 0.4])
    alike = sweep_run("model=vbpr", 0.5, [0.6, 0.5, 0.5, 0.4], model="vbpr")
    elsewhere = sweep_run("split=cold_item", 0.1, [0.1, 0.1, 0.1, 0.1], "b")
    console = Console(width=100)
    with console.capture() as capture:
        console.print(sweep_table([full, worse, alike, elsewhere], ["ndcg@20"], "ndcg@20"))
    text = capture.get()
    rows = [line for line in text.splitlines() if "=" in line]
    assert "0.5000" in rows[0] and "+" not in rows[0].replace("0.5000", "")
    assert "0.4000" in rows[1] and "-0.1000" in rows[1]
    assert "+0.0000" in rows[2]
    assert rows[3].split()[-1] == "0.1000", "another split has no paired difference"


def test_runs_beside_the_first_fit_a_terminal_of_80() -> None:
    def run(label: str, values: list[float]) -> MeasuredRun:
        names = [f"{name}@{k}" for k in (10, 20) for name in ("recall", "ndcg", "map")]
        frame = pl.DataFrame({"user_id": ["a", "b", "c"], "seed": 1} | dict.fromkeys(names, values))
        return MeasuredRun(label, f"runs/{label}", {f"test/{name}": sum(values) / 3 for name in names}, {}, frame, "s")

    comparison = compare_runs([run("evidence.text=true", [0.5, 0.4, 0.6]), run("evidence.text=false", [0.4, 0.2, 0.3])], None, seed=0)
    console = Console(width=80)
    with console.capture() as capture:
        for table in comparison_tables(comparison):
            console.print(table)
    text = capture.get()
    assert "−40.0%" in text and "-0.2000" in text and "0.2500" in text and "ndcg@20" in text and "map@10" not in text
    assert "…" not in text.replace(" … ", "")
