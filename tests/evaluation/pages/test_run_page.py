"""The report of a small made-up run: what it says, what it leaves out, and that nothing in it is fetched."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from mmrec.errors import DataError, MissingFile
from mmrec.evaluation.format import format_duration
from mmrec.evaluation.pages.run_page import write_report
from mmrec.types import Dataset
from tests.pages import Page, check_self_contained, rows_of

EVIL = "<script>alert('Alien')</script>"


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "split").mkdir(parents=True)
    models = {"fusion": {"test/ndcg@20": 0.3452, "val/ndcg@20": 0.36}, "ease": {"test/ndcg@20": 0.3498, "val/ndcg@20": 0.35}}
    cold = {name: {"item_degree": {"cold": {"n": 7, "ndcg@20": value}}} for name, value in (("fusion", 0.08), ("ease", 0.0))}
    metrics = {
        "models": models,
        "seeds": {},
        "confidence": {"ease": {"test/ndcg@20": [0.34, 0.36]}},
        "tuned": {"ease": {"regularization": 400.0}},
    }
    write(run / "metrics.json", metrics | {"slices": cold})
    data = {"name": "toy", "hash": "abc123", "n_users": 2, "n_items": 1682, "n_interactions": 5, "notes": ["3 rows had no item."]}
    features = {"text": {"encoder": "minilm", "present": 3, "total": 4}}
    about = {
        "name": "r1",
        "model": "fusion",
        "seed": 1,
        "seeds": [1],
        "versions": {"torch": "2.13.0"},
        "times": {"fit_s": 192.0, "total_s": 200.0},
    }
    split = {"name": "random_ratio", "train": 3, "valid": 1, "test": 1}
    write(run / "run.json", about | {"data": data, "split": split, "features": features})
    (run / "config.yaml").write_text("seed: 1\n", encoding="utf-8")
    for part, rows in {"train": [("u", "i1"), ("v", "i1")], "valid": [("u", "i2")], "test": [("u", "i3")]}.items():
        pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").write_parquet(run / "split" / f"{part}.parquet")
    pl.DataFrame({"user_id": ["u", "u"], "item_id": ["i3", "i4"], "rank": [1, 2], "score": [2.0, 1.0]}).write_parquet(
        run / "recommendations.parquet"
    )
    per_user = [("u", "fusion", 1, 0.3), ("v", "fusion", 1, 0.3), ("u", "ease", 1, 0.4), ("v", "ease", 1, 0.1)]
    pl.DataFrame(per_user, schema=["user_id", "model", "seed", "ndcg@20"], orient="row").write_parquet(run / "per_user.parquet")
    curves = [(1, 0, "train/loss", 0.7), (1, 1, "train/loss", 0.5), (1, 0, "val/ndcg@20", 0.2)]
    pl.DataFrame(curves, schema=["seed", "epoch", "metric", "value"], orient="row").write_parquet(run / "curves.parquet")
    attention = [("i1", "collaborative", 0.5), ("i1", "text", 0.5), ("i2", "text", 1.0)]
    pl.DataFrame(attention, schema=["item_id", "modality", "weight"], orient="row").write_parquet(run / "attention.parquet")
    return run


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    Image.new("RGB", (100, 50), "navy").save(tmp_path / "three.png")
    titles = ["One", "Two", EVIL, "Four"]
    items = pl.DataFrame({"item_id": ["i1", "i2", "i3", "i4"], "title": titles, "image": [None, "gone.png", "three.png", None]})
    return Dataset("toy", tmp_path, pl.DataFrame(), items, ("title",), "image")


def test_says_where_the_model_stands(run_dir: Path, dataset: Dataset) -> None:
    path = write_report(run_dir, dataset)
    assert path == run_dir / "report.html"
    text = " ".join(Page(path.read_text(encoding="utf-8")).text.split())
    assert "fusion is 1.3% below ease, the only baseline, in test ndcg@20 (0.3452 against 0.3498)" in text
    # Differences -0.1 and 0.2: mean 0.05; a quarter of the resamples holds either alone.
    assert "mean difference is +0.0500, 95% interval −0.1000 to +0.2000 over 2 users: the difference is not significant." in text
    assert "Sign-flip test: p = 1.000, effect size d = 0.24." in text  # 3 of 4 signs at least as far; 0.05 over 0.2121
    assert "Split random_ratio, interactions 3 to train, 1 to validate, 1 to test. One seed (1)." in text
    for shown in (
        "regularization = 400",
        "0.340–0.360",
        "−1.3%",
        "3 of 4 (75.0%)",
        "minilm",
        "3 rows had no item.",
        "3 min 12 s",
        "2.13.0",
        "abc123",
        "seed: 1",
    ):
        assert shown in text


def test_best_is_bold_per_column(run_dir: Path, dataset: Dataset) -> None:
    html = write_report(run_dir, dataset).read_text(encoding="utf-8")
    assert re.findall(r'<strong class="best">([\d.]+)</strong>', html) == ["0.3600", "0.3498"]


def test_charts_show_cold_items_curves_and_attention(run_dir: Path, dataset: Dataset) -> None:
    page = Page(write_report(run_dir, dataset).read_text(encoding="utf-8"))
    standings, cold, attention, *curves = page.charts.items()
    assert [label for label, _ in (standings, cold, attention, *curves)] == [
        "test ndcg@20 of every model",
        "ndcg@20 by item degree",
        "Mean attention of fusion to each modality",
        "train/loss by epoch and seed",
        "val/ndcg@20 by epoch and seed",
    ]
    # Two items, i1 seen twice in training and i2 never: text has 0.5 and 1.0.
    shown = {(row["series"], row["group"]): row["value"] for _, spec in (cold, attention) for row in rows_of(spec)}
    assert (shown["fusion", "cold"], shown["ease", "cold"]) == (0.08, 0.0)
    assert (shown["text", "all items"], shown["text", "never seen"], shown["collaborative", "1–9 times"]) == (0.75, 1.0, 0.5)
    assert [row["y"] for _, spec in curves for row in rows_of(spec)] == [0.7, 0.5, 0.2]


def test_opens_with_every_model_in_the_headline_metric_best_first(run_dir: Path, dataset: Dataset) -> None:
    html = write_report(run_dir, dataset).read_text(encoding="utf-8")
    metrics = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    rows = rows_of(Page(html).charts["test ndcg@20 of every model"])
    assert [row["group"] for row in rows] == ["ease", "fusion"] and [row["is_own"] for row in rows] == [False, True]
    assert all(row["value"] == metrics["models"][row["group"]]["test/ndcg@20"] for row in rows)
    assert [rows[0]["low"], rows[0]["high"]] == metrics["confidence"]["ease"]["test/ndcg@20"] and "low" not in rows[1]
    places = [
        html.index(f"<h2>{title}")
        for title in ("Accuracy", "Slices of users and items", "Contributions of the evidence", "1 user and", "Details")
    ]
    assert places == sorted(places) and html.index("On the test part") < places[0]


def test_what_accuracy_costs_where_the_run_says_how_long_fitting_took(run_dir: Path, dataset: Dataset) -> None:
    assert "Accuracy and training time" not in write_report(run_dir, dataset).read_text(encoding="utf-8")
    metrics, run = (json.loads((run_dir / name).read_text(encoding="utf-8")) for name in ("metrics.json", "run.json"))
    write(run_dir / "metrics.json", metrics | {"lists": {"fusion": {"coverage@20": 0.3}, "ease": {"coverage@20": 0.3}}})
    write(run_dir / "run.json", run | {"fit_s": {"fusion": 192.0, "ease": 0.5}})
    page = Page(write_report(run_dir, dataset).read_text(encoding="utf-8"))
    assert "Accuracy and training time" in page.text and "fusion is not on it: ease dominates it" in page.text
    dots = rows_of(page.charts["ndcg@20 by the time to fit, a dot for each model, larger with coverage"])
    assert {row["name"]: (row["seconds"], row["y"], row["share"]) for row in dots if "name" in row} == {
        "fusion": (192.0, 0.3452, 0.3),
        "ease": (0.5, 0.3498, 0.3),
    }


def test_slices_of_users_are_shown_too_and_too_many_as_numbers_only(run_dir: Path, dataset: Dataset) -> None:
    metrics = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    many = {f"occupation {i}": {"n": 1, "ndcg@20": i / 100} for i in range(20)}
    metrics["slices"]["fusion"] |= {
        "users.job": many,
        "users.sex": {"F": {"n": 3, "ndcg@20": 0.2}},
        "recency": {"day": {"n": 5, "ndcg@20": 0.5}},
    }
    write(run_dir / "metrics.json", metrics)
    page = Page(write_report(run_dir, dataset).read_text(encoding="utf-8"))
    labels = [label for label in page.charts if " by " in label and "epoch" not in label]
    assert labels == ["ndcg@20 by item degree", "ndcg@20 by time since the last interaction", "ndcg@20 by sex"]
    assert "By job" in page.text and "occupation 17" in page.text and "0.1700" in page.text


def test_users_with_titles_hits_and_pictures(run_dir: Path, dataset: Dataset) -> None:
    html = write_report(run_dir, dataset).read_text(encoding="utf-8")
    page = Page(html)
    assert [li.get("class") for li in page.all("li")][:4] == [None, None, "hit", None]
    (picture,) = page.all("img")
    assert picture["src"].startswith("data:image/jpeg;base64,")
    assert picture["alt"] == f"Picture of {EVIL}"
    assert "1 in training · hits: 1 of 2 · 1 in test" in page.text


def test_nothing_is_fetched_and_nothing_foreign_runs(run_dir: Path, dataset: Dataset) -> None:
    html = write_report(run_dir, dataset).read_text(encoding="utf-8")
    page = Page(html)
    check_self_contained(html)
    assert EVIL not in html
    assert EVIL in page.text


def test_no_name_breaks_out_of_a_chart(run_dir: Path, dataset: Dataset) -> None:
    evil = "</script><script>alert('model')</script><!--\u2028"
    metrics = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8").replace("fusion", json.dumps(evil)[1:-1]))
    write(run_dir / "metrics.json", metrics)
    html = write_report(run_dir, dataset).read_text(encoding="utf-8")
    check_self_contained(html)
    assert "alert('model')</script>" not in html and "<!--" not in html
    rows = [row for spec in Page(html).charts.values() for row in rows_of(spec)]
    assert {evil} <= {row.get("group") for row in rows} | {row.get("series") for row in rows}


def test_every_table_has_headers_and_every_chart_a_label(run_dir: Path, dataset: Dataset) -> None:
    page = Page(write_report(run_dir, dataset).read_text(encoding="utf-8"))
    assert all(th.get("scope") in {"col", "row", "colgroup"} for th in page.all("th"))
    assert page.charts and all(page.charts)
    assert all("alt" in img for img in page.all("img"))


def test_same_folder_same_bytes(run_dir: Path, dataset: Dataset) -> None:
    first = write_report(run_dir, dataset).read_bytes()
    assert write_report(run_dir, dataset).read_bytes() == first


def test_missing_parts_leave_out_their_section(run_dir: Path, dataset: Dataset) -> None:
    for name in ("curves", "attention", "recommendations", "per_user"):
        (run_dir / f"{name}.parquet").unlink()
    (run_dir / "config.yaml").unlink()
    write(run_dir / "metrics.json", {"models": {"fusion": {"test/ndcg@20": 0.3}}})
    write(run_dir / "run.json", {})
    page = Page(write_report(run_dir, dataset).read_text(encoding="utf-8"))
    assert "fusion reaches 0.3000 in test ndcg@20, without baselines for comparison" in page.text
    assert page.all("figure") == page.all("img") == page.all("script") == []
    assert page.open == []
    assert not any(
        word in page.text
        for word in (
            "Learning curves",
            "Attention to modalities",
            "Recommended",
            "Evidence",
            "Configuration",
            "Times, versions and configuration",
            "vs. best",
        )
    )


def test_errors_name_the_file(run_dir: Path, dataset: Dataset) -> None:
    (run_dir / "metrics.json").write_text('{"models":\n oops}', encoding="utf-8")
    with pytest.raises(DataError, match=r"metrics\.json:2:2: expected JSON"):
        write_report(run_dir, dataset)
    (run_dir / "metrics.json").unlink()
    with pytest.raises(MissingFile, match=r"metrics\.json: not found"):
        write_report(run_dir, dataset)


@pytest.mark.parametrize(("seconds", "text"), [(8.24, "8.2 s"), (59.97, "1 min 00 s"), (192.4, "3 min 12 s"), (7499, "2 h 04 min")])
def test_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
