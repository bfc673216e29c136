"""mmrec.evaluation.compare.run_labels: what sets a run apart, and what does not."""

import pytest

from mmrec.evaluation.compare.run_labels import run_labels

FULL = {"evidence.text": True, "evidence.image": True, "evidence.kg": True, "seed": 1}


@pytest.mark.parametrize(
    ("configs", "labels"),
    [
        ([{"seed": 1}, {"seed": 2}], ["seed=1", "seed=2"]),
        ([{"a.b": None}, {"a.b": 0.5}], ["a.b=null", "a.b=0.5"]),
        ([{"seed": 1}, {"seed": 1}], ["one", "two"]),
        ([{}, {}], ["one", "two"]),
        (
            [FULL | {f"evidence.{name}": False} for name in ("text", "image")],
            ["evidence.text=false evidence.image=true", "evidence.text=true evidence.image=false"],
        ),
        (
            [FULL, *(FULL | {f"evidence.{name}": False} for name in ("text", "image", "kg"))],
            ["base", "evidence.text=false", "evidence.image=false", "evidence.kg=false"],
        ),
        ([{"seed": 1, "data.cache": "x", "baselines.ease": None}, {"seed": 2, "data.cache": "y"}], ["seed=1", "seed=2"]),
        (
            [{"seed": 1, "run_dir": "a", "paths.runs": "x", "logger.csv.save_dir": "a"}, {"seed": 1, "run_dir": "b", "paths.runs": "y"}],
            ["one", "two"],
        ),
        (
            [
                {"fusion._target_": "m.nn.AttentionFusion", "fusion.n_heads": 4, "fusion.n_layers": 2},
                {"fusion._target_": "m.nn.MeanFusion"},
            ],
            ["fusion=AttentionFusion", "fusion=MeanFusion"],
        ),
        ([{"seed": 1}, {"seed": 1}, {"seed": 2}], ["one", "two", "seed=2"]),
    ],
)
def test_labels(configs: list[dict], labels: list[str]) -> None:
    assert run_labels(configs, ["one", "two", "three", "four"][: len(configs)]) == labels
