"""`mmrec train task=search` and `mmrec search`, from files to a table, and what they refuse."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from safetensors.torch import load_file, save_file

import mmrec
from mmrec.cli.main import main
from mmrec.errors import ConfigError, DataError
from mmrec.serving.answer import Past, Wanted
from mmrec.serving.filters import Condition
from mmrec.serving.refusal import Refused

QUICK = ["trainer.max_epochs=2", "evidence.kg=false", "baselines.bm25.n_trials=2"]
PAIRS = {"lamp": 0, "warm light": 0, "lamp no": 0, "light": 0, "chair": 1, "soft seat": 1, "chair no": 1, "seat": 1, "warm": 0, "soft": 1}


@pytest.fixture(scope="module")
def shop(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop, with 60 queries for lamps and chairs: words, numbers, and spelling errors."""
    folder = tmp_path_factory.mktemp("queries") / "shop"
    folder.mkdir()
    for path in shop_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    rows = [
        (f"{text} {number}", f"i{20 * kind + (3 * number + row) % 20}", "named" if row % 2 else "other")
        for row, (text, kind) in enumerate(PAIRS.items())
        for number in range(6)
    ]
    rows += [(text, f"i{20 * kind + 1}", "named") for text, kind in PAIRS.items()]
    pl.DataFrame(rows, schema=["query", "item_id", "wording"], orient="row").write_csv(folder / "queries.csv")
    return folder


def words(shop: Path, shop_overrides: list[str], *more: str) -> list[str]:
    return ["task=search", *shop_overrides, f"data.path={shop}", *more]


