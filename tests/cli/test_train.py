"""Whole runs on the small shop: what the folder holds, that it can be repeated, resumed, evaluated and asked, and what sees which rows."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file
from torch import Tensor

import mmrec.experiment.tuning.choice_cache
from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.config.hydra.quoting import quote_paths
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.files.checkpoint import read_checkpoint
from mmrec.tasks.checkpoints import checkpoints_in
from mmrec.types import DatasetSpec
from tests.pages import check_self_contained

METRICS = [*(f"{name}@{k}" for name in ("recall", "ndcg", "hit_rate", "mrr", "map", "precision") for k in (10, 20)), "auc"]
CONTENT_KNN = ["content_knn_text", "content_knn_image", "content_knn_kg"]
MODELS = ["fusion", "popularity", "recent_popularity", "item_knn", "ease", "ials", *CONTENT_KNN]
Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def run_of(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`run_of(*overrides)`: the folder of a run, trained once for each set of overrides."""
    done: dict[tuple[str, ...], Path] = {}

    def run(*overrides: str, again: bool = False) -> Path:
        if again or overrides not in done:
            folder = tmp_path_factory.mktemp("run")
            with_page = f"evaluation.report={'false' if overrides else 'true'}"
            done[overrides] = train(compose(*shop_overrides, with_page, f"run_dir={folder}", *overrides))
        return done[overrides]

    return run


def read(run: Path, name: str) -> dict:
    return json.loads((run / name).read_text(encoding="utf-8"))


def split_of(run: Path) -> dict[str, pl.DataFrame]:
    return {part: pl.read_parquet(run / "split" / f"{part}.parquet") for part in ("train", "valid", "test")}


def tokens_of(run: Path) -> set[str]:
    return set(pl.read_parquet(run / "attention.parquet")["modality"])


def test_the_run_folder_holds_what_it_promises(run_of: Callable[..., Path]) -> None:
    run = run_of()
    columns = {
        "per_user.parquet": ["user_id", "model", "seed"],
        "recommendations.parquet": ["user_id", "item_id", "rank", "score", "seed"],
        "curves.parquet": ["seed", "epoch", "metric", "value"],
        "attention.parquet": ["item_id", "modality", "weight"],
        "users.parquet": ["user_id"],
        "items.parquet": ["item_id", "title"],
        "split/train.parquet": ["user_id", "item_id", "timestamp"],
    }
    for name, expected in columns.items():
        found = pl.read_parquet(run / name).columns
        assert found[: len(expected)] == expected, name
    assert set(pl.read_parquet(run / "per_user.parquet").columns[3:]) == set(METRICS)
    assert OmegaConf.load(run / "config.yaml").run_dir == str(run)
    assert not list(run.rglob("*.tmp")) and not list(run.rglob("*.pkl"))


