"""Without an extra: what needs it ends with one sentence that names it and exit code 2; the core trains on a folder with texts."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest

from mmrec.errors import MissingExtra, MmrecError
from mmrec.experiment.tuning.search import draw_settings
from mmrec.experiment.tuning.space import Search, read_space
from mmrec.extras import EXTRAS, is_installed, needs

PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_DEVELOPMENT = {"all", "dev", "docs"}
REFUSED: list[tuple[str, list[str]]] = [
    ("pictures", ["train", "data.path={shop}", "image_encoder=tiny_clip", "encoders.image.pretrained=null"]),
    ("pictures", ["pretrain", "data=folder", "data.path={shop}"]),
    ("graph", ["train", "data.path={shop}", "kg_encoder=hgt"]),
    ("graph", ["data", "check", "{rdf}"]),
    ("graph", ["data", "check", "{graphml}"]),
    ("tune", ["train", "data.path={texts}", "tune.minutes=1"]),
    ("sweeps", ["leaderboard"]),
    ("ray", ["train", "data.path={texts}", "features.engine=ray"]),
    ("wandb", ["train", "data.path={texts}", "logger=wandb"]),
    ("mlflow", ["train", "data.path={texts}", "logger=mlflow"]),
    ("serve", ["serve"]),
]
"""Commands, and the extra that each needs. `{…}` is a folder. For `adapters`, see tests/experiment/encoders/test_tuned.py."""
# Run as `python -c WITHOUT`, with what is absent and the commands on stdin, so that packages are imported once for all of them.
WITHOUT = """
import contextlib, io, json, sys, traceback
given = json.load(sys.stdin)

sys.modules.update(dict.fromkeys(given["absent"]))  # as Python does for a package that is not to be imported
from mmrec.cli.main import main
ended = []
for words in given["commands"]:
    sys.argv, code = ["mmrec", *words], 0
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        except Exception:
            code = traceback.format_exc()
    ended.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(ended))
"""


def without_extras(folder: Path, commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of commands in an empty folder, with the packages of all extras out of reach."""
    absent = {package for packages in EXTRAS.values() for package in packages} - {"torchvision", "peft"}  # others believe their metadata
    given = {"absent": sorted(absent), "commands": commands}
    command = [sys.executable, "-c", WITHOUT]
    ran = subprocess.run(command, input=json.dumps(given), cwd=folder, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    return [(code, out, err) for code, out, err in json.loads(ran.stdout.splitlines()[-1])]


def test_extras_are_those_of_the_project() -> None:
    declared = PROJECT["optional-dependencies"]
    assert set(EXTRAS) == set(declared) - OF_DEVELOPMENT
    assert declared["all"] == [f"mmrec[{','.join(EXTRAS)}]"]


def test_only_the_packages_of_the_extra_are_told_of() -> None:
    message = r"^this needs optuna, which is not installed: pip install 'mmrec\[tune\]', or that$"
    with pytest.raises(MissingExtra, match=message) as caught, needs("tune", "this", "that"):
        raise ModuleNotFoundError("No module named 'optuna.samplers'", name="optuna.samplers")
    assert isinstance(caught.value, MmrecError) and caught.value.exit_code == 2 and caught.value.extra == "tune"
    with pytest.raises(ModuleNotFoundError, match="elsewhere"), needs("tune", "this"):
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")
    with pytest.raises(ImportError, match="is broken"), needs("tune", "this"):
        raise ImportError("optuna is broken")


def test_an_extra_is_installed_if_all_of_its_packages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "tune", ("json", "tomllib"))
    assert is_installed("tune")
    monkeypatch.setitem(EXTRAS, "tune", ("json", "no_such_package"))
    assert not is_installed("tune")


@pytest.mark.slow
def test_what_needs_an_extra_says_so_and_the_core_trains(shop_folder: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    """Each refusal is one sentence and exit code 2; training on texts has the default models, baselines and choice of encoders."""
    folders = {"shop": shop_folder, "rdf": tmp_path / "rdf", "graphml": tmp_path / "graphml", "texts": tmp_path / "texts"}
    for name, text in (("rdf/triples.ttl", "<urn:a> <urn:b> <urn:c> ."), ("graphml/triples.graphml", "<graphml/>")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
        (tmp_path / name).with_name("interactions.csv").write_text("user_id,item_id\nu,urn:a\n")
    folders["texts"].mkdir()
    pl.read_csv(shop_folder / "interactions.csv").write_csv(folders["texts"] / "interactions.csv")
    pl.read_csv(shop_folder / "items.csv").select(pl.exclude("image")).write_csv(folders["texts"] / "items.csv")
    common = [word for word in shop_overrides if not word.startswith(("paths.", "data.path", "image_encoder", "encoders.image"))]
    common += [f"paths.cache={tmp_path / 'cache'}", f"run_dir={tmp_path / 'run'}"]
    refused = [
        [words[0], *(common if words[0] == "train" else ()), *(word.format(**folders) for word in words[1:])] for _, words in REFUSED
    ]
    core = ["train", *common, f"data.path={folders['texts']}", "baselines=default", "evaluation.report=true"]
    *ended, trained = without_extras(tmp_path, [*refused, core])
    for (extra, words), (code, out, err) in zip(REFUSED, ended, strict=True):
        assert code == 2, (words, code, err)
        told = [line for line in err.splitlines() if "pip install" in line]
        assert len(told) == 1, (words, err)
        (last,) = told
        assert f"is not installed: pip install 'mmrec[{extra}]'" in last, words
        assert "Traceback" not in err and last == err.splitlines()[-1] and not out, words
    code, _, err = trained
    assert code == 0, (code, err)
    assert "drawn at random (by Optuna: pip install 'mmrec[tune]')" in err
    models = json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]
    assert {"fusion", "popularity", "item_knn", "ease", "ials", "content_knn_text"} <= set(models)
    assert (tmp_path / "run" / "report.html").is_file()


def test_without_optuna_settings_are_of_the_space_and_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "tune", ("no_such_package",))
    space = {"a": [1, 2, 3], "b": [0.1, 1000.0, "log"], "c": [-1.0, 1.0, "linear"], "d": [3, 5, "int"]}
    search = Search(space, 300, 7, first=({"a": 2, "d": 4}, {"a": 9}))

    def drawn(search: Search) -> list[dict]:
        found: list[dict] = []
        draw_settings(lambda setting: found.append(setting) or 0.0, read_space(search.space), search, lambda: len(found) >= 300, 1)
        return found

    settings = drawn(search)
    assert settings == drawn(search) != drawn(search._replace(seed=8))
    assert settings[0]["a"] == 2 and settings[0]["d"] == 4
    assert {one["a"] for one in settings} == {1, 2, 3} and {one["d"] for one in settings} == {3, 4, 5}
    assert all(0.1 <= one["b"] <= 1000 and -1 <= one["c"] <= 1 for one in settings)
    assert 100 < sum(one["b"] < 10 for one in settings) < 200  # the middle of the scale
