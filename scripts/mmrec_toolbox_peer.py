"""FREEDOM and BM3 of the MMRec toolbox (enoche/MMRec) on the split of `bench_training.py`, which starts this in an interpreter of its own.

    python mmrec_toolbox_peer.py CHECKOUT FOLDER MODEL THREADS

CHECKOUT is a clone of the toolbox; its interpreter needs torch, numpy, pandas, pyyaml and scipy 1.11. FOLDER/data/ is a dataset in
the toolbox's layout (`data.inter`, `text_feat.npy`, `image_feat.npy`), FOLDER/settings.json what its configuration is to say. MODEL is
FREEDOM or BM3. The word `train` is one turn of the toolbox's own `Trainer.fit` over its own data loader: `pre_epoch_processing`, an epoch,
the schedule; no evaluation. All files of the toolbox that take part are used as they are. What is put in from outside:

- empty modules instead of `lmdb`, `matplotlib` and `utils.data_utils`, which it imports for reading pictures and drawing curves;
- nothing else.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from peer_turns import keep_stdout_for_answers, take_turns

UNUSED = {
    "lmdb": (),
    "matplotlib": (),
    "matplotlib.pyplot": (),
    "utils.data_utils": ("ImageResize", "ImagePad", "image_to_tensor", "load_decompress_img_from_lmdb_value"),
}
DATASET = "data"


def stand_in(name: str, attributes: tuple[str, ...]) -> None:
    """Makes `import name` find an empty module with these attributes."""
    sys.modules[name] = module = ModuleType(name)
    vars(module).update(dict.fromkeys(attributes))


def import_toolbox(checkout: Path) -> SimpleNamespace:
    """What takes part of the toolbox, which reads its configuration from the working directory and knows no package of its own."""
    os.chdir(checkout / "src")
    sys.path.insert(0, str(checkout / "src"))
    for name, attributes in UNUSED.items():
        stand_in(name, attributes)
    names = {"configurator": ["Config"], "dataset": ["RecDataset"], "dataloader": ["TrainDataLoader"]}
    names["utils"] = ["get_model", "get_trainer", "init_seed"]
    return SimpleNamespace(**{name: getattr(import_module(f"utils.{file}"), name) for file in names for name in names[file]})


def main() -> None:
    checkout, folder, model_name, threads = *(Path(path).resolve() for path in sys.argv[1:3]), sys.argv[3], int(sys.argv[4])
    answers = keep_stdout_for_answers()
    torch.set_num_threads(threads)
    toolbox = import_toolbox(checkout)
    settings = json.loads((folder / "settings.json").read_text())
    config = toolbox.Config(model_name, DATASET, settings | {"data_path": f"{folder}/"})
    train = toolbox.RecDataset(config).split()[0]
    print(train)  # counts its rows, which the loader asks for
    loader = toolbox.TrainDataLoader(config, train, batch_size=config["train_batch_size"], shuffle=True)
    toolbox.init_seed(config["seed"])
    loader.pretrain_setup()
    trainer = toolbox.get_trainer()(config, toolbox.get_model(model_name)(config, loader))

    def train_epoch() -> None:
        trainer.epochs = trainer.start_epoch + 1
        trainer.fit(loader)
        trainer.start_epoch += 1

    take_turns({"train": train_epoch}, answers)


if __name__ == "__main__":
    main()
