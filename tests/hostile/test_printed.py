"""No verb prints what the terminal would act on, whatever ids, columns, relations, titles and files are called."""

import contextlib
import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmrec.cli.main import main

CODE = "\x9b2J"
ESCAPE = f"\x1b[31m{CODE}"
TITLES = ["Alien [/director's cut]", "Alien [extended cut]", "[link=http://evil]Alien[/link]", f"Alien {ESCAPE}", "Alien \u202e", "[red]A"]
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`run(*words)` in a temporary folder: what a command printed on both streams, which must be characters alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["mmrec", *words])
        capsys.readouterr()
        with contextlib.suppress(SystemExit):
            main()
        printed = "".join(capsys.readouterr())
        assert printed.replace("\n", "").isprintable(), repr(printed)
        assert "Traceback" not in printed and printed.strip()
        return printed

    return run


def write_shop(folder: Path) -> None:
    """A folder whose every name and value is hostile, and which can be trained on."""
    folder.mkdir()
    items = [f"i{number}{ESCAPE}[b]" for number in range(12)]
    with (folder / "interactions.csv").open("w", newline="") as file:
        rows = [(f"u{user}{ESCAPE}[/u]", items[(user * 5 + n * 7) % 12], f"buy{ESCAPE}[/x]") for user in range(12) for n in range(6)]
        csv.writer(file).writerows([("user_id", "item_id", "event"), *rows])
    with (folder / "items.csv").open("w", newline="") as file:
        rows = [(item, TITLES[n % len(TITLES)], f"red{ESCAPE}[/c]") for n, item in enumerate(items)]
        csv.writer(file).writerows([("item_id", f"title {ESCAPE}[/t]", f"colour{ESCAPE}[/c]"), *rows])
    with (folder / "triples.csv").open("w", newline="") as file:
        rows = [(item, f"made{ESCAPE}[/r]", f"maker{n % 3}{ESCAPE}[/m]") for n, item in enumerate(items)]
        csv.writer(file).writerows([("head", "relation", "tail"), *rows])


def test_what_a_folder_holds(run: Run, tmp_path: Path) -> None:
    shop = tmp_path / f"shop {CODE}"
    write_shop(shop)
    (shop / f"unread{CODE}.csv").write_text("a,b\n1,2\n")
    path = str(shop)
    assert ": no problems" in run("data", "check", path)
    assert '"sound": true' in run("data", "check", path, "--json", "-")
    described = run("data", "describe", path)
    assert all(title in described for title in TITLES[:3]) and "made\\x1b[31m" in described
    assert "made\\x1b[31m\\x9b2J[/r]" in run("data", "graph", path)
    assert "next: mmrec train" in run("data", "ingest", path, str(tmp_path / f"ready{CODE}"))
    assert "mmrec data check" in run("data", "init", path)
    with (shop / "interactions.csv").open("a") as file:
        file.write(f",{ESCAPE},x\n")
    assert "interactions.csv:74" in run("data", "check", path)


def test_what_a_run_holds(run: Run, tmp_path: Path) -> None:
    write_shop(tmp_path / "shop")
    train = ["train", "data=folder", "data.path=shop", "baselines=none", "trainer=debug", "evidence.text=false", "model.embedding_dim=4"]
    for name in ("one", f"two{CODE}"):
        assert "report:" in run(*train, "trainer.enable_progress_bar=false", f"run_dir='{name}'")
    listed = run("recommend", "run=one", f"user='u1{ESCAPE}[/u]'", "k=10")
    assert sum(title in listed for title in TITLES[:3]) >= 2
    assert "reported" in run("evaluate", "run=one")
    assert "two\\x9b2J" in run("compare", "one", f"two{CODE}")
    assert "is not in the run" in run("recommend", "run=one", f"user='{ESCAPE}'")