@pytest.fixture(scope="module")
def run(shop: Path, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mmrec.train(*words(shop, shop_overrides, *QUICK), out=tmp_path_factory.mktemp("runs") / "run").folder


def search(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of `mmrec search`, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["mmrec", "search", *arguments])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_the_run_compares_the_model_with_its_baselines(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["models"]) == ["search_fusion", "popular_matches", "text_similarity", "bm25"]
    assert {"test/ndcg@10", "test/recall@10", "test/mrr@10"} <= set(metrics["models"]["search_fusion"])
    assert "users.wording" in metrics["slices"]["search_fusion"]
    split = {part: set(pl.read_parquet(run / "split" / f"{part}.parquet")["user_id"]) for part in ("train", "valid", "test")}
    assert not split["test"] & (split["train"] | split["valid"])  # the texts of test queries are unseen
    assert "search" in json.loads((run / "run.json").read_text())["chosen"]["2026"]


def test_the_run_answers_queries_from_its_folder_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = mmrec.open_run(run).search("lamp with warm  light", k=5)
    assert found.columns == ["query", "rank", "item_id", "score"]
    assert found["rank"].to_list() == [1, 2, 3, 4, 5] and found["score"].is_sorted(descending=True)
    assert sum(int(item[1:]) < 20 for item in found["item_id"]) >= 3
    several = mmrec.open_run(run).search(["lamp", "chair"], k=2)
    assert several["query"].to_list() == ["lamp", "lamp", "chair", "chair"]


def test_the_run_is_measured_again(run: Path) -> None:
    again = mmrec.evaluate(run)
    one = again.filter(metric="test/ndcg@10")
    assert one["mean"].item() == pytest.approx(one["reported"].item(), abs=1e-6)


@pytest.mark.slow
def test_who_asks_counts(shop: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder)
    queries = pl.read_csv(folder / "queries.csv")
    users = pl.format("u{}", pl.col("item_id").str.slice(1).cast(pl.Int64) // 20 * 30 + pl.int_range(pl.len()) % 30)
    queries.with_columns(user_id=users).write_csv(folder / "queries.csv")
    plain = words(folder, shop_overrides, *QUICK, "evidence.image=false", "task_data.search.personal=true")
    found = mmrec.train(*plain, out=tmp_path / "run")
    assert "weight_of_person" in json.loads((found.folder / "run.json").read_text())["chosen"]["2026"]["search"]
    assert found.search("warm", k=3, user="u3")["item_id"].len() == 3
    service = found.service()
    for user in ("u3", "u333"):  # the second is unknown, and gets what everyone gets
        answer = service.search("warm", Wanted(k=3), user)
        wanted = found.search("warm", k=3, **({"user": user} if user == "u3" else {}))
        assert [one.item_id for one in answer.items] == wanted["item_id"].to_list()
        assert ("of this user" in answer.reason) == (user == "u3")
    with pytest.raises(DataError, match="user: `u333` is not in the run; did you mean `u3"):
        found.search("warm", user="u333")
    again = mmrec.evaluate(found).filter(metric="test/ndcg@10")
    assert again["mean"].item() == pytest.approx(again["reported"].item(), abs=1e-6)


def test_who_asks_is_refused_by_a_run_that_is_the_same_for_everyone(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"is the same for everyone; `task_data\.search\.personal=true` trains one that knows who asks"):
        mmrec.open_run(run).search("lamp", user="u3")


def test_a_picture_is_a_query(run: Path, shop: Path) -> None:
    """The encoder is untrained, and may find all pictures of lamps alike."""
    found = mmrec.open_run(run).search(image=shop / "i3.jpg", k=100)
    assert found.filter(item_id="i3")["score"].item() == pytest.approx(1, abs=1e-4) and found["score"].max() < 1 + 1e-4
    assert found["query"].unique().to_list() == [str(shop / "i3.jpg")]
    assert set(found["item_id"]) == {f"i{item}" for item in range(40) if item % 10 != 8}  # the others have no picture


def test_the_service_searches_as_the_run_does(run: Path, shop: Path) -> None:
    opened = mmrec.open_run(run)
    service, picture = opened.service(), (shop / "i3.jpg").read_bytes()
    wanted, found = opened.search("lamp with warm  light", k=5), service.search("lamp with warm  light", Wanted(k=5))
    assert [one.item_id for one in found.items] == wanted["item_id"].to_list() and found.items[0].title
    assert [one.score for one in found.items] == pytest.approx(wanted["score"].to_list(), abs=1e-5)
    alike, wanted = service.search(picture, Wanted(k=40)), opened.search(image=shop / "i3.jpg", k=40)
    assert {one.item_id: one.score for one in alike.items} == pytest.approx(dict(wanted.select("item_id", "score").iter_rows()), abs=1e-4)
    chairs = service.search("lamp with warm light", Wanted(k=5, filters=[Condition("genre", ("chair",))]))
    assert len(chairs.items) == 5 and all(one.title.startswith("chair") for one in chairs.items)
    assert service.search("xqzvwk pqj", Wanted()).items == []
    with pytest.raises(Refused, match="q: expected at most 1,000 characters, found 10,000"):
        service.search("a" * 10_000, Wanted())
    with pytest.raises(Refused, match="cannot be used"):
        service.search(b"no picture", Wanted())
    popular = service.recommend_to_history([Past("i1")], Wanted(k=3))
    assert popular.reason == "popular now, since the model only answers queries" and len(popular.items) == 3
    assert service.recommend("lamp", Wanted(k=3)).reason.startswith("popular now")  # a query is no user
    assert "all" not in service.about().similarities and not service.about().places_items


def test_the_command_prints_a_table(run: Path, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = search(monkeypatch, capsys, f"run={run}", "lamp", "light", "k=2")
    assert code == 0 and "for lamp light" in printed and printed.count("│ i") == 2
    code, printed = search(monkeypatch, capsys, f"run={run}", f"image={shop / 'i25.jpg'}", "k=40")
    assert code == 0 and "i25" in printed


def damaged_picture(folder: Path) -> Path:
    path = folder / "no_picture.jpg"
    path.write_text("this is text")
    return path


REFUSED: list[tuple[Callable[[Path], list[str]], str]] = [
    (lambda _: [" "], "query: expected some words, found none"),
    (lambda _: ["xqzvwk pqj"], "query: expected a word that items or training queries have, found none in `xqzvwk pqj`"),
    (lambda _: ["a" * 100_000], "query: expected at most 1,000 characters, found 100,000"),
    (lambda folder: [f"image={damaged_picture(folder)}"], "no_picture.jpg: expected a picture: "),
    (lambda folder: [f"image={folder / 'nothing.jpg'}"], "nothing.jpg does not exist, or is no file"),
    (lambda folder: ["lamp", f"image={folder / 'nothing.jpg'}"], "expected a query or a picture: mmrec search run="),
    (lambda _: [], "expected a query or a picture: mmrec search run="),
    (lambda folder: [f"image={folder / 'nothing.jpg'}", "user=u3"], "user: a picture is compared for everyone alike"),
    (lambda _: ["lamp", "k=0"], "k: expected at least 1, found 0"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[said[:30] for _, said in REFUSED])
def test_what_cannot_be_answered_is_refused_in_one_message(
    run: Path,
    tmp_path: Path,
    arguments: Callable[[Path], list[str]],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, printed = search(monkeypatch, capsys, f"run={run}", *arguments(tmp_path))
    assert code == 2 and said in printed and "Traceback" not in printed
    assert len(printed) < 1500


def test_pictures_and_what_is_damaged(run: Path, shop: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    tensors = load_file(copy / "search.safetensors")
    save_file({name: one for name, one in tensors.items() if not name.startswith("pictures")}, copy / "search.safetensors")
    with pytest.raises(ConfigError, match="was trained without pictures of items"):
        mmrec.open_run(copy).search(image=shop / "i3.jpg")
    save_file({name: one for name, one in tensors.items() if name != "bias"}, copy / "search.safetensors")
    with pytest.raises(DataError, match=r"search\.safetensors: expected `bias`, found none"):
        mmrec.open_run(copy).search("lamp")
    save_file(tensors | {"bias": tensors["bias"][1:].clone()}, copy / "search.safetensors")
    with pytest.raises(DataError, match=r"search\.safetensors: expected entries of 40 items"):
        mmrec.open_run(copy).search("lamp")
    (copy / "search.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match=r"search\.safetensors: the file is damaged"):
        mmrec.open_run(copy).search("lamp")
    (copy / "search.json").write_text('{"kind": "Other", "encoders": {}}')
    with pytest.raises(DataError, match="`kind`: expected BM25, FusedSearch, PopularMatches, TextSimilarity, found `Other`"):
        mmrec.open_run(copy).search("lamp")


def test_a_fitted_model_can_be_searched_and_a_run_that_ranks_cannot(shop: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    plain = [word for word in words(shop, shop_overrides, "baselines=none") if not word.startswith(("model.", "task.", "optimizer."))]
    fitted = mmrec.train(*plain, "model=bm25", "~model.space", out=tmp_path / "bm25")
    assert fitted.search("lamp", k=1)["item_id"].item() in {f"i{item}" for item in range(20)}
    with pytest.raises(ConfigError, match="its model answers search queries instead of recommending; use `search`"):
        fitted.recommend("lamp")
    ranks = mmrec.train(*(word for word in plain if word != "task=search"), "model=popularity", out=tmp_path / "ranks")
    with pytest.raises(ConfigError, match="does not answer search queries; `mmrec train task=search` trains one that does"):
        ranks.search("lamp")


def test_new_items_are_held_out_with_all_that_is_known_of_them(shop: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    plain = [word for word in words(shop, shop_overrides, "baselines=none") if not word.startswith(("model.", "task.", "optimizer."))]
    run = mmrec.train(*plain, "split=cold_item", "model=popular_matches", out=tmp_path / "run").folder
    parts = {part: set(pl.read_parquet(run / "split" / f"{part}.parquet")["item_id"]) for part in ("train", "valid", "test")}
    assert parts["test"] and not parts["test"] & parts["train"]


def test_data_without_queries_are_refused(shop_folder: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task=search learns from queries, and the data have none; add a table queries\.csv"):
        mmrec.train(*words(shop_folder, shop_overrides), out=tmp_path / "run")


def test_a_model_that_ranks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EASE predicts ranks, and SearchTask needs a model that predicts matches"):
        mmrec.train("task=search", "model=ease", "data=folder", f"data.path={tmp_path / 'nothing'}")
