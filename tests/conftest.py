"""Shared by all tests: one torch thread, every jaxtyping signature of mmrec checked at run time, and a small shop to train on.

The shop is made from scratch: users 0 to 29 like the lamps, users 30 to 59 the chairs, and text, pictures and graph say which is which.
"""

import os

# Of this process and of those that tests start: as many as run at once share the processors. Read when torch and polars are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import tests.signatures  # noqa: F401  first: it checks the signatures of what is imported later

# isort: split
import mmrec._torchvision

# isort: split
import fcntl
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hydra
import jaxtyping
import mmrec.conf
import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from mmrec.files.lock import locked
from mmrec.schemas import register_schemas
from tests.composition import compose_once

torch.set_num_threads(1)
compose_once()

MISSING = object()
WHOLE_RUNS = [Path(__file__).parent / name for name in ("api", "cli", "docs")]

N_USERS, N_ITEMS, N_EVENTS = 60, 40, 14
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lamp", "chair", "warm", "light", "soft", "seat", "no", *map(str, range(10))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what takes longest first, so that the processes that share the tests end together."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves signatures unchecked in tests of whole runs, of which that takes a quarter of the time; tests of the parts check them."""
    is_whole = any(folder in item.path.parents for folder in WHOLE_RUNS) or item.get_closest_marker("slow") is not None
    jaxtyping.config.update("jaxtyping_disable", is_whole)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is noted which runs were made here: not in the home of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    return Path(os.environ["XDG_STATE_HOME"])


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two torch threads, which may share work as they please."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """`made_once(name, make)`: a folder that `make(folder)` has filled, once for all processes that run the tests. It is only read."""
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = common / "made_once" / name, common / "made_once" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with locked(folder.with_name(f"{name}.lock"), lambda file: fcntl.flock(file, fcntl.LOCK_EX)):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of another process that failed
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def compose() -> Callable[..., DictConfig]:
    """`compose(*overrides, name="train", searchpath=())`: a verb's configuration, as the command line would make it.

    Values are set last, as Hydra does it, in a copy of the configuration of all other overrides, which is composed once.
    """
    register_schemas()

    @cache
    def once(overrides: tuple[str, ...], name: str) -> bytes:
        GlobalHydra.instance().clear()
        with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
            return pickle.dumps(hydra.compose(name, list(overrides)))  # a copy of a configuration takes three times as long

    def composed(*overrides: str, name: str = "train", searchpath: tuple[Path, ...] = ()) -> DictConfig:
        paths = [f"hydra.searchpath=[{','.join(f'file://{path}' for path in searchpath)}]"] if searchpath else []
        values = [word for word in overrides if _sets_a_value(word)]
        cfg: DictConfig = pickle.loads(once((*(word for word in overrides if word not in values), *paths), name))
        if any(OmegaConf.select(cfg, word.partition("=")[0], default=MISSING) is MISSING for word in values):
            added: DictConfig = pickle.loads(once((*overrides, *paths), name))  # raises, or the key is one that another value adds
            return added
        for override in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
        return cfg

    return composed


def _sets_a_value(override: str) -> bool:
    """Whether an override neither chooses a file of a group nor adds, removes or sweeps."""
    key, is_set, _ = override.partition("=")
    is_key = re.fullmatch(r"[\w.]+", key) is not None and not key.startswith("hydra.")
    return bool(is_set) and is_key and not (Path(mmrec.conf.__file__).parent / key.replace(".", "/")).is_dir()


@pytest.fixture(scope="session")
def shop_folder(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A dataset folder with all tables: 60 users, 40 items; items 8, 18, 28, 38 have no picture, the last of each kind no entity."""
    return made_once("small_shop", _write_shop)


