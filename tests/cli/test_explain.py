"""`mmrec explain` and `Run.explain` on a real small run: findings agree with the model, and mistakes are one message."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

import mmrec
from mmrec.cli.explain import explain
from mmrec.cli.train import train
from mmrec.config.check import check
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run.run import Run
from mmrec.schemas import ExplainConfig
from tests.explain.statements import unsupported

Compose = Callable[..., DictConfig]
EVIDENCE = {"collaborative", "text", "image", "kg"}


@pytest.fixture(scope="module")
def run(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run") / "one"
    return mmrec.open_run(train(compose(*shop_overrides, "baselines=none", "trainer.max_epochs=1", f"run_dir={folder}")))


def test_findings_agree_with_the_model(run: Run, shop_folder: Path) -> None:
    best, scores = run.recommend("u3", k=4), run.score("u3", run.items["item_id"])["score"]
    found = run.explain("u3", k=4)
    assert [one.item_id for one in found] == best["item_id"].to_list() and [one.rank for one in found] == [1, 2, 3, 4]
    assert [one.score for one in found] == pytest.approx(best["score"].to_list(), abs=1e-4)
    facts = set(pl.read_csv(shop_folder / "triples.csv").rows())
    train = pl.read_parquet(run.folder / "split" / "train.parquet").filter(user_id="u3")["item_id"].to_list()
    for one in found:
        assert {reason.modality for reason in one.evidence} == EVIDENCE
        assert sum(reason.value for reason in one.evidence) == pytest.approx((one.score - scores.mean()) / scores.std(ddof=0), abs=1e-3)
        assert sum(reason.share for reason in one.evidence) == pytest.approx(1.0)
        assert {reason.item_id for reason in (*one.history, *one.removed)} <= set(train)
        for path in one.paths:
            assert path.item_id in train
            for source, relation, target in zip(path.entities, path.relations, path.entities[1:], strict=False):
                assert (source, relation, target) in facts or (target, relation.removeprefix("^"), source) in facts
        assert one.sentences and not list(unsupported(one, "en"))


def test_without_the_removed_items_the_item_is_not_in_the_list(run: Run) -> None:
    found = [one for user in ("u3", "u33", "u40") for one in run.explain(user, k=3) if one.removed]
    assert found
    for one in found:
        train = pl.read_parquet(run.folder / "split" / "train.parquet").filter(user_id=one.user_id)["item_id"].to_list()
        seen = {*train, *(item for part in ("valid", "test") for item in had(run, part, one.user_id))}
        shorter = [item for item in train if item not in {gone.item_id for gone in one.removed}]
        others = [item for item in run.items["item_id"] if item not in seen]
        listed = run.recommend(histories=[shorter], k=3, candidates=others)["item_id"].to_list()
        assert one.item_id not in listed
        assert one.replacement is not None and one.replacement.item_id in listed


def had(run: Run, part: str, user: str) -> list[str]:
    return pl.read_parquet(run.folder / "split" / f"{part}.parquet").filter(user_id=user)["item_id"].to_list()


def test_the_command_prints_reasons_and_sentences_in_two_languages(compose: Compose, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    item = run.recommend("u3", k=1)["item_id"][0]
    found = explain(compose(f"run={run.folder}", "user=u3", f"item={item}", "language=zh", name="explain"))
    out = capsys.readouterr().out
    assert not list(unsupported(found[0], "zh"))
    assert len(found) == 1 and found[0].sentences[0] in out.replace("\n", "") and "attention" in out and "evidence" in out


def test_a_model_of_one_kind_of_evidence_is_explained_by_the_history(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    own = [one for one in shop_overrides if not one.startswith(("model.", "text_encoder", "image_encoder", "encoders."))]
    own += ["evidence.text=false", "evidence.image=false", "model=ease", "baselines=none", f"run_dir={tmp_path / 'run'}"]
    found = mmrec.open_run(train(compose(*own))).explain("u3", k=2)
    assert all(one.evidence == () and one.paths == () and one.history for one in found)


def test_mistakes_are_one_message(run: Run, compose: Compose) -> None:
    with pytest.raises(ConfigError, match=r"item: user u3 has had `i\d+`"):
        run.explain("u3", had(run, "test", "u3")[0])
    with pytest.raises(DataError, match="item: `i444` is not in the run; did you mean `i"):
        run.explain("u3", "i444")
    with pytest.raises(DataError, match="user: `u333` is not in the run"):
        run.explain("u333")
    with pytest.raises(ConfigError, match=r"language: .*found `fr`"):
        run.explain("u3", language="fr")
    with pytest.raises(ConfigError, match="k: expected at least 1, found 0"):
        check(compose("run=x", "user=u3", "k=0", name="explain"), ExplainConfig)
    with pytest.raises(ConfigError, match="k: expected at least 1, found 0"):
        run.explain("u3", k=0)
