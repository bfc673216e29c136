"""Image encoders: what each method trains, that training starts at the pretrained encoder, and that peft's format is exact."""

import re
from collections.abc import Iterator
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file

from mmrec.errors import ConfigError
from mmrec.nn.adapters.tuning import METHODS, NONE, Tuning
from mmrec.nn.encoders.tuned_pictures import TunedPictureNetwork
from tests.nn.encoders.tiny_clip_models import NAME, make_network, make_pictures, size_of, small_clip

RESNET = "tiny_clip"


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    with small_clip():
        yield


def make(architecture: str, method: str, **sizes: object) -> TunedPictureNetwork:
    torch.manual_seed(3)
    settings = {"rank": 2, "width": 4, "n_tokens": 3, **sizes}
    return TunedPictureNetwork(make_network(architecture), Tuning(method, of="image", **settings), size_of(architecture))  # type: ignore[arg-type]


def move(network: TunedPictureNetwork) -> None:
    """Change all that is trained."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for one in network.trained().values():
            one += 0.3 * torch.randn(one.shape, generator=generator)


@pytest.mark.parametrize("method", [method for method in METHODS if method != NONE])
@pytest.mark.parametrize("architecture", [NAME, RESNET])
def test_training_starts_at_the_pretrained_encoder_and_all_of_it_has_gradients(method: str, architecture: str) -> None:
    if architecture == RESNET and method in ("adalora", "adapters", "prefix"):
        with pytest.raises(ConfigError, match=rf"tune.image: {method} .* take lora, last_n or full"):
            make(architecture, method)
        return
    pictures = make_pictures(3, size_of(architecture))
    network, expected = make(architecture, method), make_network(architecture)(pictures).detach()
    found = network(pictures)
    if method == "prefix":
        assert (found - expected).norm(dim=1).min() > 1e-4
    else:
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    move(network)
    network(pictures)[:, :3].sum().backward()
    assert all(one.grad is not None for one in network.trained().values())
    assert (network(pictures) - found).norm(dim=1).min() > 1e-4


@pytest.mark.parametrize(
    ("architecture", "method", "trained"),
    [
        (NAME, "lora", {"transformer.resblocks.*.attn"}),
        (NAME, "adalora", {f"transformer.resblocks.*.mlp.{part}" for part in ("c_fc", "c_proj")}),
        (NAME, "adapters", {f"transformer.resblocks.*.{part}.{end}" for part in ("ls_1", "ls_2") for end in ("down", "up")}),
        (RESNET, "lora", {*(f"layer{n}.*.conv{m}" for n in (3, 4) for m in (1, 2, 3)), *(f"layer{n}.*.downsample.*" for n in (3, 4))}),
    ],
)
def test_what_is_trained_is_told_by_name(architecture: str, method: str, trained: set[str]) -> None:
    assert set(make(architecture, method).share().names) == trained


@pytest.mark.parametrize("architecture", [NAME, RESNET])
def test_last_n_trains_the_top_layers_and_what_follows(architecture: str) -> None:
    network = make(architecture, "last_n", n_layers=1)
    names = [name.removeprefix("model.") for name in network.trained()]
    top, head = ("transformer.resblocks.2.", ("ln_post.", "proj")) if architecture == NAME else ("layer4.", ("attnpool.",))
    assert all(name.startswith((top, *head)) for name in names) and all(any(name.startswith(one) for name in names) for one in (top, *head))
    everything = make(architecture, "full")
    assert everything.share().share == 1
    depths = {everything.depth_of(name) for name in everything.trained()}
    assert depths == (set(range(4)) if architecture == NAME else set(range(5)))


@pytest.mark.parametrize("architecture", [NAME, RESNET])
def test_merged_equals_adapter_and_peft_reads_it(architecture: str, tmp_path: Path) -> None:
    network, pictures = make(architecture, "lora"), make_pictures(3, size_of(architecture))
    move(network)
    expected = network(pictures).detach()
    network.save(tmp_path / "image")
    plain = make_network(architecture)
    plain.model = peft.PeftModel.from_pretrained(plain.model, str(tmp_path / "image")).eval()
    torch.testing.assert_close(plain(pictures), expected, atol=1e-5, rtol=1e-5)
    plain.model = plain.model.merge_and_unload()
    torch.testing.assert_close(plain(pictures), expected, atol=1e-5, rtol=1e-5)
    assert not any("lora" in name for name, _ in plain.named_parameters())
    saved = load_file(tmp_path / "image" / "adapter_model.safetensors")
    assert not any(value.any() for name, value in saved.items() if "out_proj" in name)  # versions of peft may differ in its scale


def test_the_frozen_weights_of_attention_stay_the_same_to_the_bit() -> None:
    """The forward of peft adds updates to them and subtracts them again, which leaves rounding errors."""
    network, pictures = make(NAME, "lora"), make_pictures(2)
    move(network)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    for _ in range(5):
        network(pictures).sum().backward()
    assert all(one.equal(before[name]) for name, one in network.state_dict().items())


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        (NAME, {"method": "lorra"}, "tune.image: `lorra` is no way to tune an encoder; did you mean `lora`"),
        (NAME, {"method": "lora", "rank": 33}, "tune.rank: transformer.resblocks.1.attn has a width of 32, which a rank of 33 exceeds"),
        (RESNET, {"method": "lora", "rank": 65}, "tune.rank: layer3.0.conv1 has a width of 64, which a rank of 65 exceeds"),
        (NAME, {"method": "lora", "n_layers": 4}, "tune.n_layers: the image encoder has 3 layers, found 4"),
        (NAME, {"method": "lora", "modules": ["atn"]}, "tune.image_modules: no map of a tuned layer is called `atn`; did you mean `attn`"),
        (NAME, {"method": "lora", "modules": ["attn.out_proj"]}, "an update of `attn.out_proj` alone would have no effect"),
        (NAME, {"method": "lora", "modules": ["c_fc", "out_proj"]}, "take `attn`, which updates its in_proj"),
        (NAME, {"method": "adalora", "modules": ["out_proj"]}, "take lora, which updates its in_proj"),
        (RESNET, {"method": "lora", "modules": ["q_proj"]}, "tune.image_modules: no map of a tuned layer is called `q_proj`"),
        (NAME, {"method": "adapters", "modules": ["c_fc"]}, "tune.image_modules: adapters follow both sublayers of a block"),
        (NAME, {"method": "last_n", "modules": ["c_fc"]}, "tune.image_modules: only lora, adalora and adapters change single modules"),
    ],
)
def test_what_does_not_fit_is_refused(architecture: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make(architecture, **settings)  # type: ignore[arg-type]


def test_what_has_no_effect_is_refused_by_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A safety net for models whose modules use weights of others without calling them."""
    from mmrec.nn.adapters import adapt_pictures

    monkeypatch.setattr(adapt_pictures, "_chosen", lambda *_: [f"transformer.resblocks.2.{part}" for part in ("mlp.c_fc", "attn.out_proj")])
    with pytest.raises(ConfigError, match=r"an update of `transformer.resblocks.2.attn.out_proj` has no effect on the vectors"):
        make(NAME, "lora")
