"""Sentences, and a text CNN (Kim 2014) that learns them, from labels alone or from the but-rule of Hu et al. too."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from filterscope.operators.rules.formula import Atom, parse, truth
from filterscope.operators.rules.posterior import project

#: The sentiment of a sentence "A but B" is that of B. Conjunctions of many atoms are means, as in the paper.
BUT = parse("concept:but => mean(label:positive => concept:clause, concept:clause => label:positive)")
C, LENGTH, PADDING = 6.0, 40, 4


@dataclass(frozen=True)
class Sentences:
    """Sentences as numbers of words, int64 (n, LENGTH + 2 * PADDING); what follows "but"; whether it has one; the label."""

    words: np.ndarray
    clause: np.ndarray
    but: np.ndarray
    label: np.ndarray


def read(folder: Path) -> tuple[dict[str, Sentences], int]:
    """Return the three splits of SST2 by name, and the number of words; 0 is padding and 1 a word not seen in training."""
    lines = {
        split: [line.split() for line in (folder / f"stsa.binary.{split}").read_text("utf-8").splitlines()]
        for split in ("train", "dev", "test")
    }
    known = {word: n for n, word in enumerate(sorted({w for _, *words in lines["train"] for w in words}), 2)}
    return {split: _numbered(found, known) for split, found in lines.items()}, len(known) + 2


def _numbered(lines: list[list[str]], known: dict[str, int]) -> Sentences:
    words, clauses, but = [], [], []
    for _, *text in lines:
        has = "but" in text[1:-1]
        but.append(has)
        words.append(_padded(text, known))
        clauses.append(_padded(text[len(text) - text[::-1].index("but") :] if has else text, known))
    return Sentences(np.array(words), np.array(clauses), np.array(but), np.array([int(line[0]) for line in lines]))


def _padded(text: list[str], known: dict[str, int]) -> list[int]:
    numbers = [known.get(word, 1) for word in text[:LENGTH]]
    return [0] * PADDING + numbers + [0] * (LENGTH - len(numbers) + PADDING)


class TextCNN(nn.Module):
    """Embeddings, filters over 3, 4 and 5 words, their maxima, dropout, two scores."""

    def __init__(self, words: int, dims: int, filters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dims, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        self.convolutions = nn.ModuleList([nn.Conv1d(dims, filters, size) for size in (3, 4, 5)])
        self.linear = nn.Linear(3 * filters, 2)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        maps = self.embedding(words).transpose(1, 2)
        pooled = torch.cat([functional.relu(one(maps)).amax(2) for one in self.convolutions], 1)
        return self.linear(functional.dropout(pooled, 0.5, self.training))


def imposed(log_p: np.ndarray, clause: np.ndarray, but: np.ndarray) -> np.ndarray:
    """Return the posterior (n, 2) with the but-rule, from log-probabilities (n, 2) and the positive share of the clauses."""
    values = {
        Atom("label", "positive"): np.array([[0.0, 1.0]]),
        Atom("concept", "clause"): clause[:, None].astype(float),
        Atom("concept", "but"): but[:, None].astype(float),
    }
    return project(log_p.astype(float), C * (1 - truth(BUT, values)))


def trained(
    data: Sentences, words: int, seed: int, *, epochs: int, dims: int, filters: int, distil: bool, adam: bool = False
) -> TextCNN:
    """Return a network after epochs of AdaDelta, or of Adam, which is quicker, in batches of 50; the teacher has 1 - .95^t."""
    torch.manual_seed(seed)
    rng, network = np.random.default_rng(seed), TextCNN(words, dims, filters)
    adadelta = torch.optim.Adadelta(network.parameters(), lr=1.0, rho=0.95)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3) if adam else adadelta
    batches, step = -(-len(data.label) // 50), 0
    for _ in range(epochs):
        order = rng.permutation(len(data.label))
        for start in range(0, len(order), 50):
            rows = order[start : start + 50]
            log_p = functional.log_softmax(network(torch.from_numpy(data.words[rows])), 1)
            loss = functional.nll_loss(log_p, torch.from_numpy(data.label[rows]))
            if distil:
                network.eval()
                positive = told(network, data.clause[rows])[:, 1]
                network.train()
                q = imposed(log_p.detach().numpy(), np.exp(positive), data.but[rows])
                share = 1 - 0.95 ** (step / batches)
                loss = (1 - share) * loss - share * (torch.from_numpy(q).float() * log_p).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                norm = network.linear.weight.norm(dim=1, keepdim=True)
                network.linear.weight.mul_((3 / norm).clamp(max=1))
            step += 1
    return network.eval()


def told(network: TextCNN, words: np.ndarray) -> np.ndarray:
    """Return log-probabilities of sentences, float32 (n, 2)."""
    with torch.no_grad():
        batches = np.array_split(words, -(-len(words) // 500))
        parts = [functional.log_softmax(network(torch.from_numpy(part)), 1) for part in batches]
    return torch.cat(parts).numpy()


def measured(network: TextCNN, data: Sentences) -> dict[str, float]:
    """Return accuracies of network and posterior on all sentences and those with "but", and how many break the rule."""
    log_p, clause = told(network, data.words), np.exp(told(network, data.clause)[:, 1])
    p, q = log_p.argmax(1), imposed(log_p, clause, data.but).argmax(1)
    own = data.but
    return {
        "p": float((p == data.label).mean()),
        "q": float((q == data.label).mean()),
        "p on but": float((p == data.label)[own].mean()),
        "q on but": float((q == data.label)[own].mean()),
        "broken": float((p != (clause > 0.5))[own].mean()),
        "sentences": float(own.sum()),
    }


__all__ = ["BUT", "C", "Sentences", "TextCNN", "imposed", "measured", "read", "told", "trained"]