def _write_shop(folder: Path) -> None:
    rng = np.random.default_rng(0)
    _interactions(rng).write_csv(folder / "interactions.csv")
    _items(folder, rng).write_csv(folder / "items.csv")
    inside = [item for item in range(N_ITEMS) if item % 20 != 19]
    pl.DataFrame({"item_id": [f"i{item}" for item in inside], "entity": [f"e{item}" for item in inside]}).write_csv(
        folder / "item_entities.csv"
    )
    edges = [(f"e{i}", "of_kind", f"kind{i // 20}") for i in inside] + [(f"e{i}", "made_by", f"maker{i // 20}{i % 3}") for i in inside]
    pl.DataFrame(edges, schema=["head", "relation", "tail"], orient="row").write_csv(folder / "triples.csv")


@pytest.fixture(scope="session")
def tiny_bert(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A folder with a BERT of random weights and eight numbers a text, as transformers saves one."""
    return made_once("tiny_bert", _write_bert)


def _write_bert(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32}
        transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)


@pytest.fixture(scope="session")
def shop_cache(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The cache of all processes, where each finds what another has encoded and tuned."""
    return made_once("cache", lambda folder: None)


@pytest.fixture(scope="session")
def shop_overrides(shop_folder: Path, tiny_bert: Path, shop_cache: Path) -> list[str]:
    """What turns `mmrec train` into seconds on the small shop: all four kinds of evidence, tiny encoders, two epochs, one cache."""
    return [
        "data=folder",
        f"data.path={shop_folder}",
        "text_encoder=bert_base",
        f"encoders.text.path_or_name={tiny_bert}",
        "encoders.text.revision=null",
        "encoders.text.max_length=32",
        "image_encoder=tiny_clip",
        "encoders.image.pretrained=null",
        "model.embedding_dim=16",
        "data_module.batch_size=16",
        "task.embedding_lr=0.05",
        "optimizer.lr=0.01",
        "trainer=debug",
        "trainer.enable_progress_bar=false",
        "logger=local",
        "~logger.tensorboard",
        "evaluation.report=false",
        f"paths.cache={shop_cache}",
    ]


@pytest.fixture(scope="session")
def cold_run(
    made_once: Callable[[str, Callable[[Path], None]], Path], shop_overrides: list[str], compose: Callable[..., DictConfig]
) -> Path:
    """A run on the small shop, of which a part of the items are new: they have no interactions in the training part."""
    from mmrec.cli.train import train  # imports lightning
    from mmrec.experiment.run_folder.origin import remember_run

    def make(folder: Path) -> None:
        words = [*shop_overrides, "split=cold_item", "baselines=none", "n_seeds=1", f"run_dir={folder / 'run'}"]
        train(compose(*words), words)

    run = made_once("cold_run", make) / "run"
    remember_run(run)  # by this process, if another one made it
    return run


def _interactions(rng: np.random.Generator) -> pl.DataFrame:
    """14 items a user over a year, of which one or two are of the other kind."""
    rows = []
    for user in range(N_USERS):
        kind = np.where(rng.random(N_EVENTS) < 0.9, user // 30, 1 - user // 30)
        items = dict.fromkeys((20 * kind + rng.integers(0, 20, N_EVENTS)).tolist())
        rows += [(f"u{user}", f"i{item}", 1_600_000_000 + int(rng.integers(0, 365 * 86_400))) for item in items]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def _items(folder: Path, rng: np.random.Generator) -> pl.DataFrame:
    """Title, description, genre and the path of a picture, lamps yellow and chairs brown; writes the pictures."""
    rows = []
    for item in range(N_ITEMS):
        name, words, colour = (("lamp", "warm light", (250, 220, 60)), ("chair", "soft seat", (110, 70, 30)))[item // 20]
        path = None if item % 10 == 8 else f"i{item}.jpg"
        if path:
            noise = rng.integers(-30, 30, (24, 24, 3))
            Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(folder / path)
        rows.append((f"i{item}", f"{name} no {item}", f"{words} {item % 7}", name, path))
    return pl.DataFrame(rows, schema=["item_id", "title", "description", "genre", "image"], orient="row")
