"""The feature cache computes each distinct input once, survives a kill, and masks what it cannot use; texts and pictures of a dataset."""

import hashlib
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from mmrec.data.features import cache as module
from mmrec.data.features.extract import extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.pictures.read import read_pictures
from mmrec.types import Dataset


class LetterEncoder:
    """The share of a, b and c among a text's letters: trivially checkable, and it counts what it is asked for."""

    name, feature_dim = "letters", 3

    def __init__(self, fingerprint: str = "f" * 64, fail_after: int | None = None):
        self.fingerprint, self.fail_after = fingerprint, fail_after
        self.batches: list[list[str]] = []

    def prepare(self, raw: bytes) -> str:
        if b"?" in raw:
            raise ValueError("it holds\na question mark")
        return raw.decode()

    def length(self, prepared: str) -> int:
        return len(prepared)

    def encode(self, prepared: list[str]) -> torch.Tensor:
        if self.fail_after is not None and len(self.batches) == self.fail_after:
            raise KeyboardInterrupt
        self.batches.append(prepared)
        return torch.tensor([[text.count(letter) / len(text) for letter in "abc"] for text in prepared])

    @property
    def computed(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


TEXTS = [b"aab", b"c", None, b"abc" * 9, b"aab", b"b" * 5, b"?", b"cca"]


def test_values_by_hand_with_absent_refused_and_repeated_inputs(tmp_path: Path):
    encoder = LetterEncoder()
    features, problems = extract_features(encoder, TEXTS, tmp_path, 2, "text")
    third = 1 / 3
    expected = [[2 / 3, third, 0], [0, 0, 1], [0, 0, 0], [third] * 3, [2 / 3, third, 0], [0, 1, 0], [0, 0, 0], [third, 0, 2 / 3]]
    torch.testing.assert_close(features.values, torch.tensor(expected))
    assert features.present.tolist() == [True, True, False, True, True, True, False, True]
    assert features.encoder == "letters"
    assert [(problem.position, problem.reason) for problem in problems] == [(6, "it holds a question mark")]
    assert sorted(encoder.computed) == sorted(["aab", "c", "abc" * 9, "b" * 5, "cca"])  # the repeated input once


def test_second_run_computes_nothing_and_reports_the_same_problems(tmp_path: Path):
    first, problems = extract_features(LetterEncoder(), TEXTS, tmp_path, 2, "text")
    encoder = LetterEncoder()
    second, again = extract_features(encoder, TEXTS, tmp_path, 2, "text")
    assert encoder.batches == []
    assert problems == again
    assert torch.equal(first.values, second.values) and torch.equal(first.present, second.present)


@pytest.mark.parametrize("n_done", [1, 3])
def test_killed_run_resumes_with_the_rest_only(tmp_path: Path, n_done: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHARD_ROWS", 4)
    texts = [b"a" * n for n in range(1, 13)]
    killed = LetterEncoder(fail_after=n_done)
    with pytest.raises(KeyboardInterrupt):
        extract_features(killed, texts, tmp_path, 2, "text")
    resumed = LetterEncoder()
    features, _ = extract_features(resumed, texts, tmp_path, 2, "text")
    assert len(killed.computed) == 2 * n_done
    assert sorted(killed.computed + resumed.computed) == sorted(text.decode() for text in texts)
    assert features.present.all() and torch.equal(features.values, torch.tensor([[1.0, 0, 0]] * 12))


def test_rows_reach_the_disk_while_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A SIGKILL runs no `finally`: what a shard holds must be there before the next batch is encoded."""
    monkeypatch.setattr(module, "SHARD_ROWS", 2)
    seen = []

    class Watching(LetterEncoder):
        def encode(self, prepared: list[str]) -> torch.Tensor:
            seen.append(sum(len(load_file(path)["keys"]) for path in tmp_path.rglob("*.safetensors")))
            return super().encode(prepared)

    extract_features(Watching(), [b"a" * n for n in range(1, 7)], tmp_path, 2, "text")
    assert seen == [0, 2, 4]


def test_only_a_changed_item_is_computed_again(tmp_path: Path):
    extract_features(LetterEncoder(), TEXTS, tmp_path, 4, "text")
    encoder = LetterEncoder()
    changed, _ = extract_features(encoder, [*TEXTS[:-1], b"ccc"], tmp_path, 4, "text")
    assert encoder.computed == ["ccc"]
    assert changed.values[-1].tolist() == [0, 0, 1]


def test_another_fingerprint_shares_nothing(tmp_path: Path):
    extract_features(LetterEncoder("1" * 64), TEXTS, tmp_path, 4, "text")
    encoder = LetterEncoder("2" * 64)
    extract_features(encoder, TEXTS, tmp_path, 4, "text")
    assert len(encoder.computed) == 5


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "renamed"])
def test_damaged_shard_is_dropped_with_a_warning_and_computed_again(tmp_path: Path, damage: str):
    good, _ = extract_features(LetterEncoder(), TEXTS, tmp_path, 4, "text")
    (shard,) = tmp_path.rglob("*.safetensors")
    raw = bytearray(shard.read_bytes())
    match damage:
        case "cut":
            raw = raw[:-7]
        case "flipped":
            raw[-2] ^= 1
        case "emptied":
            raw = bytearray()
        case "renamed":
            shard = shard.rename(shard.with_name(hashlib.sha256(b"other").hexdigest() + ".safetensors"))
    shard.write_bytes(raw)
    encoder = LetterEncoder()
    with pytest.warns(UserWarning, match="damaged feature shard dropped"):
        again, _ = extract_features(encoder, TEXTS, tmp_path, 4, "text")
    assert len(encoder.computed) == 5
    assert torch.equal(good.values, again.values)


def test_batches_hold_similar_lengths_and_the_longest_comes_first(tmp_path: Path):
    texts = [b"a" * n for n in torch.randperm(40, generator=torch.Generator().manual_seed(0)).add(1).tolist()]
    encoder = LetterEncoder()
    extract_features(encoder, texts, tmp_path, 5, "text")
    assert [[len(text) for text in batch] for batch in encoder.batches] == [list(range(top, top - 5, -1)) for top in range(40, 0, -5)]


def test_features_that_are_not_finite_are_never_cached(tmp_path: Path):
    class Broken(LetterEncoder):
        def encode(self, prepared: list[str]) -> torch.Tensor:
            return torch.full((len(prepared), 3), torch.nan)

    with pytest.raises(ValueError, match="letters gave features that are not finite"):
        extract_features(Broken(), TEXTS, tmp_path, 4, "text")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_no_inputs_at_all(tmp_path: Path):
    features, problems = extract_features(LetterEncoder(), [None, None], tmp_path, 4, "text")
    assert features.values.shape == (2, 3) and not features.present.any() and problems == []


def dataset(root: Path, images: dict[str, str | None]) -> Dataset:
    items = pl.DataFrame({"item_id": list(images), "image": list(images.values())}, schema={"item_id": pl.String, "image": pl.String})
    return Dataset("shop", root, pl.DataFrame(), items, (), "image")


def test_pictures_are_read_in_the_order_asked_for(tmp_path: Path):
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.jpg").write_bytes(b"A")
    (tmp_path / "b.jpg").write_bytes(b"B")
    pictures, problems = read_pictures(
        dataset(tmp_path, {"1": "img/a.jpg", "2": None, "3": "b.jpg", "4": "img/../b.jpg"}), ["3", "2", "1", "4"]
    )
    assert list(pictures) == [b"B", None, b"A", b"B"] and problems == []


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("gone.jpg", "no such file"),
        ("img", "found a folder"),
        ("../secret", "outside"),
        ("{outside}/secret", "outside"),
        ("link", "outside"),
    ],
)
def test_picture_that_is_missing_or_outside_is_a_problem(tmp_path: Path, named: str, reason: str):
    root = tmp_path / "shop"
    (root / "img").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"S")
    (root / "link").symlink_to(tmp_path / "secret")
    named = named.format(outside=tmp_path)
    pictures, problems = read_pictures(dataset(root, {"1": None, "2": named}), ["1", "2"])
    assert list(pictures) == [None, None]
    assert [problem.position for problem in problems] == [1]
    assert named in problems[0].reason and reason in problems[0].reason


def test_picture_that_goes_after_the_check_is_a_problem(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    pictures, problems = read_pictures(dataset(tmp_path, {"1": "a", "2": "b"}), ["1", "2"])
    (tmp_path / "b").unlink()
    features, unread = extract_features(LetterEncoder(), pictures, tmp_path / "cache", 2, "image")
    assert problems == [] and features.present.tolist() == [True, False]
    assert [(problem.position, problem.reason) for problem in unread] == [(1, "b: there is no such file")]


def test_dataset_without_an_image_column_has_no_pictures(tmp_path: Path):
    items = pl.DataFrame({"item_id": ["1"]})
    assert read_pictures(Dataset("shop", tmp_path, pl.DataFrame(), items, ()), ["1"]) == ([None], [])


def test_texts_join_columns_like_sentences():
    items = pl.DataFrame(
        {
            "title": ["Heat", "Why?", None, " "],
            "genres": [["Crime", "Drama"], [], None, None],
            "year": [1995, None, 1990, None],
            "x": ["cut", "é", "", ""],
        }
    )
    texts = item_texts(items, ["title", "genres", "year", "x"])
    assert texts == [b"Heat. Crime, Drama. 1995. cut", "Why? é".encode(), b"1990", None]
