"""The generated shop: repeatable, complete, and what its truth claims holds of the files."""

import hashlib
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from mmrec.data.sources.demo_shop import dataset as module
from mmrec.data.sources.demo_shop.dataset import demo_shop, load_truth, load_truth_info
from mmrec.data.sources.demo_shop.texts import DISTRACTORS, PHRASES, TEMPLATES
from mmrec.data.sources.demo_shop.world import GROUPS, N_PERIODS, PERIOD_SECONDS, SHARES, SLATE_SIZE, START, TASTE_MEMORY, VALUES
from mmrec.errors import ConfigError, MissingFile
from mmrec.types import IMAGE, KG, TEXT, Dataset

N_USERS, N_ITEMS, N_INTERACTIONS = 200, 400, 8000
SMALL = {"n_users": 40, "n_items": 80, "n_interactions": 400}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return demo_shop(str(tmp_path_factory.mktemp("cache")), N_USERS, N_ITEMS, N_INTERACTIONS, seed=3)


@pytest.fixture(scope="module")
def truth(shop: Dataset) -> dict[str, torch.Tensor]:
    return load_truth(shop)


@pytest.fixture(scope="module")
def events(shop: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """User and item of every logged event, as rows and columns of the truth."""
    info = load_truth_info(shop)
    users, items = ({text: i for i, text in enumerate(info[key])} for key in ("user_ids", "item_ids"))
    log = shop.interactions
    return torch.tensor([users[u] for u in log["user_id"]]), torch.tensor([items[i] for i in log["item_id"]])


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)).hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (demo_shop(str(tmp_path / name), **SMALL, seed=5) for name in "ab")
    other = demo_shop(str(tmp_path / "a"), **SMALL, seed=6)
    assert first.root.name == second.root.name != other.root.name
    assert digest(first.root) == digest(second.root) != digest(other.root)
    assert first.content_hash == second.content_hash != other.content_hash


def test_it_is_made_once_and_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_truth", fail)
        with pytest.raises(KeyboardInterrupt):
            demo_shop(str(tmp_path), **SMALL, seed=5)
    assert not list((tmp_path / "demo_shop").iterdir())
    made = demo_shop(str(tmp_path), **SMALL, seed=5)
    monkeypatch.setattr(module, "_make", fail)
    assert demo_shop(str(tmp_path), **SMALL, seed=5).content_hash == made.content_hash


def test_interests_may_decay_in_groups_of_users(tmp_path: Path) -> None:
    """What users chose lately determines what they choose, in the fast group more than in the slow one."""
    sizes = {"n_users": 60, "n_items": 160, "n_interactions": 1500}
    one, other = (demo_shop(str(tmp_path / name), **sizes, seed=5, half_life_days=[3.0, 300.0]) for name in "ab")
    assert one.content_hash == other.content_hash != demo_shop(str(tmp_path / "a"), **sizes, seed=5).content_hash
    assert set(one.users["pace"]) == {"pace-0", "pace-1"} and set(one.items["use"]) == set(VALUES["use"])
    log = one.interactions.join(one.items.select("item_id", "use"), on="item_id").join(one.users, on="user_id").sort("user_id", "timestamp")
    same = log.with_columns(repeated=(pl.col("use") == pl.col("use").shift(1)).over("user_id"))
    assert same["repeated"].mean() > 2 / len(VALUES["use"])
    gaps = log.select(pl.col("timestamp").diff().over("user_id"))["timestamp"]
    assert 0.15 < (gaps.drop_nulls() <= 180).mean() < 0.5  # choices come in sessions
    assert load_truth_info(one)["arguments"]["half_life_days"] == [3.0, 300.0]


