#!/usr/bin/env python3
"""Brings a model trained in PyTorch into Lapwing, and back.

tools/export_pytorch.py CHECKPOINT VOCABULARY.json FOLDER
    CHECKPOINT is a state_dict of `Sequence` below (torch.save); VOCABULARY.json a list of [name, count], the most frequent
    first. Classes of the model: 0 unknown, 1 start of a session, then the names in their order (a class each). FOLDER gets the
    files that `SequenceBundle::load` verifies.
tools/export_pytorch.py --read FOLDER
    Reads a model that Lapwing wrote and prints, for a session on standard input (a JSON list of classes), the logarithms of
    the probabilities of all classes in the place of each token: a JSON list of lists.

Needs the packages torch and safetensors.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
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
    description = {"format": "lapwing-sequence", "version": 1, "shape": shape}
    description["vocabulary"] = {"classes": classes, "names": names}
    (folder / "sequence.json").write_text(json.dumps(description))
    files = {path.name: path.read_bytes() for path in (weights, folder / "sequence.json")}
    checksums = "".join(f"{zlib.crc32(data):08x} {len(data)} {name}\n" for name, data in files.items())
    (folder / "sequence.crc32").write_text(checksums)


def read(folder):
    """The `Sequence` of a model that Lapwing wrote."""
    shape = json.loads((Path(folder) / "sequence.json").read_text())["shape"]
    model = Sequence(**shape)
    model.load_state_dict(load_file(Path(folder) / "sequence.safetensors"))
    return model


def predicted(model, session):
    """Log-probabilities in the place of each token of a session, [length][classes]."""
    return model(torch.tensor([1, *session[:-1]])[None])[0].log_softmax(-1)


def fixture(folder):
    """The fixture of the tests in crates/learn: a random model, a session, PyTorch's log-probabilities, and its gradient."""
    torch.manual_seed(7)
    model = Sequence(24, feed_forward=16)
    for name, parameter in model.named_parameters():
        if name.endswith("distance"):
            nn.init.normal_(parameter, std=0.5)
        if "norm" in name:
            nn.init.normal_(parameter, 1, 0.2)
    export(model.state_dict(), [[f"t{i}", 100 - i] for i in range(22)], folder)
    session = torch.randint(2, 24, (50,)).tolist()
    with torch.no_grad():
        logits = predicted(model, session)
    # In double precision, of two pieces as in one step of training; the second one's first three targets do not count.
    model = model.double()
    pieces = [(session, 0), (session[10:25], 3)]
    losses = [-predicted(model, piece)[range(first, len(piece)), piece[first:]] for piece, first in pieces]
    loss = torch.cat(losses).mean()
    loss.backward()
    save_file({name: x.grad.float() for name, x in model.named_parameters()}, Path(folder) / "gradient.safetensors")
    expected = {"session": session, "log_probabilities": logits.tolist(), "loss": loss.item()}
    (Path(folder) / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fixture"] and len(sys.argv) == 3:
        fixture(sys.argv[2])
    elif sys.argv[1:2] == ["--read"] and len(sys.argv) == 3:
        with torch.no_grad():
            print(json.dumps(predicted(read(sys.argv[2]), json.load(sys.stdin)).tolist()))
    elif len(sys.argv) == 4:
        export(torch.load(sys.argv[1], weights_only=True), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3])
    else:
        sys.exit(__doc__)
