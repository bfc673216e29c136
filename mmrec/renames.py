"""The current names of configuration keys and `_target_` names of earlier versions, so that saved runs can be read."""

from typing import Any

MODULES = {
    "mmrec.baselines.content_knn": "mmrec.models.closed_form.content_knn",
    "mmrec.baselines.ease": "mmrec.models.closed_form.ease",
    "mmrec.baselines.ials": "mmrec.models.closed_form.ials",
    "mmrec.baselines.item_knn": "mmrec.models.closed_form.item_knn",
    "mmrec.baselines.popularity": "mmrec.models.popularity.popularity",
    "mmrec.baselines.random": "mmrec.models.popularity.random",
    "mmrec.baselines.recent_popularity": "mmrec.models.popularity.recent_popularity",
    "mmrec.baselines.rp3beta": "mmrec.models.closed_form.rp3beta",
    "mmrec.baselines.sasrec": "mmrec.models.collaborative.sasrec",
    "mmrec.baselines.slim": "mmrec.models.closed_form.slim",
    "mmrec.baselines.user_knn": "mmrec.models.closed_form.user_knn",
    "mmrec.data.amazon": "mmrec.data.sources.amazon",
    "mmrec.data.demo_shop": "mmrec.data.sources.demo_shop.dataset",
    "mmrec.data.folder": "mmrec.data.folder.read",
    "mmrec.data.grouplens": "mmrec.data.sources.grouplens",
    "mmrec.data.kgat": "mmrec.data.sources.kgat",
    "mmrec.data.mmrec_toolbox": "mmrec.data.sources.mmrec_toolbox",
    "mmrec.data.movielens": "mmrec.data.sources.movielens_100k",
    "mmrec.data.recbole": "mmrec.data.sources.recbole",
    "mmrec.data.split": "mmrec.data.interactions.split",
    "mmrec.models.bm3": "mmrec.models.multimodal.bm3",
    "mmrec.models.freedom": "mmrec.models.multimodal.freedom",
    "mmrec.models.fusion": "mmrec.models.multimodal.fusion",
    "mmrec.models.kgat": "mmrec.models.knowledge.kgat",
    "mmrec.models.kgin": "mmrec.models.knowledge.kgin",
    "mmrec.models.lattice": "mmrec.models.multimodal.lattice",
    "mmrec.models.lightgcn": "mmrec.models.collaborative.lightgcn",
    "mmrec.models.linear": "mmrec.models.priors.linear",
    "mmrec.models.matrix_factorization": "mmrec.models.collaborative.matrix_factorization",
    "mmrec.models.mgcn": "mmrec.models.multimodal.mgcn",
    "mmrec.models.spectral": "mmrec.models.priors.spectral",
    "mmrec.models.trend": "mmrec.models.priors.trend",
    "mmrec.models.vbpr": "mmrec.models.multimodal.vbpr",
}
"""By module of an earlier version: the module that now contains the same names."""

KEYS = {"text_encoder": "encoders.text", "image_encoder": "encoders.image", "evidence.others": "further_evidence"}
"""By key of an earlier version: the current key."""


def renamed_key(key: str) -> str | None:
    """Return the current name of a dotted key of an earlier version; None for all others."""
    found = next((before for before in KEYS if f"{key}.".startswith(f"{before}.")), None)
    return None if found is None else KEYS[found] + key.removeprefix(found)


def rename_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Return a plain configuration with keys of an earlier version moved to their current places, unless these are set."""
    values = dict(values)
    for group in ("text", "image"):
        if f"{group}_encoder" in values:
            values["encoders"] = {group: values.pop(f"{group}_encoder"), **(values.get("encoders") or {})}
    if isinstance(evidence := values.get("evidence"), dict) and "others" in evidence:
        values["evidence"] = {name: value for name, value in evidence.items() if name != "others"}
        values.setdefault("further_evidence", evidence["others"])
    return values


def renamed(target: str) -> str:
    """Return the current dotted name for one of an earlier version, and any other name unchanged."""
    module, _, name = target.rpartition(".")
    return f"{MODULES[module]}.{name}" if module in MODULES else target


def rename_targets(node: Any) -> Any:
    """Return a plain configuration with every `_target_` renamed, at any depth."""
    if isinstance(node, list):
        return [rename_targets(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {key: renamed(value) if key == "_target_" and isinstance(value, str) else rename_targets(value) for key, value in node.items()}
