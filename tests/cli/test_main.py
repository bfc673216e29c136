"""The `mmrec` command as a person meets it: what it says, on which stream, and with which exit code."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import mmrec
from mmrec.cli.main import PLAIN_VERBS, VERBS, main
from mmrec.tasks.ranking import RankingTask

FOLDER = ["train", "data=folder"]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """`command(*arguments)` in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # main sets it; this puts it back

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mmrec", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """`refused(*arguments)`: the message of a command that must end with code 2 and nothing but it."""

    def run(*arguments: str) -> str:
        code, out, err = command(*arguments)
        assert code == 2 and not out
        assert "Traceback" not in err and ".py:" not in err and "HYDRA" not in err and "site-packages" not in err
        return err.strip()

    return run


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_verb(arguments: list[str], command: Command) -> None:
    code, out, err = command(*arguments)
    assert code == 0 and not err
    assert all(f"  mmrec {verb} " in out for verb in (*VERBS, *PLAIN_VERBS)) and mmrec.__version__ in out


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"{mmrec.__version__}\n", "")


@pytest.mark.parametrize("verb", [*VERBS, *PLAIN_VERBS])
def test_help_of_a_verb_lists_the_choices(verb: str, command: Command) -> None:
    code, out, _ = command(*verb.split(), "--help")
    assert code == 0
    assert "Traceback" not in out
    if verb == "train":
        assert "attention" in out and "leave_last_out" in out
    if verb in ("data init", "data check", "data describe"):
        assert f"usage: mmrec {verb}" in out and "PATH" in out and "Hydra" not in out
    if verb == "compare":
        assert "--metric" in out and "--output" in out


def test_cfg_job_shows_the_configuration(command: Command) -> None:
    code, out, _ = command("train", "fusion=gated", "--cfg", "job")
    assert code == 0 and "mmrec.nn.fusion.gated.GatedFusion" in out and "n_seeds: 1" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "evidence.text=a, b"], "mmrec: Ambiguous value for argument 'evidence.text=a, b'"),
        (["trian"], "mmrec: there is no `mmrec trian`; did you mean `train`?"),
        (
            ["--data=x"],
            "mmrec: there is no `mmrec --data=x`; choose from `chat`, `compare`, `completion`, `data check`, `data describe`, ",
        ),
        (["data"], "mmrec: there is no `mmrec data`; did you mean `data init`?"),
        (["data", "chekc", "x"], "mmrec: there is no `mmrec data chekc`; did you mean `data check`?"),
        (["data", "check"], "mmrec: expected a folder or data=…: mmrec data check my_shop/"),
        (["data", "check", "shop"], "mmrec: shop does not exist; "),
        (["data", "check", "x", "--jsn", "y"], "mmrec: --jsn: there is no such option; did you mean `--json`?"),
        (["data", "check", "x", "columns.item_id=y"], "mmrec: columns: there is no such key; did you mean `data.columns`?"),
        (
            ["data", "check", "x", "data.columns.itemid=y"],
            "mmrec: data.columns.itemid: there is no such key; did you mean `data.columns.item_id`",
        ),
        (["data", "describe", "x", "examples=-1"], "mmrec: examples: expected at least 0, found -1"),
        (["data", "describe", "shop"], "mmrec: shop does not exist; "),
        (["data", "init", "shop"], "mmrec: shop does not exist; "),
        (["data", "init", "--forec", "x"], "mmrec: --forec: there is no such option; did you mean `--force`?"),
        (["data", "grap"], "mmrec: there is no `mmrec data grap`; did you mean `data graph`?"),
        (["train", "fusion.n_layer=2"], "mmrec: fusion.n_layer: there is no such key; did you mean `fusion.n_layers`?"),
        (["train", "sede=3"], "mmrec: sede: there is no such key; did you mean `seed`?"),
        (["train", "model.embeding_dim=3"], "mmrec: model.embeding_dim: there is no such key; did you mean `model.embedding_dim`?"),
        (["train", "+bach_size=3"], "mmrec: bach_size: there is no such key; choose from `auxiliary`, "),
        (["train", "evidence.txt=false"], "mmrec: evidence.txt: there is no such key; did you mean `evidence.text`?"),
        (["train", "evidence.others=false"], "mmrec: evidence.others: it has been renamed to `further_evidence`"),
        (["train", "further_evidence=rewired"], "mmrec: further_evidence: `rewired` is not a valid value; choose from `false`, `noise`"),
        (["train", "text_encoder.max_length=9"], "mmrec: text_encoder.max_length: it has been renamed to `encoders.text.max_length`"),
        (["train", "+image_encoder.revision=x"], "mmrec: image_encoder"),
        (["train", "encoders.txet._target_=x"], "mmrec: encoders.txet._target_: expected package.module.Name, found `x`"),
        (["train", "~fusion.n_layer"], "mmrec: fusion.n_layer: there is no such key; did you mean `fusion.n_layers`?"),
        (["train", "fusion=atention"], "mmrec: fusion: there is no choice `atention`; did you mean `attention`?"),
        (["train", "fusion=3"], "mmrec: fusion: there is no choice `3`; choose from `attention`, `concat`, `gated`, `mean`"),
        (["train", "splitt=cold_item"], "mmrec: splitt: there is no such key; did you mean `split`?"),
        (["train", "ablation=[no_txt]"], "mmrec: ablation: there is no choice `no_txt`; did you mean `no_text`?"),
        (["train", "model.embedding_dim=big"], "mmrec: model.embedding_dim: expected int, found `big`"),
        (["train", "data=folder"], "mmrec: data.path: a value is required; set it as `data.path=…`"),
        (
            ["train", "evidence.text=maybe"],
            "mmrec: evidence.text: `maybe` is not a valid value; choose from `false`, `noise`, `shuffled`, `true`",
        ),
        (["train", "evidence.image=shufled"], "mmrec: evidence.image: `shufled` is not a valid value; did you mean `shuffled`?"),
        (["train", "evidence.text=rewired"], "mmrec: evidence.text: `rewired` is not a valid value; choose from "),
        (
            ["train", "evidence.collaborative=maybe"],
            "mmrec: evidence.collaborative: `maybe` is not a valid value; choose from `false`, `true`",
        ),
        (["train", "seed=many"], "mmrec: seed=many: Value 'many' of type 'str' could not be converted to Integer"),
        (["train", "loss._target_=os.system"], "mmrec: loss._target_: a configuration must not build `os.system`"),
        (["train", "n_seeds=0"], "mmrec: n_seeds: expected at least 1, found 0"),
        (["train", "selection.metric=test/ndcg@20"], "mmrec: selection.metric: `test/ndcg@20` is not computed on the validation part"),
        (["train", "selection.metric=val/ndcg@5"], "mmrec: selection.metric: `val/ndcg@5` is not computed on the validation part"),
        (
            ["train", "resume=runs/none"],
            "mmrec: resume: expected the configuration of a run at runs/none/config.yaml, which does not exist",
        ),
        (["evaluate"], "mmrec: run: a value is required; set it as `run=…`"),
        (["evaluate", "run=runs/none"], "mmrec: run: runs/none does not exist"),
        (["compare", "runs/none", "runs/no"], "mmrec: run: runs/none does not exist"),
        (["compare", "runs/none"], "mmrec: compare: expected two run folders or more, found 1"),
        (["compare", "--outptu=x"], "mmrec: --outptu=x: there is no such option; did you mean `--output`?"),
        (["recommend", "run=runs/none", "user=3"], "mmrec: run: runs/none does not exist"),
        (["recommend", "run=runs/none", "usr=3"], "mmrec: usr: there is no such key; did you mean `user`?"),
    ],
)
def test_a_mistake_is_one_message(arguments: list[str], said: str, refused: Callable[..., str]) -> None:
    assert refused(*arguments).startswith(said)


@pytest.mark.parametrize("override", ["fusion", "task.ks=[a", "model={a:", "=3"])
def test_what_is_no_override_is_shown_and_told_how(override: str, refused: Callable[..., str]) -> None:
    assert refused("train", override).startswith(f"mmrec: `{override}` is not a valid override; expected key=value")


@pytest.mark.parametrize(
    "override",
    [
        "trainer.precision=33",
        "trainer.accelerator=abacus",
        "trainer.devices=0",
        "trainer.max_epochs=many",
        "optimizer.lr=-1",
        "fusion.n_heads=3",
        "data_module.batch_size=0",
        "data_module.n_negatives=0",
        "model.embedding_dim=0",
        "model.modality_dropout=2",
        "task.embedding_lr=-1.0",
        "task.ks=[]",
        "task.ks=[0]",
        "features.batch_size=0",
        "split.test_ratio=1.5",
        "encoders.text.pooling=max",
        "encoders.text.max_length=9999",
        "encoders.image.architecture=tinyclip",
        "data.columns={item:sku}",
        "data.image_column=picture",
    ],
)
def test_a_value_that_cannot_be_is_a_message_with_its_key(override: str, refused_after_reading: Callable[..., str]) -> None:
    group, _, key = override.partition("=")[0].partition(".")
    said = refused_after_reading(override)
    assert said.startswith(f"mmrec: {group}") and (key in said or group in ("trainer", "optimizer"))


@pytest.fixture
def refused_after_reading(command: Command, shop_overrides: list[str]) -> Callable[..., str]:
    """The last line on stderr of training on the small shop, which must end with code 2."""

    def run(*overrides: str) -> str:
        code, _, err = command("train", *shop_overrides, *overrides)
        assert code == 2 and "Traceback" not in err
        return err[err.rindex("mmrec: ") :]

    return run


def test_a_column_for_the_graph_that_is_missing_names_the_nearest(refused_after_reading: Callable[..., str]) -> None:
    assert refused_after_reading("graph.item_columns=[genres]").endswith("did you mean `genre`?\n")


def test_a_folder_that_is_not_there_names_the_nearest(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "my_shop").mkdir()
    said = refused(*FOLDER, "data.path=my_shp")
    assert "my_shp" in said and "my_shop" in said


def test_names_of_columns_and_modalities_are_open(refused: Callable[..., str], tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["a"], "sku": ["b"]}).write_csv(tmp_path / "interactions.csv")
    folder = [*FOLDER, f"data.path={tmp_path}"]
    assert "did you mean `audio.npy`?" not in refused(*folder, "data.columns.item_id=sku", "data.features.audio=adio.npy")
    (tmp_path / "audio.npy").touch()
    assert "did you mean `audio.npy`?" in refused(*folder, "data.columns.item_id=sku", "data.features.audio=adio.npy")
    assert "audio.npy: expected the items of its rows" in refused(
        *folder, "data.columns={item_id: sku}", "data.features={audio: audio.npy}"
    )


def test_a_column_that_is_missing_is_told_with_its_place(refused: Callable[..., str], tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "item_id": ["b"]}).write_csv(tmp_path / "interactions.csv")
    said = refused(*FOLDER, f"data.path={tmp_path}")
    assert "interactions.csv" in said and "`user_id`" in said and "`user`" in said


def test_a_value_that_cannot_be_read_is_told_with_its_line(refused: Callable[..., str], tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["a", "b"], "item_id": ["c", "d"], "timestamp": ["1", "noon"]}).write_csv(tmp_path / "interactions.csv")
    said = refused(*FOLDER, f"data.path={tmp_path}")
    assert "interactions.csv:3" in said and "timestamp" in said and "noon" in said


def test_a_split_that_needs_times_says_so(command: Command, tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["a", "b"], "item_id": ["c", "d"]}).write_csv(tmp_path / "interactions.csv")
    code, _, err = command(*FOLDER, f"data.path={tmp_path}", "split=user_time")
    assert code == 2 and "split=user_time needs a column `timestamp`" in err


def test_a_run_is_trained_evaluated_and_asked(command: Command, shop_overrides: list[str]) -> None:
    code, out, err = command("train", *shop_overrides, "baselines=[popularity,ease]", "evaluation.report=true", "run_dir=runs/one")
    assert code == 0 and "fusion" in out and "popularity" in out and "report: runs/one/report.html" in err
    code, out, _ = command("evaluate", "run=runs/one")
    assert code == 0 and "test/recall@20" in out
    code, out, _ = command("recommend", "run=runs/one", "user=u7", "k=3")
    assert code == 0 and "for user u7" in out and " 3 " in out and " 4 " not in out.replace("no 4 ", "")
    code, _, err = command("recommend", "run=runs/one", "user=u77")
    assert code == 2 and err.startswith("mmrec: user: `u77` is not in the run; did you mean `u")
    code, _, err = command("recommend", "run=runs/one", "user=u7", "k=0")
    assert code == 2 and err.startswith("mmrec: k: expected at least 1, found 0")
    code, _, err = command("evaluate", "run=runs/on")
    assert code == 2 and "runs/one" in err
    code, _, err = command("train", *shop_overrides, "run_dir=runs/one")
    assert code == 2 and err.startswith("mmrec: run_dir: runs/one holds a finished run")


def test_a_sweep_gives_one_run_each(command: Command, shop_overrides: list[str], tmp_path: Path) -> None:
    words = [*shop_overrides, "baselines=none", "trainer.max_epochs=1"]
    code, _, err = command("train", "-m", *words, "ablation=[],[no_text]")
    assert code == 0, err
    kept = sorted((tmp_path / "runs").glob("*/"), key=lambda run: run.stat().st_mtime_ns)
    assert len(kept) == 2 and not (tmp_path / "multirun.yaml").exists()
    assert ["text" in pl.read_parquet(run / "attention.parquet")["modality"] for run in kept] == [True, False]


def test_a_failing_run_of_a_sweep_leaves_the_others_theirs(command: Command, shop_overrides: list[str], tmp_path: Path) -> None:
    words = [*shop_overrides, "baselines=none", "evidence.text=false", "evidence.image=false", "trainer.max_epochs=1"]
    code, out, err = command("train", "-m", *words, "optimizer.lr=0.001,-1,0.01")
    assert code == 2 and "Traceback" not in err and "Error executing job" not in err
    assert len(list((tmp_path / "runs").glob("*/metrics.json"))) == 2
    table = out[out.rindex(" run ") :]
    assert table.count("optimizer.lr=") == 3 and table.count("failed") == 1
    assert err.endswith("mmrec: optimizer.lr=-1: optimizer.lr: expected at least 0, found -1\n")


def test_a_sweep_whose_runs_all_fail_says_why_of_each(command: Command, shop_overrides: list[str]) -> None:
    code, out, err = command("train", "-m", *shop_overrides, "model.embedding_dim=0,big")
    assert code == 2 and not out and "Traceback" not in err
    assert "model.embedding_dim=0: model.embedding_dim: expected at least 1, found 0" in err
    assert err.endswith("model.embedding_dim=big: model.embedding_dim: expected int, found `big`\n")


@pytest.mark.parametrize("arguments", [["train", "data=folder", "data.path=x"], ["data", "check", "x"], ["pretrain"]])
def test_without_a_home_folder_a_key_is_named(arguments: list[str], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "MMREC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    said = refused(*arguments)
    assert "'HOME' not found" in said and "set HOME or paths.cache=FOLDER" in said


def test_data_graph_prints_and_writes(command: Command, shop_folder: Path, tmp_path: Path) -> None:
    code, out, _ = command("data", "graph", "data=folder", f"data.path={shop_folder}", "output=graph.graphml")
    assert code == 0 and "of_kind" in out and (tmp_path / "graph.graphml").is_file()


def test_from_a_folder_of_any_files_to_a_page(command: Command, tmp_path: Path) -> None:
    shop = tmp_path / "my shop"
    shop.mkdir()
    (shop / "orders.csv").write_text("customer;sku;date\nanna;1;2024-01-01\nanna;2;2024-01-02\nbert;1;2024-01-03\n")
    (shop / "catalogue.csv").write_text("sku,name\n1,A lamp\n2,A chair\n")
    code, out, _ = command("data", "init", "my shop")
    assert code == 0 and "orders.csv" in out and "next: mmrec data check 'my shop'" in out
    code, out, err = command("data", "check", "my shop", "--json", "-")
    assert code == 0 and json.loads(out)["sound"] and "my shop: no problems; 3 interactions, 2 users, 2 items" in err
    code, out, _ = command("data", "describe", "my shop", "--output", "page.html")
    assert code == 0 and "A lamp" in out and "A lamp" in (tmp_path / "page.html").read_text()
    code, out, _ = command("data", "check", "my shop", "data.columns.items.item_id=skuu")
    assert code == 2 and "did you mean `sku`" in out
    with (shop / "orders.csv").open("a") as file:
        file.write(";2;2024-01-04\n")
    code, out, err = command("data", "check", "my shop", "--json", "found.json")
    assert code == 2 and "my shop/orders.csv:5:customer: expected an id" in out and err.startswith("mmrec: my shop: 1 problem")
    assert json.loads((tmp_path / "found.json").read_text())["first"][0]["code"] == "no-id"
    code, _, err = command("data", "describe", "my shop")
    assert code == 2 and "orders.csv:5:customer" in err and "Traceback" not in err


def test_help_for_data_alone(command: Command) -> None:
    assert command("data", "--help")[:2] == command("--help")[:2]


def test_ctrl_c_in_training_says_so(command: Command, shop_overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning catches it, ignores the next ones, and would exit without a word."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RankingTask, "training_step", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    try:
        code, _, err = command("train", *shop_overrides, "evidence.text=false", "evidence.image=false")
    finally:
        signal.signal(signal.SIGINT, handler)
    said = err.rstrip().splitlines()[-1]
    assert code == 130 and said.startswith("mmrec: interrupted; `mmrec train resume=runs/") and said.endswith("` continues from here")
