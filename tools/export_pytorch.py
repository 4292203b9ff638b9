#!/usr/bin/env python3
"""Brings a model trained in PyTorch into Lapwing: tools/export_pytorch.py CHECKPOINT VOCABULARY.json FOLDER

CHECKPOINT is a state_dict of `Sequence` below (torch.save); VOCABULARY.json a list of [name, count], the most frequent first.
Classes of the model: 0 unknown, 1 start of a session, then the names in their order (a class each). FOLDER gets
sequence.safetensors and sequence.json, which `SequenceBundle::load` verifies. Needs torch and safetensors.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, HEAD, WINDOW = 64, 4, 16, 20


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class Layer(nn.Module):
    def __init__(self, feed_forward):
        super().__init__()
        self.norm1, self.norm2 = Norm(), Norm()
        self.qkv = nn.Linear(WIDTH, WIDTH + 2 * HEAD, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.distance = nn.Parameter(torch.zeros(HEADS, WINDOW))
        self.up = nn.Linear(WIDTH, feed_forward, bias=False)
        self.down = nn.Linear(feed_forward, WIDTH, bias=False)

    def forward(self, x):
        batch, length, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).split([WIDTH, HEAD, HEAD], -1)
        q = q.view(batch, length, HEADS, HEAD).transpose(1, 2)
        back = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        score = q @ k.transpose(1, 2)[:, None] / HEAD**0.5 + self.distance[:, back.clamp(0, WINDOW - 1)]
        score = score.masked_fill((back < 0) | (back >= WINDOW), float("-inf"))
        seen = (score.softmax(-1) @ v[:, None]).transpose(1, 2).reshape(batch, length, WIDTH)
        x = x + self.out(seen)
        return x + self.down(F.relu(self.up(self.norm2(x))))


class Sequence(nn.Module):
    """Logits of the next class, [batch][length][classes], of classes [batch][length] that begin with 1."""

    def __init__(self, classes, layers=2, feed_forward=256):
        super().__init__()
        self.embedding = nn.Embedding(classes, WIDTH)
        self.layers = nn.ModuleList(Layer(feed_forward) for _ in range(layers))
        self.norm = Norm()
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def export(state, names, folder):
    """Writes a state_dict of `Sequence` and its names with counts as files that Lapwing reads."""
    classes, layers = state["embedding.weight"].shape[0], sum(key.endswith(".distance") for key in state)
    if classes != len(names) + 2:
        sys.exit(f"error: the model has {classes} classes, but {len(names)} names need {len(names) + 2}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "sequence.safetensors"
    save_file({key: value.float().contiguous() for key, value in state.items()}, weights)
    shape = {"classes": classes, "layers": layers, "feed_forward": state["layers.0.up.weight"].shape[0]}
    vocabulary = {"classes": classes, "names": names}
    description = {"format": "lapwing-sequence", "version": 1, "shape": shape, "weights_bytes": weights.stat().st_size}
    (folder / "sequence.json").write_text(json.dumps(description | {"vocabulary": vocabulary, "thresholds": {}}))


def fixture(folder):
    """The fixture of the test in crates/learn: a random model, a session, and PyTorch's logits."""
    torch.manual_seed(7)
    model = Sequence(24, feed_forward=16)
    for layer in model.layers:
        nn.init.normal_(layer.distance, std=0.5)
        nn.init.normal_(layer.norm1.weight, 1, 0.2)
    export(model.state_dict(), [[f"t{i}", 100 - i] for i in range(22)], folder)
    session = torch.randint(2, 24, (50,))
    with torch.no_grad():
        logits = model(torch.cat([torch.tensor([1]), session[:-1]])[None])[0].log_softmax(-1)
    (Path(folder) / "expected.json").write_text(json.dumps({"session": session.tolist(), "log_probabilities": logits.tolist()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fixture"] and len(sys.argv) == 3:
        fixture(sys.argv[2])
    elif len(sys.argv) == 4:
        export(torch.load(sys.argv[1], weights_only=True), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3])
    else:
        sys.exit(__doc__)
