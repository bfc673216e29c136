"""Baselines of an earlier version's run: what they were is what they are read as, and it binds."""

from collections.abc import Callable

from omegaconf import DictConfig, OmegaConf, open_dict

from mmrec.config.check import check
from mmrec.config.older_baselines import translate_baselines
from mmrec.config.values import plain
from mmrec.schemas import TrainConfig

OLDER = {
    "bpr_mf": {
        "_target_": "mmrec.baselines.bpr_mf.BPRMF",
        "_partial_": True,
        "seed": 7,
        "space": {
            "embedding_dim": [32, 64],
            "learning_rate": [0.0005, 0.01, "log"],
            "regularization": [0.1, 0.2, "log"],
            "n_epochs": [30, 60],
        },
        "n_trials": 6,
    },
    "lightgcn": {
        "_target_": "mmrec.baselines.lightgcn.LightGCNBaseline",
        "_partial_": True,
        "seed": 7,
        "space": {"embedding_dim": [64], "n_layers": [1], "learning_rate": [0.01], "temperature": [0.1, 0.4, "log"], "n_epochs": [20]},
        "n_trials": 8,
    },
    "sasrec": {
        "_target_": "mmrec.baselines.sasrec.SASRec",
        "_partial_": True,
        "embedding_dim": 64,
        "n_heads": 2,
        "learning_rate": 0.001,
        "seed": 7,
    },
    "ease": {"_target_": "mmrec.models.closed_form.ease.EASE", "_partial_": True, "regularization": 3.0},
}


def test_they_bind_as_what_they_are_today(compose: Callable[..., DictConfig]) -> None:
    cfg, translated = compose("baselines=none"), translate_baselines(OLDER)
    with open_dict(cfg):
        cfg.baselines = OmegaConf.create(translated)
    check(cfg, TrainConfig)
    assert translate_baselines(translated) == translated and translated["ease"] == OLDER["ease"]


def test_every_argument_is_where_it_belongs_now(compose: Callable[..., DictConfig]) -> None:
    translated = translate_baselines(OLDER)
    bpr_mf, lightgcn, sasrec = (translated[name] for name in ("bpr_mf", "lightgcn", "sasrec"))
    assert bpr_mf["space"]["model"] == {"embedding_dim": [32, 64], "regularization": [0.2, 0.4, "log"]}
    assert bpr_mf["space"]["n_epochs"] == [30, 60] and bpr_mf["n_trials"] == 6 and bpr_mf["seed"] == 7
    assert lightgcn["space"]["loss"] == {"temperature": [0.1, 0.4, "log"]} and lightgcn["model"]["cosine"]
    assert sasrec["model"]["embedding_dim"] == 64 and sasrec["learning_rate"] == 0.001 and "space" not in sasrec
    today = plain(compose("baselines=[bpr_mf,lightgcn,sasrec]"))["baselines"]
    assert lightgcn["model"] == today["lightgcn"]["model"] and bpr_mf["loss"] == today["bpr_mf"]["loss"]
