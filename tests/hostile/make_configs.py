"""Hostile configuration files, by name: of each the path below a folder of configuration, and the content."""

import json
from pathlib import Path

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202e\x9b"


def targets(owned: Path) -> dict[str, dict[str, object]]:
    """What no configuration may name, with arguments that it takes."""
    return {
        "os.system": {"command": f"mkdir {owned}"},
        "posix.system": {"command": f"mkdir {owned}"},
        "builtins.eval": {"source": "1"},
        "builtins.exec": {"source": "1"},
        "subprocess.Popen": {"args": ["mkdir", str(owned)]},
        "mmrec.files.storage.os.system": {"command": f"mkdir {owned}"},
        "mmrec.files.storage.os.mkdir": {"path": str(owned)},
        "mmrec.files.storage.write_text": {"target": str(owned), "text": "x"},
        "mmrec.files.checkpoint.write_checkpoint": {"folder": str(owned), "state": {}},
        "mmrec.files.checkpoint.remove_leftovers": {"parent": str(owned)},
        "mmrec.files.wheels.run_pip": {"arguments": ["install", "x"]},
        "mmrec.files.wheels.subprocess.run": {"args": ["mkdir", str(owned)]},
        "mmrec.data.pictures.decode.subprocess.Popen": {"args": ["mkdir", str(owned)]},
        "mmrec.cli.main.main": {},
        "mmrec.config.instantiate": {},
        "mmrec.config.import_module": {"name": "antigravity"},
        "mmrec.evaluation.pages.comparison_page.write_comparison": {"target": str(owned), "comparison": {}},
        "lightning.pytorch.cli.instantiate_class": {"args": str(owned), "init": {"class_path": "os.mkdir"}},
        "lightning.pytorch.cli.LightningCLI": {},
        "lightning.pytorch.core.saving.load_hparams_from_yaml": {"config_yaml": "/etc/passwd"},
        "lightning.pytorch.core.saving.save_hparams_to_yaml": {"config_yaml": str(owned), "hparams": {}},
        "lightning.pytorch.trainer.connectors.checkpoint_connector.torch.load": {"f": "x"},
        "lightning.pytorch.strategies.launchers.subprocess_script.subprocess.Popen": {"args": ["mkdir", str(owned)]},
        "lightning.pytorch.utilities.deepspeed.convert_zero_checkpoint_to_fp32_state_dict": {"checkpoint_dir": ".", "output_file": "x"},
        "lightning.pytorch.utilities.consolidate_checkpoint.os.system": {"command": f"mkdir {owned}"},
        "torch.load": {"f": "x"},
        "torch.hub.load": {"repo_or_dir": "a/b", "model": "c"},
        "torch.optim.optimizer.functools.partial": {},
        "numpy.load": {"file": "x", "allow_pickle": True},
        "data_modules.tabular.Path": {},
        "mmrec..data.folder.read_folder": {},
        ".os.system": {},
        "mmrec.\0": {},
        "hydra.utils.get_method": {"path": "os.system"},
        "hydra.utils.instantiate": {"config": {"_target_": "os.system"}},
    }


def configs(owned: Path) -> dict[str, dict[str, bytes | str]]:
    """Experiment files that name what no configuration may build, each as the split of a run, or are no proper YAML."""
    head = "# @package _global_\n"
    found: dict[str, bytes | str] = {}
    for name, arguments in targets(owned).items():
        found[name] = f"{head}split: {json.dumps({'_target_': name} | arguments)}\n"
    tag = f"!!python/object/apply:os.mkdir ['{owned}']"
    layers = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 4))
    found |= {
        "tag": f"{head}seed: {tag}\n",
        "tag of a new object": f"{head}seed: !!python/object/new:os.system ['mkdir {owned}']\n",
        "tag of a name": f"{head}seed: !!python/name:os.system\n",
        "tag of a module": f"{head}seed: !!python/module:antigravity\n",
        "target in a list": f"{head}trainer:\n  callbacks:\n  - _target_: os.mkdir\n    path: {owned}\n",
        "target deep down": f"{head}trainer:\n  strategy:\n    _target_: torch.optim.Adam\n    a:\n      _target_: os.mkdir\n",
        "target by reference": f"{head}trainer:\n  strategy: ${{evil}}\nevil:\n  _target_: os.mkdir\n  path: {owned}\n",
        "target is a list": f"{head}split:\n  _target_: [os, system]\n",
        "target is a number": f"{head}split:\n  _target_: 7\n",
        "unknown resolver": f"{head}seed: ${{eval:1}}\n",
        "reference in circles": f"{head}seed: ${{n_seeds}}\nn_seeds: ${{seed}}\n",
        "laughs": f"{head}split:\n  a0: &a0 [ha, ha]\n{layers}",
        "deep": head + "split: " + "[" * 3000 + "\n",
        "no yaml": head + "split: [\n",
        "no utf-8": b"# @package _global_\nseed: \xff\n",
        "escapes": head + f'split:\n  _target_: "{ESCAPES.encode("unicode_escape").decode()}"\n',
        "pickle": f"cos\nmkdir\n(S'{owned}'\ntR.",
    }
    return {name.replace("\0", "nul"): {"experiment/theirs.yaml": content} for name, content in found.items()}


def hydra_files(owned: Path) -> dict[str, dict[str, bytes | str]]:
    """Experiment files that turn Hydra's own parts against the person; these are given to the command line itself."""
    head = "# @package _global_\nhydra:\n"
    formatter = f"    formatters:\n      x:\n        (): os.mkdir\n        path: {owned}\n"
    found = {
        "callback": f"{head}  callbacks:\n    x:\n      _target_: os.mkdir\n      path: {owned}\n",
        "callback by reference": f"{head}  callbacks: ${{evil}}\nevil:\n  x:\n    _target_: os.mkdir\n    path: {owned}\n",
        "job logging": f"{head}  job_logging:\n    version: 1\n{formatter}",
        "hydra logging": f"{head}  hydra_logging:\n    version: 1\n{formatter}",
        "sweeper": f"{head}  mode: MULTIRUN\n  sweeper:\n    params:\n      _target_: os.mkdir\n      path: {owned}\n",
        "tag": f"# @package _global_\nseed: !!python/object/apply:os.mkdir ['{owned}']\n",
    }
    return {name: {"experiment/theirs.yaml": content} for name, content in found.items()}
