"""Received run folders: one that was trained, and the same with a file that means harm. Those that are still measured are called sound."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hydra
import yaml

from mmrec.cli.train import train
from mmrec.schemas import register_schemas

Content = bytes | str | Callable[[Path], None]
SHOP = "".join(f"u{user},i{(user * 7 + step * 3) % 20},{1_600_000_000 + 1000 * step + user}\n" for user in range(30) for step in range(10))


def received_runs(owned: Path, shop: Path) -> dict[str, dict[str, Content]]:
    """By name, the files of each; `shop` is made, the data of all of them. Nothing below the folder `victim` is theirs to touch."""
    files = _trained(shop)
    config, about, metrics = yaml.safe_load(files["config.yaml"]), json.loads(files["run.json"]), json.loads(files["metrics.json"])
    victim, checkpoints = owned.parent.parent / "victim", "checkpoints/seed_2026"

    def configured(key: str, value: Any) -> dict[str, Content]:
        return files | {"config.yaml": yaml.safe_dump(_with(config, key, value))}

    def recorded(key: str, value: Any) -> dict[str, Content]:
        return files | {"run.json": json.dumps(_with(about, key, value))}

    call = {"_target_": "pathlib.Path.mkdir", "self": str(owned)}
    referring = configured("data_module.seed", "${seed}")
    layers = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    found = {
        "sound": files,
        "sound, of a run folder elsewhere": configured("run_dir", str(victim)),
        "sound, logs elsewhere": configured("logger.csv.save_dir", str(victim)),
        "sound, caches elsewhere": configured("paths.cache", str(victim)),
        "sound, cache of an encoder elsewhere": configured("encoders.text.cache", str(victim)),
        "sound, quarantine elsewhere": configured("data.quarantine", str(victim)),
        "sound, a store elsewhere": configured("features.store", str(victim)),
        "call as a seed, referred to": referring | {"run.json": json.dumps(_with(about, "seeds", [call]))},
        "copy as a seed": recorded("seeds", [{"_target_": "shutil.copyfile", "src": "/etc/passwd", "dst": str(owned)}]),
        "seeds of text": recorded("seeds", ["../../../../victim"]),
        "hash is a call": recorded("data.hash", call),
        "model is a list": recorded("model", ["fusion"]),
        "metrics are calls": files | {"metrics.json": json.dumps(_with(metrics, "models.fusion.test/ndcg@20", call))},
        "reference": referring,
        "reference to the environment": configured("data.path", "${oc.env:HOME}"),
        "best is elsewhere": files | {f"{checkpoints}/best.json": json.dumps({"checkpoint": str(victim), "value": 1.0})},
        "best climbs": files | {f"{checkpoints}/best.json": json.dumps({"checkpoint": "../../../victim", "value": 1.0})},
        "best is a list": files | {f"{checkpoints}/best.json": "[1]"},
        "laughs": files | {"config.yaml": f"{files['config.yaml'].decode()}\nlaughs:\n  a0: &a0 [ha, ha]\n{layers}"},
        "no text": files | {"config.yaml": b"\xff\xfe"},
        "deep": files | {"config.yaml": "[" * 3000},
        "pipe as the configuration": files | {"config.yaml": os.mkfifo},
        "pipe beside": files | {"checkpoints/pipe": os.mkfifo},
        "link out as a part": files | {"split/test.parquet": lambda path: path.symlink_to("/etc/passwd")},
        "link out as a folder": files | {"logs/csv2": lambda path: path.symlink_to(victim)},
    }
    shop_node = {"_target_": "mmrec.data.sources.demo_shop.dataset.demo_shop", "cache": str(victim), "archive": "victim.zip"}
    profiler = {"_target_": "lightning.pytorch.profilers.SimpleProfiler", "dirpath": str(victim), "filename": "x"}
    places = {
        "pictures": ("data.pictures", f"file://{victim}"),
        "a shop": ("data", shop_node),
        "an archive": ("data.archive", "victim.zip"),
        "an encoder": ("encoders.text.path_or_name", "victim"),
        "weights": ("encoders.image.pretrained", "victim/weights.safetensors"),
        "hosts": ("data.allow_hosts", ["127.0.0.1"]),
        "a profiler": ("trainer.profiler", profiler),
        "a folder of the trainer": ("trainer.default_root_dir", "victim"),
    }
    literals = ("seed", "n_seeds", "evidence", "evidence.text", "filter.min_rating", "data.columns", "data_module.seed", "task.ks")
    found |= {f"place: {name}": configured(*place) for name, place in places.items()}
    found |= {f"call: {key}": configured(key, call) for key in literals}
    allowed = {"_target_": "mmrec.nn.fusion.mean.MeanFusion"}  # which may be built, but not there
    return found | {f"object: {key}": configured(key, allowed) for key in literals}


def _trained(shop: Path) -> dict[str, bytes]:
    """The files of a run of one epoch, of which this machine remembers nothing."""
    shop.mkdir(parents=True)
    (shop / "interactions.csv").write_text(f"user_id,item_id,timestamp\n{SHOP}")
    (shop / "items.csv").write_text("item_id,title\n" + "".join(f"i{item},lamp {item}\n" for item in range(20)))
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, XDG_STATE_HOME=f"{folder}/state"):
        register_schemas()
        words = ["evidence.text=false", "evidence.image=false", "linear=none", "trend=none", "baselines=none", "model.embedding_dim=4"]
        paths = [f"data.path={shop}", f"paths.cache={folder}/cache", f"run_dir={folder}/run"]
        with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
            run = train(hydra.compose("train", ["data=folder", "trainer=debug", "trainer.max_epochs=1", *words, *paths]))
        return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def _with(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The same with another value at a dotted key."""
    name, _, rest = key.partition(".")
    return values | {name: _with(values.get(name) or {}, rest, value) if rest and "/" not in name else value}