def test_data_that_cannot_be_used_leaves_no_run_folder_behind(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    for override, error in {"data.path=/nowhere": MissingFile, "split.test_ratio=0.0001": DataError}.items():
        with pytest.raises(error):
            train(compose(*shop_overrides, f"run_dir={tmp_path / 'run'}", override))
        assert not (tmp_path / "run").exists()


def test_counterfactuals_of_every_modality_are_measured(run_of: Callable[..., Path]) -> None:
    table = pl.read_parquet(run_of() / "counterfactuals.parquet")
    expected = {(name, change) for name in ("text", "image") for change in ("dropped", "shuffled", "noise")}
    expected |= {("kg", change) for change in ("dropped", "shuffled", "noise", "rewired")} | {("collaborative", "dropped")}
    assert set(table.select("modality", "change").iter_rows()) == expected | {("all content", "dropped")}
    reported = read(run_of(), "metrics.json")["seeds"]["2026"]["test/ndcg@20"]
    intact = table.filter((pl.col("items") == "all") & (pl.col("metric") == "ndcg@20"))["intact"]
    assert intact.to_list() == pytest.approx([reported] * len(expected | {None}))
    assert (table["changed"] - table["intact"] - table["difference"]).abs().max() < 1e-9
    page = (run_of() / "report.html").read_text(encoding="utf-8")
    assert "Counterfactual evidence" in page and "<li>Without collaborative, ndcg@20 " in page and "kg, rewired" in page


def test_evidence_can_be_trained_on_changed(run_of: Callable[..., Path]) -> None:
    run, intact = run_of("evidence.text=shuffled", "evidence.kg=rewired", "~baselines"), run_of()
    assert tokens_of(run) == tokens_of(intact)
    assert read(run, "run.json")["features"]["text"]["encoder"].endswith(", shuffled")
    assert load_file(run / "vectors.safetensors")["items"].ne(load_file(intact / "vectors.safetensors")["items"]).any()


def test_run_json_says_what_was_run(run_of: Callable[..., Path], shop_folder: Path) -> None:
    about = read(run_of(), "run.json")
    assert (about["model"], about["seed"], about["seeds"]) == ("fusion", 2026, [2026])
    n = len(pl.read_csv(shop_folder / "interactions.csv"))
    assert (about["data"]["n_users"], about["data"]["n_items"], about["data"]["n_interactions"]) == (60, 40, n)
    assert about["split"]["train"] + about["split"]["valid"] + about["split"]["test"] == n
    assert {name: (found["present"], found["total"]) for name, found in about["features"].items()} == {
        "text": (40, 40),
        "image": (36, 40),
        "kg": (38, 40),
    }
    assert "untrained" in about["features"]["image"]["encoder"]
    assert {"torch", "mmrec", "python"} <= set(about["versions"]) and about["times"]["total_s"] > 0 and about["n_parameters"] > 0
    assert set(about["fit_s"]) == set(MODELS) and min(about["fit_s"].values()) > 0


def test_metrics_json_follows_from_the_per_user_table(run_of: Callable[..., Path]) -> None:
    metrics = read(run_of(), "metrics.json")
    assert list(metrics["models"]) == MODELS
    per_user = pl.read_parquet(run_of() / "per_user.parquet")
    for model, values in metrics["models"].items():
        assert set(values) == {f"{part}/{name}" for part in ("val", "test") for name in METRICS}
        own = per_user.filter(model=model)
        for name in METRICS:
            assert values[f"test/{name}"] == pytest.approx(own[name].mean(), abs=1e-12)
            low, high = metrics["confidence"][model][f"test/{name}"]
            assert low <= values[f"test/{name}"] <= high
    n_test_users = read(run_of(), "run.json")["split"]["n_test_users"]
    for sliced in metrics["slices"].values():
        assert list(sliced) == ["item_degree", "user_degree", "recency"]
        assert sum(group["n"] for group in sliced["recency"].values()) == n_test_users
    assert metrics["slice_tests"]["metric"] == "ndcg@20" and metrics["slice_tests"]["baseline"] in MODELS[1:]
    assert set(metrics["fairness"]["models"]) == set(metrics["calibration"]["item_degree"]["lists"]) == set(MODELS)
    assert all("miscalibration@20" in measured for measured in metrics["lists"].values())
    assert set(metrics["tuned"]) == {"recent_popularity", "item_knn", "ease", "ials"} and metrics["tuned"]["ease"]["regularization"] >= 50
    n_trials = {name: chosen["n_trials"] for name, chosen in metrics["tuned"].items()}
    assert n_trials == {"recent_popularity": 12, "item_knn": 21, "ease": 11, "ials": 18}  # some beyond the edges of a space
    assert metrics["models"]["fusion"]["test/ndcg@20"] > metrics["models"]["popularity"]["test/ndcg@20"]


def test_ratings_add_graded_ndcg_and_a_column_of_items_its_groups(
    compose: Compose, shop_overrides: list[str], shop_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(shop_folder, tmp_path / "shop"))
    rows = pl.read_csv(folder / "interactions.csv")
    rows.with_columns(rating=pl.Series([float(i % 3) for i in range(len(rows))])).write_csv(folder / "interactions.csv")
    overrides = [word for word in shop_overrides if not word.startswith("data.path=")]
    measured = ["baselines=[ease]", *(f"evaluation.{one}" for one in ("auc=false", "item_column=genre", "report=true"))]
    run = train(compose(*overrides, f"data.path={folder}", "trainer.max_epochs=1", *measured, f"run_dir={tmp_path / 'run'}"))
    metrics, per_user = read(run, "metrics.json"), pl.read_parquet(run / "per_user.parquet")
    assert "auc" not in per_user.columns and per_user["graded_ndcg@20"].null_count() == 0
    assert 0 < metrics["models"]["fusion"]["val/graded_ndcg@10"] != metrics["models"]["fusion"]["val/ndcg@10"]
    found = evaluate(compose(f"run={run}", name="evaluate"))
    assert "test/graded_ndcg@20" in found and "test/auc" not in found
    shares = metrics["fairness"]["models"]["fusion"]["items"]["items.genre"]["exposure"]
    assert set(shares) == {"lamp", "chair"} and sum(shares.values()) == pytest.approx(1.0)
    assert "miscalibration_genre@20" in metrics["lists"]["fusion"]
    html = (run / "report.html").read_text(encoding="utf-8")
    assert all(shown in html for shown in ("<summary>Fairness", "Item exposure by genre", "<summary>Calibration", "graded_ndcg"))


def test_an_item_column_that_is_not_there_is_a_message(run_of: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"^evaluation\.item_column: .*`gnre`.*genre"):
        run_of("evaluation.item_column=gnre")


def test_the_split_parts_the_rows(run_of: Callable[..., Path], shop_folder: Path) -> None:
    together = pl.concat(split_of(run_of()).values()).sort("user_id", "item_id")
    assert together.equals(pl.read_csv(shop_folder / "interactions.csv").sort("user_id", "item_id"))


def test_recommendations_are_the_whole_rest_of_the_catalogue(run_of: Callable[..., Path]) -> None:
    parts, best = split_of(run_of()), pl.read_parquet(run_of() / "recommendations.parquet")
    seen = pl.concat([parts["train"], parts["valid"]]).select("user_id", "item_id")
    assert set(best["user_id"]) == set(parts["test"]["user_id"])
    assert best.join(seen, on=["user_id", "item_id"], how="semi").is_empty()
    n_seen = dict(seen.group_by("user_id").len().iter_rows())
    for (user,), rows in best.group_by("user_id", maintain_order=True):
        assert rows["rank"].to_list() == list(range(1, 40 - n_seen[user] + 1))
        assert rows["score"].is_sorted(descending=True) and rows["item_id"].n_unique() == len(rows)


def recall_of(lists: pl.DataFrame, test: pl.DataFrame, k: int) -> float:
    found = test.join(lists.filter(pl.col("rank") <= k), on=["user_id", "item_id"], how="left")
    return found.group_by("user_id").agg(pl.col("rank").is_not_null().mean().alias("recall"))["recall"].mean()


def test_recall_can_be_checked_from_the_files_alone(run_of: Callable[..., Path]) -> None:
    run = run_of()
    found = recall_of(pl.read_parquet(run / "recommendations.parquet"), split_of(run)["test"], 10)
    assert found == pytest.approx(read(run, "metrics.json")["models"]["fusion"]["test/recall@10"])


def test_attention_is_shared_out_among_what_an_item_has(run_of: Callable[..., Path]) -> None:
    attention = pl.read_parquet(run_of() / "attention.parquet")
    assert attention.group_by("item_id").agg(pl.col("weight").sum())["weight"].to_list() == pytest.approx([1.0] * 40, abs=1e-5)
    having = {name: set(rows["item_id"]) for (name,), rows in attention.group_by("modality")}
    everything = {f"i{item}" for item in range(40)}
    assert everything - having["image"] == {"i8", "i18", "i28", "i38"} and everything - having["kg"] == {"i19", "i39"}
    assert having["collaborative"] == set(split_of(run_of())["train"]["item_id"]) and having["text"] == everything


def test_curves_have_every_epoch(run_of: Callable[..., Path]) -> None:
    curves = pl.read_parquet(run_of() / "curves.parquet")
    for metric in ("train/loss", "val/ndcg@20", "val/recall@10"):
        assert sorted(curves.filter(metric=metric)["epoch"]) == [0, 1]
    best = curves.filter(metric="val/ndcg@20")["value"].max()
    assert read(run_of(), "metrics.json")["models"]["fusion"]["val/ndcg@20"] == pytest.approx(best, abs=1e-6)


def test_the_report_fetches_nothing(run_of: Callable[..., Path]) -> None:
    check_self_contained(html := (run_of() / "report.html").read_text(encoding="utf-8"))
    assert "item_knn" in html and "small_shop" in html


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(run_of: Callable[..., Path]) -> None:
    one, two, other = run_of(), run_of(again=True), run_of("seed=7", "~baselines")
    assert read(one, "metrics.json")["models"]["fusion"] != read(other, "metrics.json")["models"]["fusion"]
    for name in ("metrics.json", "vectors.safetensors", "recommendations.parquet", "split/test.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
        assert (one / name).read_bytes() != (other / name).read_bytes(), name


def test_evaluating_a_run_gives_what_it_reported(run_of: Callable[..., Path], compose: Compose, tmp_path: Path) -> None:
    run = run_of()
    found = evaluate(compose(f"run={run}", name="evaluate"))
    reported = read(run, "metrics.json")["models"]["fusion"]
    assert found == pytest.approx({name: value for name, value in reported.items() if name.startswith("test/")}, abs=1e-9)
    copied = Path(shutil.copytree(run, tmp_path / "copied"))
    changed = read(copied, "metrics.json")
    changed["models"]["fusion"]["test/mrr@10"] += 0.01
    (copied / "metrics.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match=r"^test/mrr@10 differ"):
        evaluate(compose(f"run={copied}", name="evaluate"))


def test_recommending_leaves_out_what_the_user_had(run_of: Callable[..., Path], compose: Compose, shop_folder: Path) -> None:
    had = pl.read_csv(shop_folder / "interactions.csv").filter(user_id="u3")["item_id"]
    best = recommend(compose(f"run={run_of()}", "user=u3", "k=7", name="recommend"))
    assert best.columns == ["rank", "item_id", "title", "score"] and best["rank"].to_list() == list(range(1, 8))
    assert not best["item_id"].is_in(had.implode()).any() and best["score"].is_sorted(descending=True)
    everything = recommend(compose(f"run={run_of()}", "user=u3", "k=1000", name="recommend"))
    assert len(everything) == 40 - len(had) and everything.head(7).equals(best)
    with pytest.raises(DataError, match="`u60` is not in the run; did you mean `u"):
        recommend(compose(f"run={run_of()}", "user=u60", name="recommend"))


def test_no_folder_of_a_run_is_taken_for_a_glob(compose: Compose, shop_overrides: list[str], shop_folder: Path, tmp_path: Path) -> None:
    data, run_dir, cache = (tmp_path / f"{name}[1]*?" for name in ("shop", "run", "cache"))
    shutil.copytree(shop_folder, data)
    (tmp_path / "shop1xx").mkdir()
    words = [f"data.path={data}", f"run_dir={run_dir}", f"paths.cache={cache}", "trainer.max_epochs=1", "evidence.text=false"]
    run = train(compose(*shop_overrides, "baselines=[ease]", *quote_paths(words)))
    asked = quote_paths([f"run={run}"])
    assert evaluate(compose(*asked, name="evaluate")) and len(recommend(compose(*asked, "user=u3", "k=7", name="recommend"))) == 7


@pytest.mark.parametrize(
    ("ablation", "tokens"),
    [
        ("no_text", {"collaborative", "image", "kg"}),
        ("no_image", {"collaborative", "text", "kg"}),
        ("no_kg", {"collaborative", "text", "image"}),
        ("no_collaborative", {"text", "image", "kg"}),
        ("only_text", {"text"}),
        ("only_image", {"image"}),
        ("only_kg", {"kg"}),
        ("only_collaborative", {"collaborative"}),
    ],
)
def test_an_ablation_takes_the_token_away(ablation: str, tokens: set[str], run_of: Callable[..., Path]) -> None:
    run = run_of(f"ablation=[{ablation}]", "trainer.max_epochs=1", "~baselines")
    assert tokens_of(run) == tokens and list(read(run, "metrics.json")["models"]) == ["fusion"]


def test_without_any_evidence_there_is_a_message(run_of: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"^model: no evidence is left"):
        run_of("ablation=[only_text,no_text]")


@pytest.mark.parametrize("override", ["fusion=mean", "fusion=gated", "fusion=concat", "backbone=item_table", "kg_encoder=rgcn", "loss=bpr"])
def test_every_choice_trains(override: str, run_of: Callable[..., Path]) -> None:
    values = read(run_of(override, "trainer.max_epochs=1", "~baselines"), "metrics.json")["models"]["fusion"]
    assert 0 < values["test/recall@20"] <= 1


@pytest.mark.parametrize("split", ["cold_item", "cold_user", "global_time", "leave_last_out", "user_time"])
def test_every_split_trains_on_what_it_says(split: str, run_of: Callable[..., Path]) -> None:
    fewer = [] if split.startswith("cold") else ["baselines=[recent_popularity,ease]"]
    run = run_of(f"split={split}", "trainer.max_epochs=1", "evaluation.report=true", *fewer)
    parts, about = split_of(run), read(run, "run.json")
    held_out = pl.concat([parts["valid"], parts["test"]])
    assert about["split"]["name"] == split and about["split"]["test"] == len(parts["test"]) > 0
    if split == "cold_item":
        assert not set(held_out["item_id"]) & set(parts["train"]["item_id"])
        assert read(run, "metrics.json")["slices"]["fusion"]["item_degree"]["cold"]["n"] == len(parts["test"])
    elif split == "cold_user":
        assert not set(held_out["user_id"]) & set(parts["train"]["user_id"])
        assert "<summary>Calibration" not in (run / "report.html").read_text(encoding="utf-8")
    elif split == "global_time":
        assert parts["train"]["timestamp"].max() < held_out["timestamp"].min()
    else:
        newest = parts["train"].group_by("user_id").agg(pl.col("timestamp").max().alias("newest"))
        assert (held_out.join(newest, on="user_id").select(pl.col("timestamp") >= pl.col("newest"))).to_series().all()
        assert split != "leave_last_out" or len(parts["test"]) == 60


def test_two_seeds_are_averaged(run_of: Callable[..., Path]) -> None:
    run = run_of("n_seeds=2", "trainer.max_epochs=1", "baselines=[ease]")
    metrics, per_user = read(run, "metrics.json"), pl.read_parquet(run / "per_user.parquet")
    first, second = metrics["seeds"]["2026"], metrics["seeds"]["2027"]
    assert first != second and read(run, "run.json")["seeds"] == [2026, 2027]
    assert metrics["models"]["fusion"] == pytest.approx({name: (first[name] + second[name]) / 2 for name in first})
    assert set(per_user.filter(model="fusion")["seed"]) == {2026, 2027} and set(per_user.filter(model="ease")["seed"]) == {2026}
    assert set(pl.read_parquet(run / "curves.parquet")["seed"]) == {2026, 2027}
    evaluated = {name: value for name, value in metrics["models"]["fusion"].items() if name.startswith("test/")}
    assert len(evaluated) == len(METRICS)
    lists, test = pl.read_parquet(run / "recommendations.parquet"), split_of(run)["test"]
    assert list(lists["seed"].unique(maintain_order=True)) == [2026, 2027]
    for seed, values in (("2026", first), ("2027", second)):
        assert recall_of(lists.filter(seed=int(seed)), test, 10) == pytest.approx(values["test/recall@10"])


def test_a_baseline_called_as_the_model_is_told_apart(run_of: Callable[..., Path], compose: Compose) -> None:
    target = "_target_: mmrec.models.popularity.popularity.Popularity, _partial_: true"
    run = run_of("~baselines", f"+baselines={{fusion: {{{target}}}, popularity: {{{target}}}}}", "trainer.max_epochs=1")
    metrics = read(run, "metrics.json")["models"]
    assert read(run, "run.json")["model"] == "fusion" and list(metrics) == ["fusion", "fusion (baseline)", "popularity"]
    assert metrics["fusion (baseline)"] == metrics["popularity"] != metrics["fusion"]
    assert evaluate(compose(f"run={run}", name="evaluate"))["test/ndcg@20"] == pytest.approx(metrics["fusion"]["test/ndcg@20"])


def leaves(value: object) -> Iterator[object]:
    """All that a container holds, containers included."""
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ():
        yield from leaves(child)


def test_checkpoints_hold_tensors_and_plain_values_only(run_of: Callable[..., Path]) -> None:
    folder = run_of() / "checkpoints" / "seed_2026"
    assert {path.name for path in folder.iterdir()} == {"epoch_0001_step_000000", "epoch_0002_step_000000", "best.json", "seconds.json"}
    for path in checkpoints_in(folder):
        state = read_checkpoint(path)
        assert all(isinstance(value, dict | list | tuple | set | Tensor | str | int | float | None) for value in leaves(state))
        assert not [name for name in state["state_dict"] if "features_" in name or "present" in name]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(run_of: Callable[..., Path], compose: Compose) -> None:
    whole, run = (run_of(f"trainer.max_epochs={n}", "selection.patience=9", "baselines=[recent_popularity,ease]") for n in (4, 2))
    before = pl.read_parquet(run / "curves.parquet").sort("metric", "epoch")
    overrides = [f"resume={run}", "trainer.max_epochs=4"]
    assert train(compose(*overrides), overrides) == run
    after, expected = (pl.read_parquet(folder / "curves.parquet").sort("metric", "epoch") for folder in (run, whole))
    assert after.filter(pl.col("epoch") < 2).equals(before)
    assert sorted(after.filter(metric="train/loss")["epoch"]) == [0, 1, 2, 3]
    assert after.equals(expected)
    for name in ("recommendations.parquet", "per_user.parquet"):
        ours, reached = (pl.read_parquet(folder / name) for folder in (run, whole))
        assert ours.equals(reached)
    assert read(run, "run.json")["weights_sha256"] == read(whole, "run.json")["weights_sha256"]


@pytest.mark.parametrize(
    "override", ["trainer.precision=bf16-mixed", "trainer.accumulate_grad_batches=2", "data_module.shared_negatives=false"]
)
def test_another_way_of_training_gives_other_weights_that_work(override: str, run_of: Callable[..., Path]) -> None:
    changed, plain = (load_file(run / "vectors.safetensors") for run in (run_of(override, "~baselines"), run_of()))
    assert not torch.equal(changed["items"], plain["items"]) and changed["items"].dtype == torch.float32
    value = read(run_of(override, "~baselines"), "metrics.json")["models"]["fusion"]["test/ndcg@20"]
    assert math.isfinite(value) and value > 0.15


def test_what_selects_cannot_see_the_test_rows(run_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fitted, tuned = [], []
    fit, tune = Trainer.fit, mmrec.experiment.tuning.choice_cache.tune

    def blind_fit(self: Trainer, task: object, datamodule: object, **options: object) -> None:
        hidden = (datamodule.split / "test.parquet").rename(datamodule.split / "hidden")
        fit(self, task, datamodule=datamodule, **options)
        hidden.rename(datamodule.split / "test.parquet")
        fitted.append(datamodule)
        assert not hasattr(datamodule, "test")

    def counting_tune(make: object, search: object, spec: DatasetSpec, valid: EvaluationSet, metric: str) -> object:
        tuned.append((len(spec.train), len(valid.positives.indices)))
        return tune(make, search, spec, valid, metric)

    monkeypatch.setattr(Trainer, "fit", blind_fit)
    monkeypatch.setattr(mmrec.experiment.tuning.choice_cache, "tune", counting_tune)
    run = run_of("trainer.max_epochs=1", f"paths.cache={tmp_path}", again=True)
    sizes = {part: len(rows) for part, rows in split_of(run).items()}
    assert len(fitted) == 1 and tuned == [(sizes["train"], sizes["valid"])] * 8
