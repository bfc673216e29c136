"""`mmrec leaderboard` on the small shop: what it runs, what it does not run again, what it says of a board that is wrong."""

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from omegaconf import DictConfig

import mmrec.cli.hydra.board
from mmrec.cli.main import main

Leaderboard = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.slow


def listed(values: list[str]) -> str:
    """A list of overrides in Hydra's grammar."""
    return "[" + ",".join('"' + value.replace('"', '\\"') + '"' for value in values) + "]"


@pytest.fixture(scope="module")
def board(shop_overrides: list[str]) -> list[str]:
    """Overrides of a board of two models and two seeds on the small shop."""
    shop = [o for o in shop_overrides if not o.startswith("paths.")] + ["evidence.image=false", "evidence.text=false"]
    return [
        next(o for o in shop_overrides if o.startswith("paths.")),
        "~board.data.movielens_100k",
        f"+board.data.shop={listed(shop)}",
        f"+board.models.no_graph={listed(['ablation=no_kg'])}",
        "board.splits=[random_ratio]",
        "board.seeds=[1,2]",
        "board.baselines=none",
    ]


def run_board(board: list[str], folder: Path, *arguments: str) -> int:
    """Runs `mmrec leaderboard` in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRA_FULL_ERROR", "0")
        patch.setattr(sys, "argv", ["mmrec", "leaderboard", *board, f"output={folder}", *arguments])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0


@pytest.fixture
def leaderboard(board: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Leaderboard:
    """`leaderboard(*arguments)`: exit code, stdout and stderr of the board in `tmp_path / "board"`."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run_board(board, tmp_path / "board", *arguments)
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def finished_once(board: list[str], made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The folder of the board, all four runs finished, and beside it what the command said, out.txt and err.txt. It is only read."""

    def run(folder: Path) -> None:
        with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err, redirect_stdout(out), redirect_stderr(err):
            assert run_board(board, folder / "board") == 0

    return made_once("finished_board", run) / "board"


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """A copy of it in `tmp_path / "board"`."""
    return shutil.copytree(finished_once, tmp_path / "board")


def test_runs_what_is_not_finished_and_makes_one_table(
    leaderboard: Leaderboard, finished_once: Path, finished: Path, tmp_path: Path
) -> None:
    out, err = ((finished_once.parent / name).read_text(encoding="utf-8") for name in ("out.txt", "err.txt"))
    assert "shop, random_ratio" in out
    assert "4 runs, 0 of them finished" in err and "4 of 4 are finished" in err and "best of" not in err
    assert "epoch 0" in next((tmp_path / "board").rglob("log.txt")).read_text(encoding="utf-8")
    assert "epoch 0" not in err  # the runs' own words are in their logs
    found = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    (section,) = found["sections"]
    assert list(section["models"]) == ["fusion", "no_graph", "popularity"] and section["seeds"] == [1, 2]
    assert [row["is_baseline"] for row in section["models"].values()] == [False, False, True]
    runs = (tmp_path / "board").glob("*/*/fusion/*/metrics.json")
    by_run = [json.loads(path.read_text(encoding="utf-8"))["models"]["fusion"]["test/ndcg@20"] for path in runs]
    assert section["models"]["fusion"]["metrics"]["ndcg@20"]["mean"] == pytest.approx(sum(by_run) / 2)
    assert len(by_run) == 2 and by_run[0] != by_run[1]

    tables = {path.name: path.read_bytes() for path in (tmp_path / "board").glob("leaderboard.*")}
    assert set(tables) == {"leaderboard.md", "leaderboard.html", "leaderboard.json"}
    next((tmp_path / "board").glob("*/*/no_graph/1-*/run.json")).unlink()  # interrupted before its last file
    code, _, err = leaderboard()
    assert code == 0 and "4 runs, 3 of them finished" in err and err.count(" done in ") == 1
    again = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    for one in (again, found):
        for row in one["sections"][0]["models"].values():
            row.pop("fit_s")
    assert again == found

    code, out, err = leaderboard("board.models.no_graph=[]", "run=false")  # other settings are other runs, and nothing is lost
    assert code == 0 and "4 runs, 2 of them finished" in err and "done in" not in err
    assert "Unfinished runs" in (tmp_path / "board" / "leaderboard.md").read_text(encoding="utf-8")


def test_tuned_once_later_seeds_take_the_settings_of_the_first(leaderboard: Leaderboard, tmp_path: Path) -> None:
    code, _, err = leaderboard("~board.models.no_graph", "board.baselines='[ease]'", "board.tune_once=true")
    assert code == 0, err
    logs, tuned = {}, {}
    for run in (tmp_path / "board").glob("*/*/fusion/*-*"):
        seed = run.name.partition("-")[0]
        logs[seed] = (run / "log.txt").read_text(encoding="utf-8")
        tuned[seed] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["tuned"]["ease"]["regularization"]
    assert tuned["1"] == tuned["2"]
    assert "best of 11" in logs["1"] and "with the setting of `tuned_in`" not in logs["1"]
    assert "best of 11" not in logs["2"] and "ease: val ndcg@20" in logs["2"] and "with the setting of `tuned_in`" in logs["2"]


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(leaderboard: Leaderboard, finished: Path) -> None:
    """As killed within the second of two epochs, first with a sound checkpoint of the first epoch, then with a damaged one."""
    one = ["~board.models.no_graph", "board.seeds=[1]"]
    (run,) = finished.glob("*/*/fusion/1-*")
    expected = json.loads((run / "run.json").read_text(encoding="utf-8"))["weights_sha256"]
    for is_damaged in (False, True):
        (run / "run.json").unlink()
        (run / "metrics.json").unlink()
        first, second = sorted((run / "checkpoints" / "seed_1").glob("epoch_*"))
        shutil.rmtree(second)
        if is_damaged:
            (first / "state.json").write_text("{}", encoding="utf-8")
        (first.parent / "seconds.json").write_text("1000.0", encoding="utf-8")  # of training, until then
        (run / "log.txt").write_text("what was said before\n", encoding="utf-8")
        code, _, err = leaderboard(*one)
        assert code == 0 and err.count(" done in ") == 1
        log = (run / "log.txt").read_text(encoding="utf-8")
        assert log.startswith("what was said before") != is_damaged  # with nothing to go on from it begins anew
        assert ("resumed from epoch_0001_step_000000" in log, "epoch 0:" in log, "epoch 1:" in log) == (not is_damaged, is_damaged, True)
        about = json.loads((run / "run.json").read_text(encoding="utf-8"))
        assert about["weights_sha256"] == expected and (about["fit_s"]["fusion"] > 1000) != is_damaged


def test_processes_side_by_side_give_the_numbers_of_one(leaderboard: Leaderboard, finished_once: Path, tmp_path: Path) -> None:
    def metrics(folder: Path) -> dict[str, dict]:
        runs = folder.glob("*/*/*/1-*/metrics.json")
        return {path.parts[-3]: json.loads(path.read_text(encoding="utf-8"))["models"] for path in runs}

    code, _, err = leaderboard("jobs=2", "board.seeds=[1]")
    assert code == 0 and "2 runs, 0 of them finished" in err, err
    found = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    assert list(found["sections"][0]["models"]) == ["fusion", "no_graph", "popularity"] and not found["unfinished"]
    assert metrics(tmp_path / "board") == metrics(finished_once) and set(metrics(finished_once)) == {"fusion", "no_graph"}


def test_a_run_that_fails_is_named_and_the_others_are_kept(leaderboard: Leaderboard, tmp_path: Path) -> None:
    code, _, err = leaderboard(f"board.models.no_graph={listed(['split.test_ratio=0.0001'])}", "hydra/launcher=basic")
    assert code == 2 and "Traceback" not in err
    assert "mmrec: shop random_ratio no_graph seed 1: split random_ratio: the test part" in err
    found = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    assert list(found["sections"][0]["models"]) == ["fusion", "popularity"]
    assert found["unfinished"] == ["shop random_ratio no_graph seed 1", "shop random_ratio no_graph seed 2"]


def test_a_model_that_lacks_a_seed_waits_for_it_and_data_that_changed_are_refused(leaderboard: Leaderboard, finished: Path) -> None:
    def tables() -> tuple[list[str], list[str]]:
        found = json.loads((finished / "leaderboard.json").read_text(encoding="utf-8"))
        return list(found["sections"][0]["models"]), found["unfinished"]

    run = next(finished.glob("*/*/no_graph/1-*/run.json"))
    about = json.loads(run.read_text(encoding="utf-8"))
    run.unlink()
    assert leaderboard("run=false")[0] == 0
    assert tables() == (["fusion", "popularity"], ["shop random_ratio no_graph seed 1"])

    about["data"]["hash"] = "of other texts"
    run.write_text(json.dumps(about), encoding="utf-8")
    code, _, err = leaderboard("run=false")
    assert code == 2 and f"and {run.parent} have different data" in err


def test_a_crash_is_in_the_log_and_costs_no_other_run(leaderboard: Leaderboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = mmrec.cli.hydra.board.train

    def crash(cfg: DictConfig, overrides: tuple[str, ...]) -> Path:
        if "ablation=no_kg" in overrides:
            raise RuntimeError("out of memory")
        return train(cfg, overrides)

    monkeypatch.setattr(mmrec.cli.hydra.board, "train", crash)
    with pytest.raises(RuntimeError, match="out of memory"):
        leaderboard()
    found = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    assert list(found["sections"][0]["models"]) == ["fusion", "popularity"] and len(found["unfinished"]) == 2
    log = next((tmp_path / "board").glob("*/*/no_graph/1-*/log.txt")).read_text(encoding="utf-8")
    assert "Traceback" in log and "out of memory" in log


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["board=movielens"], "mmrec: board: there is no choice `movielens`; did you mean `movielens_"),
        (["board.seeds=[]"], "mmrec: board.seeds: expected one or more, found none"),
        (["board.metric=ndgc@20"], "mmrec: board.metric: `ndgc@20` is not a metric of the task; did you mean `ndcg@20`?"),
        (["board.columns=[ndcg@7]"], "mmrec: board.columns: `ndcg@7` is not a metric of the task"),
        (["board.seeds=[1,2,1]"], "mmrec: board.seeds: `1` is repeated"),
        (["+board.models.popularity=[]"], "mmrec: board.models: `popularity` is the name of a baseline; choose another name"),
        (
            [f"board.models.fusion={listed(['fusion=gatd'])}"],
            "mmrec: board: shop random_ratio fusion: fusion: there is no choice `gatd`; did you",
        ),
        ([f"board.models.fusion={listed(['fusion.n_heds=2'])}"], "fusion.n_heds: there is no such key; did you mean `fusion.n_heads`?"),
        ([f"+board.models.x={listed(['+fusion.depth=2'])}"], "mmrec: board: shop random_ratio x: fusion.depth: "),
        (["board.splits=[warm]"], "mmrec: board: shop warm fusion: split: there is no choice `warm`"),
        (["bord.seeds=[1]"], "mmrec: bord"),
    ],
)
def test_a_wrong_board_is_refused_before_anything_runs(arguments: list[str], said: str, leaderboard: Leaderboard, tmp_path: Path) -> None:
    code, out, err = leaderboard(*arguments)
    assert code == 2 and not out and "Traceback" not in err
    assert said in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "board").exists()


def test_a_board_may_not_say_whom_to_trust(leaderboard: Leaderboard, tmp_path: Path) -> None:
    """Nor may a file that it chooses, nor what Hydra would act on before anything is checked."""
    conf = tmp_path / "conf"
    for group in ("board", "experiment"):
        (conf / group).mkdir(parents=True)
    (conf / "experiment" / "theirs.yaml").write_text("# @package _global_\ntrusted_packages: [fractions]\n")
    logging = "hydra:\n  job_logging:\n    handlers:\n      x:\n        class: os.mkdir\n"
    (conf / "experiment" / "logs.yaml").write_text(f"# @package _global_\n{logging}")
    built = ["loss._target_=fractions.Fraction", "~loss.temperature"]
    trust = "mmrec: board: shop random_ratio theirs: trusted_packages: a board must not set it"
    for words, said in (
        (["trusted_packages=[fractions]", *built], trust),
        (["++trusted_packages=[fractions]", *built], trust),
        (["experiment=theirs", *built], trust),
        (["resume=elsewhere"], "resume: a board must not set it"),
        (["trust_run=true"], "trust_run: a board must not set it"),
        (["+hydra.job_logging.root.handlers=[x]"], "a board must not change Hydra's own keys"),
        (["hydra.searchpath=[pkg://theirs]"], "a board must not change Hydra's own keys"),
        (["experiment=logs"], "hydra.job_logging: an external configuration must not change it"),
    ):
        (conf / "board" / "theirs.yaml").write_text(f"defaults: [movielens_100k]\nmodels: {json.dumps({'theirs': words})}\n")
        for more in ([], ["trusted_packages=[fractions]"]):  # what a person says is not said for the board
            without = ["~board.models.no_graph", "~board.models.fusion"]
            code, out, err = leaderboard("board=theirs", *without, *more, "--config-dir", str(conf))
            assert code == 2 and not out and len(err.strip().splitlines()) == 1
            assert said in err
        (conf / "board" / "theirs.yaml").write_text(f"defaults: [movielens_100k]\noverrides: {json.dumps(words)}\n")
        code, _, err = leaderboard("board=theirs", "--config-dir", str(conf))
        assert code == 2 and said.rpartition(": ")[2] in err
    assert not (tmp_path / "board").exists()


def test_a_model_of_others_runs_where_the_command_line_trusts_them(
    leaderboard: Leaderboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_models").mkdir()
    base = "mmrec.models.collaborative.matrix_factorization"
    model = f"from {base} import MatrixFactorizationRecommender\n\n\nclass Theirs(MatrixFactorizationRecommender):\n    pass\n"
    (tmp_path / "their_models" / "theirs.py").write_text(model)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["model=matrix_factorization", "model.name=theirs", "model._target_=their_models.theirs.Theirs"]
    board = ["~board.models.fusion", "~board.models.no_graph", f"+board.models.theirs={listed(words)}", "board.seeds=[1]"]
    (tmp_path / "conf" / "board").mkdir(parents=True)
    (tmp_path / "conf" / "board" / "trusting.yaml").write_text(
        "# @package _global_\ndefaults: [movielens_100k@board]\ntrusted_packages: [their_models]\n"
    )
    for words in (board, ["board=trusting", *board, "--config-dir", str(tmp_path / "conf")]):
        code, _, err = leaderboard(*words)
        assert code == 2 and "if you trust it, add on the command line: trusted_packages=[their_models]" in err
    assert not (tmp_path / "board").exists()

    trust = "trusted_packages=[their_models]"
    code, _, err = leaderboard(*board, trust)
    assert code == 0, err
    found = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    assert next(iter(found["sections"][0]["models"])) == "theirs"
    (run,) = (tmp_path / "board").glob("*/*/theirs/1-*")
    (run / "run.json").unlink()  # as stopped within its second epoch
    shutil.rmtree(max((run / "checkpoints" / "seed_1").glob("epoch_*")))
    code, _, err = leaderboard(*board, trust)
    assert code == 0 and err.count(" done in ") == 1
    assert "resumed from epoch_0001_step_000000" in (run / "log.txt").read_text(encoding="utf-8")
    code, _, err = leaderboard(*board, "trusted_packages=['no such']")
    assert code == 2 and "trusted_packages: expected names of Python packages, found `no such`" in err
