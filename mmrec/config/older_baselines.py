"""Translate baselines of earlier versions, which trained themselves, to models and trainings of the current version."""

from typing import Any

_MODELS = "mmrec.models.collaborative"
_NO_SCORES = {"_target_": "mmrec.losses.bpr", "_partial_": True, "temperature": 1.0}
_TODAY: dict[str, dict[str, Any]] = {
    "BPRMF": {
        "model": {
            "_target_": f"{_MODELS}.matrix_factorization.MatrixFactorizationRecommender",
            "_partial_": True,
            "sparse_gradients": False,
            "item_bias": True,
        },
        "loss": _NO_SCORES,
    },
    "LightGCNBaseline": {
        "model": {"_target_": f"{_MODELS}.lightgcn.LightGCNRecommender", "_partial_": True, "regularization": 0.0, "cosine": True},
        "loss": {"_target_": "mmrec.losses.sampled_softmax", "_partial_": True},
        "batch_of": "users",
        "batch_size": 128,
        "n_negatives": 4096,
    },
    "SASRec": {
        "model": {"_target_": f"{_MODELS}.sasrec.SASRec", "_partial_": True},
        "loss": _NO_SCORES,
        "batch_of": "users",
        "batch_size": 16,
    },
}
"""By the class name of the earlier baseline."""
_OF_TRAINING, _OF_LOSS = ("learning_rate", "n_epochs", "seed"), ("temperature",)


def translate_baselines(baselines: dict[str, Any]) -> dict[str, Any]:
    """The nodes of all baselines, with those of earlier versions translated."""
    return {name: _translated(node) if _is_older(node) else node for name, node in baselines.items()}


def _is_older(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get("_target_")).rpartition(".")[2] in _TODAY


def _translated(node: dict[str, Any]) -> dict[str, Any]:
    kind = node["_target_"].rpartition(".")[2]
    training: dict[str, Any] = {"_target_": "mmrec.tasks.plain_training.PlainTraining", "_partial_": True}
    training |= {key: dict(value) if isinstance(value, dict) else value for key, value in _TODAY[kind].items()}
    beside = {key: node[key] for key in ("n_trials",) if key in node}
    for name, value in node.items():
        if name not in ("_target_", "_partial_", "space", *beside):
            _put(training, name, _regularization_of_today(kind, name, value))
    space: dict[str, Any] = {}
    for name, values in node.get("space", {}).items():
        _put(space, name, [_regularization_of_today(kind, name, value) for value in values])
    return training | ({"space": space} if space else {}) | beside


def _put(node: dict[str, Any], name: str, value: Any) -> None:
    """Move an argument to its current place: the training, its loss or its model."""
    if name in _OF_TRAINING:
        node[name] = value
    else:
        node.setdefault("loss" if name in _OF_LOSS else "model", {})[name] = value


def _regularization_of_today(kind: str, name: str, value: Any) -> Any:
    """Convert the regularization of BPR-MF, whose penalty lacked the factor ½."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return 2 * value if kind == "BPRMF" and name == "regularization" and is_number else value
