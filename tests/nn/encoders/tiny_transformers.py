"""Transformers models of random weights, three layers and 16 numbers, of several families, with a text encoder of each."""

from pathlib import Path

import torch
import transformers

from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.text_network import Pooling, TextNetwork

N_WORDS, DIM, N_LAYERS = 24, 16, 3
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(13)), "lamp", "chair", "warm", "light", "soft", "seat"]
SIZES = {"vocab_size": N_WORDS, "hidden_size": DIM, "num_hidden_layers": N_LAYERS, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES: dict[str, transformers.PretrainedConfig] = {
    "bert": transformers.BertConfig(**SIZES, max_position_embeddings=40),
    "roberta": transformers.RobertaConfig(**SIZES, max_position_embeddings=40, pad_token_id=0),
    "modernbert": transformers.ModernBertConfig(**SIZES, max_position_embeddings=40, pad_token_id=0, local_attention=4),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=N_WORDS, dim=DIM, n_layers=N_LAYERS, n_heads=2, hidden_dim=32, max_position_embeddings=40
    ),
    "qwen3": transformers.Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8, max_position_embeddings=40, pad_token_id=0),
}
ROWS = [torch.tensor([2, 5, 6, 3]), torch.tensor([2, 7, 8, 9, 10, 11, 3]), torch.tensor([2, 12, 3])]
"""Three texts."""


def make_network(family: str = "bert", normalize: bool = False) -> TextNetwork:
    """A network in evaluation mode, always with the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(FAMILIES[family])
        for parameter in model.parameters():  # far from zero, so that all that happens can be seen
            parameter.data += 0.2 * torch.randn_like(parameter)
    return TextNetwork(model, Pooling("mean", normalize), 0).eval()


def make_encoder(folder: Path, family: str = "bert", pooling: str = "mean", prompt: str = "", dim: int | None = None) -> BertTextEncoder:
    """A model as transformers saves one, with a tokenizer that knows `WORDS`."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    make_network(family).model.save_pretrained(folder)  # type: ignore[operator]
    return BertTextEncoder("tiny", str(folder), None, pooling, 16, False, prompt, dim)
