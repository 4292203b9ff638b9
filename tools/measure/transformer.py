#!/usr/bin/env python3
"""Times the sequence model in PyTorch on one CPU: transformer.py speed|training

Prints JSON. speed: {"50000": events per CPU-second with a ring of keys and values per session, as Lapwing serves it}; training:
{"64": windows of 20 tokens per CPU-second in steps of 64 windows, "256": the same in steps of 256}.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from export_pytorch import HEAD, HEADS, WIDTH, WINDOW, Sequence

CLASSES, SESSIONS, BATCH = 512, 50_000, 256


class Served:
    """The last keys and values of each session, by place in its ring."""

    def __init__(self, model, sessions):
        self.model = model
        rings = (sessions, len(model.layers), WINDOW, HEAD)
        self.keys, self.values = torch.randn(rings), torch.randn(rings)
        self.position = torch.full((sessions,), WINDOW)

    def step(self, sessions, tokens, targets):
        """Surprise and rank of `targets` after `tokens`, a token each of different sessions."""
        position = self.position[sessions]
        slot, back = position % WINDOW, (position[:, None] - torch.arange(WINDOW)) % WINDOW
        x = self.model.embedding(tokens)
        for at, layer in enumerate(self.model.layers):
            q, k, v = layer.qkv(layer.norm1(x)).split([WIDTH, HEAD, HEAD], -1)
            self.keys[sessions, at, slot] = k
            self.values[sessions, at, slot] = v
            score = q.view(-1, HEADS, HEAD) @ self.keys[sessions, at].transpose(1, 2) / HEAD**0.5
            score = score + layer.distance[:, back].transpose(0, 1)
            x = x + layer.out((score.softmax(-1) @ self.values[sessions, at]).reshape(-1, WIDTH))
            x = x + layer.down(F.relu(layer.up(layer.norm2(x))))
        self.position[sessions] = position + 1
        logits = self.model.head(self.model.norm(x))
        own = logits.gather(1, targets[:, None])
        return logits.logsumexp(-1) - own[:, 0], (logits > own).sum(-1)


def median(call, events, runs=5):
    rates = []
    for _ in range(runs):
        begin = time.process_time()
        call()
        rates.append(events / (time.process_time() - begin))
    return sorted(rates)[runs // 2]


def speed():
    served = Served(Sequence(CLASSES), SESSIONS)
    batches = [(torch.randperm(SESSIONS)[:BATCH], *torch.randint(2, CLASSES, (2, BATCH))) for _ in range(60)]
    with torch.inference_mode():
        return {str(SESSIONS): median(lambda: [served.step(*batch) for batch in batches], 60 * BATCH)}


def training():
    rates = {}
    for windows in (64, 256):
        model = Sequence(CLASSES)
        adam = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
        batches = torch.randint(2, CLASSES, (1_536 // windows, windows, WINDOW))

        def steps():
            for batch in batches:
                tokens = torch.cat([torch.ones(windows, 1, dtype=torch.long), batch[:, :-1]], 1)
                loss = F.cross_entropy(model(tokens).flatten(0, 1), batch.flatten())
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                adam.step()

        steps()
        rates[str(windows)] = median(steps, 1_536)
    return rates


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(1)
    json.dump({"speed": speed, "training": training}[sys.argv[1]](), sys.stdout)