def test_every_row_is_accounted_for(shop: Dataset, truth: dict, events: tuple) -> None:
    log = shop.interactions
    assert shop.name == "demo_shop"
    assert len(log) == N_INTERACTIONS == log.select("user_id", "item_id").unique().height
    assert torch.bincount(events[0], minlength=N_USERS).min() >= 5
    assert shop.items.height == N_ITEMS
    assert shop.users is not None and set(shop.users["user_id"]) == set(log["user_id"])
    assert log["timestamp"].is_sorted() and log["timestamp"].min() >= START and log["timestamp"].max() < START + N_PERIODS * PERIOD_SECONDS
    assert set(log["rating"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert shop.triples is not None and shop.triples.unique().height == shop.triples.height
    assert truth["utility"].shape == (N_USERS, N_ITEMS)


def test_evidence_is_missing_where_the_truth_says_so(shop: Dataset, truth: dict) -> None:
    items = shop.items
    pictures = [path is not None and (shop.root / path).is_file() for path in items["image"]]
    texts = [any(items[column][i] for column in shop.text_columns) for i in range(N_ITEMS)]
    linked = items["item_id"].is_in(shop.item_entities["item_id"].implode()).to_list()
    for part, found, absent in ((IMAGE, pictures, 20), (TEXT, texts, 16), (KG, linked, 24)):
        assert found == truth[f"present_{part}"].tolist()
        assert found.count(False) == absent
    assert set(shop.item_entities["entity"]) == set(shop.triples.filter(pl.col("relation") == "made_by")["head"])
    assert items["brand"].is_not_null().to_list() == linked


def test_late_items_are_not_chosen_before_their_launch(shop: Dataset, truth: dict, events: tuple) -> None:
    launch, counts = truth["launch_period"], torch.bincount(events[1], minlength=N_ITEMS)
    period = (torch.from_numpy(shop.interactions["timestamp"].to_numpy().copy()) - START) // PERIOD_SECONDS
    assert (period >= launch[events[1]]).all()
    assert (launch > 0).sum() == 40
    assert (launch == N_PERIODS).sum() == 4 and (counts[launch == N_PERIODS] == 0).all()
    assert counts[launch > 0].float().mean() < 0.5 * counts.float().mean()


def fit_probe(features: np.ndarray) -> np.ndarray:
    """The ridge regression on the first half of the rows, as the matrix that takes its targets to the predictions for the second half."""
    half = len(features) // 2
    features = (features - features[:half].mean(0)) / (features[:half].std(0) + 1e-6)
    train, test = features[:half], features[half:]
    return test @ train.T @ np.linalg.inv(train @ train.T + features.shape[1] * np.eye(half))


def accuracy(probe: np.ndarray, value: np.ndarray, n_values: int) -> float:
    """Share of the second half of the rows whose value a linear probe gets right."""
    half = probe.shape[1]
    return float(((probe @ (np.eye(n_values)[value[:half]] - 1 / n_values)).argmax(1) == value[half:]).mean())


def picture_features(path: Path) -> np.ndarray:
    """A colour histogram, and histograms of gradient directions in 4 x 4 cells."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(float)
    colours = np.bincount((pixels // 64).astype(int).reshape(-1, 3) @ [16, 4, 1], minlength=64)
    dy, dx = np.gradient(pixels.mean(2))
    direction = ((np.arctan2(dy, dx) / np.pi + 1) * 4).astype(int) % 8
    cell = np.add.outer(np.arange(64) // 16 * 4, np.arange(64) // 16)
    gradients = np.bincount((cell * 8 + direction).ravel(), np.hypot(dy, dx).ravel(), minlength=128)
    return np.concatenate([np.sqrt(colours), np.sqrt(gradients)])


def multi_hot(sets: list[set[str]]) -> np.ndarray:
    names = sorted(set().union(*sets))
    return np.array([[name in one for name in names] for one in sets], dtype=float)


@pytest.fixture(scope="module")
def evidence(shop: Dataset, truth: dict) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The items that have all evidence, and what a linear probe sees of each kind."""
    complete = np.flatnonzero(np.logical_and.reduce([truth[f"present_{part}"].numpy() for part in GROUPS]))
    items = shop.items[complete]
    words = [set(re.findall(r"\w+", f"{title} {text}".lower())) for title, text in zip(items["title"], items["description"], strict=True)]
    tails: dict[str, set[str]] = {}
    for head, _, tail in shop.triples.iter_rows():
        tails.setdefault(head, set()).add(tail)
    entity = dict(shop.item_entities.iter_rows())
    near = [tails[entity[item]] for item in items["item_id"]]
    hops = [one.union(*(tails[tail] for tail in one)) for one in near]
    pictures = np.stack([picture_features(shop.root / path) for path in items["image"]])
    return complete, {TEXT: multi_hot(words), IMAGE: pictures, KG: multi_hot(hops)}


@pytest.mark.parametrize("part", GROUPS)
def test_each_kind_of_evidence_shows_its_own_attributes_and_no_other(part: str, evidence: tuple, truth: dict) -> None:
    complete, features = evidence
    probe = fit_probe(features[part])
    for owner, groups in GROUPS.items():
        for group in groups:
            n_values = len(VALUES[group])
            right = accuracy(probe, truth[f"attribute_{group}"].numpy()[complete], n_values)
            spread = np.sqrt((n_values - 1) / n_values**2 / len(probe))
            if owner == part:
                assert right > 1 / n_values + 4 * spread, group
            else:
                assert right < 1 / n_values + 3 * spread, group
    quality = (truth["factor_collaborative"][:, 0].numpy()[complete] > 0).astype(int)
    assert abs(accuracy(probe, quality, 2) - 0.5) < 3 * 0.5 / np.sqrt(len(probe))


def test_texts_have_a_phrase_for_every_value_and_name_nothing_that_others_show() -> None:
    assert set(PHRASES) == {value for group in GROUPS[TEXT] for value in VALUES[group]}
    assert set(TEMPLATES) == set(GROUPS[TEXT])
    said = " ".join([*sum(PHRASES.values(), ()), *sum(TEMPLATES.values(), ()), *DISTRACTORS]).lower()
    shown = {value.lower() for part in (IMAGE, KG) for group in GROUPS[part] for value in VALUES[group]}
    assert shown.intersection(re.findall(r"\w+", said)) == set()


def percentile(scores: torch.Tensor, events: tuple) -> float:
    """Mean over events of the share of the catalogue that scores below the chosen item (ties count half): 0.5 is chance."""
    user_idx, item_idx = events
    chosen, row = scores[user_idx, item_idx][:, None], scores[user_idx]
    return ((row < chosen).float() + 0.5 * (row == chosen).float()).mean().item()


def test_choices_follow_utility_and_its_parts_in_the_order_of_their_shares(truth: dict, events: tuple) -> None:
    total = percentile(truth["utility"], events)
    alone = [percentile(truth[f"utility_{part}"], events) for part in SHARES]
    without = [percentile(truth["utility"] - truth[f"utility_{part}"], events) for part in SHARES]
    first, second = tuple(idx[::2] for idx in events), tuple(idx[1::2] for idx in events)
    counts = torch.bincount(first[1], minlength=N_ITEMS).expand(N_USERS, -1)
    assert list(SHARES.values()) == sorted(SHARES.values(), reverse=True)
    assert total > alone[0] and alone == sorted(alone, reverse=True) and alone[-1] > 0.5
    assert total > without[-1] and without == sorted(without)
    assert total > percentile(counts, second) + 0.1


def test_parts_add_up_and_have_the_variance_of_their_shares(truth: dict) -> None:
    parts = {part: truth[f"utility_{part}"] for part in SHARES}
    torch.testing.assert_close(sum(parts.values()), truth["utility"])
    assert sum(SHARES.values()) == pytest.approx(1)
    for part, values in parts.items():
        torch.testing.assert_close(values.var(1, correction=0), torch.full((N_USERS,), SHARES[part]), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(values.mean(1), torch.zeros(N_USERS), rtol=0, atol=1e-5)
        last = truth[f"taste_{part}"][-1] @ truth[f"factor_{part}"].T * SHARES[part] ** 0.5
        torch.testing.assert_close(last.float(), values)


def test_taste_drifts_at_the_given_pace(truth: dict) -> None:
    path = truth["taste_text"]
    assert (path[0] * path[-1]).sum(-1).mean().item() == pytest.approx(TASTE_MEMORY ** (N_PERIODS - 1), abs=0.05)


def test_exposure_is_biased_as_the_propensities_say(shop: Dataset, truth: dict, events: tuple) -> None:
    item_idx = events[1]
    policy, counts = truth["policy"], torch.bincount(item_idx, minlength=N_ITEMS).double()
    torch.testing.assert_close(policy.sum(1), torch.ones(N_PERIODS, dtype=torch.float64))
    assert torch.corrcoef(torch.stack([counts, policy.mean(0)]))[0, 1] > 0.3
    # A user's first visit: nothing is owned yet, so the policy itself tells the probability of standing on the slate.
    first = torch.tensor(shop.interactions["user_id"].is_first_distinct().arg_true().to_list())
    period = (torch.tensor(shop.interactions["timestamp"].to_list()) - START) // PERIOD_SECONDS
    expected = 1 - (1 - policy[period[first], item_idx[first]]) ** SLATE_SIZE
    torch.testing.assert_close(truth["event_propensity"][first], expected)
    slots = torch.bincount(truth["event_slot"], minlength=SLATE_SIZE)
    assert slots[:10].sum() > 1.5 * slots[-10:].sum()


def test_ratings_follow_utility(shop: Dataset, truth: dict, events: tuple) -> None:
    rating = torch.tensor(shop.interactions["rating"].to_list())
    recent = slice(-N_INTERACTIONS // 4, None)
    utility = truth["utility"][events[0][recent], events[1][recent]]
    assert torch.corrcoef(torch.stack([rating[recent], utility]))[0, 1] > 0.5


@pytest.mark.parametrize(
    ("sizes", "key"),
    [((19, 80, 400), "n_users"), ((40, 59, 400), "n_items"), ((40, 80, 199), "n_interactions"), ((40, 80, 521), "n_interactions")],
)
def test_sizes_that_do_not_fit_are_named(tmp_path: Path, sizes: tuple[int, int, int], key: str) -> None:
    with pytest.raises(ConfigError, match=f"data.{key}: expected .* found {sizes[('n_users', 'n_items', 'n_interactions').index(key)]}"):
        demo_shop(str(tmp_path), *sizes, seed=1)


def test_another_dataset_has_no_truth(tmp_path: Path) -> None:
    empty = pl.DataFrame({"user_id": ["u"], "item_id": ["i"]})
    with pytest.raises(MissingFile, match=r"truth\.safetensors"):
        load_truth(Dataset("mine", tmp_path, empty, empty.select("item_id"), ()))


def test_impressions_have_true_probabilities_and_leave_everything_else_as_it_was(tmp_path: Path) -> None:
    """The hash is that of the files that the generator wrote before it had impressions."""
    shop = demo_shop(str(tmp_path), **SMALL, impressions_per_user=20, seed=5)
    tables = ["interactions.csv", "items.jsonl", "triples.csv", "item_entities.csv", "users.csv"]
    names = tables + sorted(path.relative_to(shop.root).as_posix() for path in shop.root.glob("images/*"))
    found = hashlib.sha256(b"".join(name.encode() + (shop.root / name).read_bytes() for name in names)).hexdigest()
    assert found == "5d254daf3877bcc89ef83984fb67ce0f6ce4e815c7581f1b264c42183389a269"
    more = demo_shop(str(tmp_path), **SMALL, impressions_per_user=30, seed=5)
    assert more.content_hash == shop.content_hash and len(more.impressions) > len(shop.impressions)


def test_clicks_follow_the_truth(shop: Dataset, truth: dict) -> None:
    shown, info = shop.impressions, load_truth_info(shop)
    users, items = ({text: i for i, text in enumerate(info[key])} for key in ("user_ids", "item_ids"))
    user, item = torch.tensor([users[u] for u in shown["user_id"]]), torch.tensor([items[i] for i in shown["item_id"]])
    position = torch.from_numpy(shown["position"].to_numpy().copy())
    constants, effect = info["constants"], truth["position_effect"]
    expected = constants["click_sharpness"] * truth["utility"][user, item].double() + constants["click_bias"] + effect[position - 1]
    assert torch.allclose(truth["impression_probability"], expected.sigmoid(), atol=1e-5)
    clicked = torch.from_numpy(shown["label"].to_numpy().copy()).double()
    error = (clicked - truth["impression_probability"]).sum() / (expected.sigmoid() * (1 - expected.sigmoid())).sum().sqrt()
    assert abs(float(error)) < 4
    assert shown.select("user_id", "item_id").is_duplicated().sum() == 0
    assert not len(shown.join(shop.interactions, on=["user_id", "item_id"], how="semi"))
    assert shown["timestamp"].is_sorted() and shown["timestamp"].min() >= START + (N_PERIODS - 1) * PERIOD_SECONDS
    lists = shown["position"].to_numpy().reshape(-1, constants["list_size"])
    assert (lists == np.arange(1, constants["list_size"] + 1)).all()
    assert shown["propensity"].is_between(0, 1, closed="right").all()


def test_promoted_items_stand_higher_and_propensities_are_those_of_the_policy(shop: Dataset, truth: dict) -> None:
    shown, info = shop.impressions, load_truth_info(shop)
    policy = dict(zip(info["item_ids"], truth["policy"][-1].tolist(), strict=True))
    share = shown.with_columns(policy=pl.col("item_id").replace_strict(policy, return_dtype=pl.Float64))
    of_place = share.group_by("position").agg(pl.col("policy").mean()).sort("position")["policy"].to_list()
    assert of_place[0] > 1.2 * of_place[-1]
    owned = shop.interactions.with_columns(policy=pl.col("item_id").replace_strict(policy, return_dtype=pl.Float64))
    left = dict(owned.group_by("user_id").agg(1 - pl.col("policy").sum()).iter_rows())
    least = share.group_by("user_id").agg((pl.col("propensity") / pl.col("policy")).min())  # of the item drawn first
    assert np.allclose([ratio * left[user] for user, ratio in least.iter_rows()], 1)
