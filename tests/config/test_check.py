"""Every file of conf/ composes and binds; `check` finds what is wrong, all of it at once, and builds nothing."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf, open_dict

from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.config.evidence import check_evidence
from mmrec.config.values import plain
from mmrec.data.folder.expected_tables import TABLES
from mmrec.data.folder.settings import Layout
from mmrec.data.sources.amazon import Files
from mmrec.errors import ConfigError
from mmrec.schemas import EvaluateConfig, PretrainConfig, RecommendConfig, TrainConfig, UpdateConfig
from mmrec.schemas.register import SCHEMAS

CONF = Path(__file__).resolve().parents[2] / "conf"
CHOICES = sorted(str(path.relative_to(CONF).with_suffix("")) for path in CONF.glob("*/*.yaml"))
VERBS = {
    "train": [],
    "pretrain": [],
    "graph": [],
    "check": ["data.path=here"],
    "describe": ["data.path=here"],
    "ingest": ["data.path=here", "output=there"],
    "evaluate": ["run=runs/one"],
    "recommend": ["run=runs/one", "user=42"],
    "explain": ["run=runs/one", "user=42"],
    "chat": ["run=runs/one", "user=42"],
    "search": ["run=runs/one", "query=lamp"],
    "update": ["run=runs/one", "out=runs/two", "data.path=week"],
    "leaderboard": [],
    "export_events": ["store=sqlite:///events.db", "out=interactions.parquet"],
    "serve": [],
    "key": ["file=keys.jsonl", "name=shop"],
}
OF_LEADERBOARD = "board/"
OF_OTHER_VERBS = {
    "attack": ("evaluate", EvaluateConfig),
    "pretrain": ("pretrain", PretrainConfig),
    "rerank": ("recommend", RecommendConfig),
    "update": ("update", UpdateConfig),
}
OPTIONAL = {"logger/wandb": "wandb", "logger/mlflow": "mlflow"}
Compose = Callable[..., DictConfig]


def problems(cfg: DictConfig, schema: type = TrainConfig) -> list[str]:
    """The lines of the one error that `check` raises."""
    with pytest.raises(ConfigError) as caught:
        check(cfg, schema)
    return str(caught.value).split("\n")


def changed(cfg: DictConfig, key: str, value: Any) -> DictConfig:
    """The same with one more or one other value, past the schema."""
    with open_dict(cfg):
        OmegaConf.update(cfg, key, value, force_add=True)
    return cfg


def test_files_are_found() -> None:
    assert {"fusion/attention", "split/cold_item", "trainer/ddp", "ablation/no_text"} <= set(CHOICES)


@pytest.mark.slow
@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith(OF_LEADERBOARD)])
def test_every_board_composes_and_so_do_its_runs(choice: str, compose: Compose) -> None:
    board = compose(f"board={choice.removeprefix(OF_LEADERBOARD)}", name="leaderboard").board
    assert f"{OF_LEADERBOARD}{board.name}" == choice
    for data in board.data.values():
        for model in board.models.values():
            cfg = compose(*data, f"split={board.splits[0]}", f"baselines={board.baselines}", *model)
            assert set(OmegaConf.missing_keys(cfg)) <= {"data.path"}


@pytest.mark.slow
@pytest.mark.parametrize("choice", [choice for choice in CHOICES if not choice.startswith(OF_LEADERBOARD)])
def test_every_choice_composes_and_binds(choice: str, compose: Compose) -> None:
    group, name = choice.split("/")
    if choice in OPTIONAL and importlib.util.find_spec(OPTIONAL[choice]) is None:
        pytest.skip(f"{OPTIONAL[choice]} is not installed")
    verb, schema = OF_OTHER_VERBS.get(group, ("train", TrainConfig))
    cfg = compose(f"{group}=[{name}]" if group in ("ablation", "baselines") else f"{group}={name}", name=verb)
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "here")
    check(cfg, schema)
    if group in cfg and "_target_" in (cfg[group] if verb == "train" else {}):
        assert cfg[group]._target_ == OmegaConf.load(CONF / f"{choice}.yaml").get("_target_", cfg[group]._target_)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_says_what_it_is(choice: str) -> None:
    lines = (CONF / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
    said = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert said.startswith("# ") and len(said) > 10


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_composes_with_its_schema(verb: str, compose: Compose) -> None:
    check(compose(*VERBS[verb], name=verb), SCHEMAS[verb])


def test_every_primary_config_is_tested() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} - {"quiet"} == set(VERBS)


def test_a_model_of_the_field_brings_how_it_is_trained_and_the_person_has_the_last_word(compose: Compose) -> None:
    brought = plain(compose("model=lattice"))
    assert brought["loss"]["_target_"] == "mmrec.losses.bpr" and brought["optimizer"]["_target_"] == "torch.optim.Adam"
    assert (brought["data_module"]["batch_of"], brought["data_module"]["n_negatives"]) == ("interactions", 1)
    said = ["loss=sampled_softmax", "optimizer.lr=0.5", "data_module.batch_size=7", "selection.patience=3", "model.n_neighbours=2"]
    cfg = plain(compose("model=lattice", "experiment=demo_shop", *said))
    assert cfg["loss"]["_target_"] == "mmrec.losses.sampled_softmax" and cfg["optimizer"]["lr"] == 0.5 and cfg["n_seeds"] == 3
    assert (cfg["data_module"]["batch_size"], cfg["selection"]["patience"], cfg["model"]["n_neighbours"]) == (7, 3, 2)


def test_every_table_and_column_of_a_folder_has_a_key(compose: Compose) -> None:
    """A key that a file does not have cannot be given on the command line."""
    data = plain(compose("data=folder", "data.path=here", "data.columns.users.user_id=number", "data.tables.items=x.csv"))["data"]
    assert data["columns"]["users"] == {"user_id": "number"} and data["tables"]["items"] == "x.csv"
    assert Layout.__annotations__.keys() <= data.keys()
    known = {table: [column.name for column in columns] for table, columns in TABLES.items()}
    assert set(data["tables"]) == set(known)
    assert set(data["columns"]) == {*known, *(name for names in known.values() for name in names)}
    assert all(set(data["columns"][table]) == set(names) for table, names in known.items())


def test_ablations_combine(compose: Compose) -> None:
    cfg = compose("ablation=[no_text,no_kg]")
    assert plain(cfg)["evidence"] == {"collaborative": True, "text": False, "image": True, "kg": False, "user_text": False}


@pytest.mark.parametrize("modality", ["collaborative", "text", "image", "kg", "others"])
def test_ablations_change_only_the_evidence(modality: str, compose: Compose) -> None:
    full = plain(compose())
    without, alone = (plain(compose(f"ablation=[{kind}_{modality}]")) for kind in ("no", "only"))
    kept = {name: value and name != modality for name, value in full["evidence"].items()}
    assert without == full | {"evidence": kept, "further_evidence": modality != "others"}
    assert alone == full | {"evidence": {name: name == modality for name in full["evidence"]}, "further_evidence": modality == "others"}


def test_an_unknown_argument_is_named_with_the_nearest(compose: Compose) -> None:
    assert problems(compose("+fusion.n_layer=2")) == ["fusion.n_layer: AttentionFusion takes no `n_layer`; did you mean `n_layers`?"]


def test_an_unknown_argument_two_levels_down(compose: Compose) -> None:
    (found,) = problems(compose("+baselines.ease.space.regularisation=[1.0]"))
    assert found == "baselines.ease.regularisation: EASE takes no `regularisation`; did you mean `regularization`?"


def test_an_unknown_argument_of_a_part_that_is_tuned(compose: Compose) -> None:
    found = problems(
        compose("baselines=[lightgcn]", "+baselines.lightgcn.space.model.n_layer=[1]", "+baselines.lightgcn.space.nowhere={x:[1]}")
    )
    assert found[1] == "baselines.lightgcn.model.n_layer: LightGCNRecommender takes no `n_layer`; did you mean `n_layers`?"
    assert found[0] == "baselines.lightgcn.space.nowhere: expected a list of choices or [low, high, scale], found `{'x': [1]}`"


def test_an_unknown_key_of_the_schema_is_found_at_any_depth(compose: Compose) -> None:
    cfg = changed(changed(compose(), "selection.patients", 3), "bach_size", 3)
    assert problems(cfg)[:2] == [
        "selection.patients: there is no such key; did you mean `patience`?",
        next(line for line in problems(cfg) if line.startswith("bach_size: there is no such key; ")),
    ]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.embedding_dim=big", "model.embedding_dim", "big"),
        ("model.embedding_dim=6.5", "model.embedding_dim", "6.5"),
        ("model.embedding_dim=true", "model.embedding_dim", "True"),
        ("fusion.dropout=none", "fusion.dropout", "none"),
        ("data_module.shared_negatives=3", "data_module.shared_negatives", "3"),
        ("task.ks=10", "task.ks", "10"),
        ("task.ks=[10,x]", "task.ks", "[10, 'x']"),
        ("encoders.text.cache=3", "encoders.text.cache", "3"),
        ("baselines.ease.space.regularization=[1.0,x]", "baselines.ease.regularization", "x"),
        ("baselines.lightgcn.space.model.n_layers=[1,x]", "baselines.lightgcn.model.n_layers", "x"),
        ("baselines.ease.n_trials=0", "baselines.ease.n_trials", "0"),
        ("baselines.ease.n_trials=null", "baselines.ease.n_trials", "None"),
    ],
)
def test_a_wrong_type_is_told_with_the_value(override: str, key: str, value: str, compose: Compose) -> None:
    (found,) = problems(compose("baselines=all", override))
    assert found.startswith(f"{key}: expected ") and found.endswith(f", found `{value}`")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("item_knn.space.n_neighbors=[1,9,linear]", "item_knn.n_neighbors: expected int, found `1.0`"),
        (
            "ease.space.regularization=[9.0,1.0,log]",
            "ease.space.regularization: expected a low end above 0 below the high end, found 9.0 and 1.0",
        ),
        (
            "ease.space.regularization=[1.0,9.0,exp]",
            "ease.space.regularization: expected one of log, linear, int as the scale of a range, found `exp`",
        ),
        ("ease.space.regularization=[]", "ease.space.regularization: expected a list of choices or [low, high, scale], found `[]`"),
        ("ease.space=3", "ease.space: expected a list of values for each key, found `3`"),
    ],
)
def test_a_range_is_checked_as_what_it_gives(override: str, expected: str, compose: Compose) -> None:
    assert problems(compose(f"baselines.{override}"))[0] == f"baselines.{expected}"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "torch.load",
        "torch.hub.load",
        "mmrec.files.storage.os.system",  # reached through an allowed module
        "mmrec.experiment.run_folder.record.subprocess.run",
        "mmrec.files.storage.hashlib",
        "mmrec.experiment.run_folder.record.version",
        "lightning.pytorch.trainer.trainer.os.system",
        "mmrec.config.instantiate",
        "mmrec.config.import_module",
        "mmrec.experiment.run_folder.record._git",  # ours, and runs programs
        "mmrec.files.wheels.run_pip",
        "mmrec.files.download.download",
        "mmrec.files.archives.extract",
        "mmrec.files.storage.write_text",
        "mmrec.nn.encoders.image._download",
        "mmrec.cli.train.__builtins__.eval",
        "mmrec.files.storage.__name__",
        "mmrec.data",
        "mmrec",
        "",
        None,
        7,
        ["mmrec.losses.bpr"],
    ],
)
def test_a_target_outside_of_the_allowlist_is_refused(target: Any, compose: Compose) -> None:
    found = problems(changed(compose(), "loss._target_", target))
    assert len(found) == 1 and found[0].startswith("loss._target_: ")


def test_a_nested_target_is_refused_too(compose: Compose) -> None:
    cfg = changed(compose(), "trainer.plugins", [{"_target_": "os.system", "command": "true"}])
    assert any(line.startswith("trainer.plugins[0]._target_: a configuration must not build `os.system`") for line in problems(cfg))


def test_a_target_of_an_interpolation_is_refused_too(compose: Compose) -> None:
    assert problems(changed(changed(compose(), "optimizer.foo", "os.system"), "loss._target_", "${optimizer.foo}"))


def test_a_misspelt_target_names_the_nearest(compose: Compose) -> None:
    assert problems(changed(compose(), "loss._target_", "mmrec.losses.bqr")) == [
        "loss._target_: `mmrec.losses` has no `bqr`; did you mean `bpr`?"
    ]
    (found,) = problems(changed(compose(), "loss._target_", "mmrec.lossess.bpr"))
    assert found.startswith("loss._target_: a configuration must not build `mmrec.lossess.bpr`") and found.endswith(
        "; did you mean `mmrec.losses`?"
    )
    (found,) = problems(changed(compose(), "loss._target_", "mmrec.losses.no.such.bpr"))
    assert found.startswith("loss._target_: `mmrec.losses.no.such` cannot be imported: ")


def test_a_target_of_another_package_is_built_once_the_command_line_trusts_it(compose: Compose) -> None:
    """Of the package itself alone: what it imports from elsewhere stays refused."""
    (found,) = problems(changed(compose(), "loss._target_", "fractions.Fraction"))
    assert found.endswith("add on the command line: trusted_packages=[fractions]")
    check(changed(compose("trusted_packages=[fractions]", "~loss.temperature"), "loss._target_", "fractions.Fraction"), TrainConfig)
    (found,) = problems(changed(compose("trusted_packages=[fractions]"), "loss._target_", "fractions.Decimal"))
    assert found.startswith("loss._target_: a configuration must not build `fractions.Decimal`") and "it comes from `decimal`" in found
    assert problems(compose("trusted_packages=['no such']")) == ["trusted_packages: expected names of Python packages, found `no such`"]


def test_a_mandatory_value_that_is_missing(compose: Compose) -> None:
    assert problems(compose("data=folder")) == ["data.path: a value is required; set it as `data.path=…`"]
    assert problems(compose(name="recommend"), SCHEMAS["recommend"]) == [
        "run: a value is required; set it as `run=…`",
        "user: a value is required; set it as `user=…`",
    ]


def test_an_argument_that_is_missing(compose: Compose) -> None:
    found = problems(compose("text_encoder=bert_base", "~encoders.text.path_or_name"))
    assert found == ["encoders.text.path_or_name: BertTextEncoder requires it"]


def test_keys_and_types_of_a_folders_layout_are_checked(compose: Compose) -> None:
    """They come as `**layout`, typed by a TypedDict."""
    cfg = compose("data=folder", "data.path=here", "+data.text_colums=[title]", "data.text_columns=title", "data.image_column=7")
    assert problems(cfg) == [
        "data.text_colums: read_folder takes no `text_colums`; did you mean `text_columns`?",
        "data.text_columns: expected list[str] | None, found `title`",
        "data.image_column: expected str | None, found `7`",
    ]


def test_a_node_of_its_own_is_checked_and_built(compose: Compose) -> None:
    chosen = ("data=amazon_reviews", "data.category=Toys")
    assert build(compose(*chosen, "data.files.folder=here"), "data.files") == Files("here")
    assert problems(compose(*chosen, "data.files=here")) == ["data.files: expected Files, found `here`"]
    assert problems(compose(*chosen, "data.files.folder=[here]")) == ["data.files.folder: expected str | None, found `['here']`"]


def test_all_problems_are_listed_together(compose: Compose) -> None:
    cfg = changed(compose("+fusion.n_layer=2", "model.embedding_dim=big"), "loss._target_", "os.system")
    keys = {line.split(": ")[0] for line in problems(changed(cfg, "selection.patients", 3))}
    assert keys == {"fusion.n_layer", "model.embedding_dim", "loss._target_", "selection.patients"}


def test_a_missing_value_hides_no_other_problem(compose: Compose) -> None:
    keys = [line.split(": ")[0] for line in problems(compose("data=folder", "+fusion.n_layer=2"))]
    assert keys == ["data.path", "fusion.n_layer"]


def test_a_value_that_does_not_resolve_is_a_message(compose: Compose) -> None:
    (found,) = problems(changed(compose(), "fusion.n_heads", "${nowhere}"))
    assert found == "fusion.n_heads: Interpolation key 'nowhere' not found"


@pytest.mark.parametrize("line", ["bach_size: 3", "selection: {patients: 3}", "seed: many"])
def test_a_wrong_key_in_an_experiment_file_fails(line: str, tmp_path: Path, compose: Compose) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{line}\n")
    with pytest.raises(ConfigCompositionException):
        check(compose("experiment=mine", searchpath=(tmp_path,)), TrainConfig)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evidence: {audio: true}", "evidence.audio: there is no such key; "),
        ("evidence: {others: false}", "evidence.others: it has been renamed to `further_evidence`"),
        (
            "encoders: {reviews: {_target_: mmrec.nn.encoders.text.minilm, cache: x, max_length: 9}}",
            "encoders.reviews: there is no such key",
        ),
        ("encoders: {text: 3}", "encoders.text: expected an encoder with its `_target_`, found `3`"),
    ],
)
def test_evidence_that_the_data_cannot_have_is_refused_before_they_are_read(line: str, said: str, tmp_path: Path, compose: Compose) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{line}\n")
    cfg = compose("experiment=mine", searchpath=(tmp_path,))
    with pytest.raises(ConfigError, match=f"^{said}"):
        check_evidence(cfg)


def test_an_experiment_file_of_ones_own_is_used(tmp_path: Path, compose: Compose) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndefaults: [{override /fusion: gated}]\nn_seeds: 3\n")
    cfg = compose("experiment=mine", searchpath=(tmp_path,))
    check(cfg, TrainConfig)
    assert cfg.n_seeds == 3 and cfg.fusion._target_.endswith("GatedFusion")


def test_checking_builds_nothing_and_imports_no_encoder_weights(compose: Compose, tmp_path: Path) -> None:
    cfg = compose("data=folder", f"data.path={tmp_path / 'absent'}", "image_encoder=tiny_clip", f"paths.cache={tmp_path / 'cache'}")
    check(cfg, TrainConfig)
    assert not list(tmp_path.iterdir())


def test_a_refused_value_names_its_key(compose: Compose) -> None:
    with pytest.raises(ConfigError, match=r"^encoders.image: .*nowhere"):
        build(changed(compose(), "encoders.image._target_", "nowhere.at_all"), "encoders.image")
