"""Pattern-exploiting training (Schick and Schuetze 2021, arXiv 2001.07676): a word for each class, guessed at the mask.

s(l | x) is the masked-LM head's logit of the word of class l, q its softmax over the classes, and the loss the
cross-entropy of q and the true class (section 3.1). Left out: the masked-LM loss beside it (its weight is 1e-4 there),
several models of one pattern, the generations of iPET, and classes of several words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from ...runtime.errors import TrainingError
from ..masked_lm import MaskedLm
from ..tokens import Batch
from .prompting import Prompting


def pattern_exploiting(tokenizer: Any, labels: Sequence[str], words: Mapping[str, str]) -> Prompting:
    """How a masked LM learns the classes by their words. Raises TrainingError as `word_ids` does."""
    ids = word_ids(tokenizer, labels, words)

    def read(model: MaskedLm, batch: Batch, asked: Tensor) -> Tensor:
        logits: Tensor = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, asked)
        return logits[:, ids].float()

    return Prompting(read, word_loss, lambda scores, _known, _labels: scores)


def word_ids(tokenizer: Any, labels: Sequence[str], words: Mapping[str, str]) -> list[int]:
    """The token of each class's word, in the order of `labels`.

    Raises TrainingError for a class without a word, a word that is not one token, and a token of two classes.
    """
    found: dict[int, str] = {}
    for label in labels:
        if label not in words:
            raise TrainingError(f"few_shot.words has no word for {label!r}: give each of task.labels one")
        word = words[label]
        ids = tokenizer(word, add_special_tokens=False)["input_ids"]
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            pieces = " ".join(tokenizer.convert_ids_to_tokens(ids)) or "nothing"
            raise TrainingError(
                f"few_shot.words: {word!r} for {label!r} is {pieces} to the teacher, not one token: choose a word that"
                " its vocabulary has"
            )
        if ids[0] in found:
            raise TrainingError(
                f"few_shot.words: {word!r} for {label!r} is the same token as that of {found[ids[0]]!r}: choose another"
            )
        found[ids[0]] = label
    return list(found)


def word_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the classes' words alone, not over the vocabulary. [batch, labels] and [batch]."""
    return F.cross_entropy(scores, labels)
