"""The BiLSTM against torch's packed sequences, its published size, the siamese features, and the word tokenizer."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import AutoTokenizer

from penjing.compress.models.bilstm import (
    BiLstmClassifier,
    BiLstmConfig,
    features,
    fill_tables,
    sentence_spans,
    shifted,
)
from penjing.compress.models.bilstm_shipped import ShippedBiLstm
from penjing.compress.models.checkpoint import count_parameters
from penjing.compress.tokens import tokenize
from penjing.compress.word_tokenizer import (
    SPECIAL,
    choose_words,
    count_words,
    split_words,
    write_word_tokenizer,
)
from penjing.runtime.errors import DataError, TrainingError
from penjing.runtime.tokenizer import TextTokenizer

LENGTHS = (1, 4, 9, 2)


def tiny(**changes):
    torch.manual_seed(0)
    config = BiLstmConfig(
        vocab_size=30, embedding_size=6, hidden_size=5, classifier_size=7, **{"dropout": 0.5, **changes}
    )
    model = BiLstmClassifier(config, 3).eval()
    with torch.no_grad():
        for table in model.tables():
            table.weight.normal_()
    return model


def batch(lengths=LENGTHS, split=None):
    """Ids, mask and types; the second sentence of each text begins at its part of `split`."""
    longest = max(lengths)
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(1, 30, mask.shape, generator=torch.Generator().manual_seed(1)) * mask
    starts = torch.tensor(split if split is not None else [longest] * len(lengths))
    return ids, mask, (torch.arange(longest) >= starts[:, None]).long() * mask


def reference_states(model, ids, lengths):
    """torch's own packed LSTM over each sentence."""
    words = torch.cat([table(ids) for table in model.tables()], -1)
    packed = pack_padded_sequence(words, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    _, (last, _) = model.lstm(packed)
    return torch.cat([last[0], last[1]], -1)


def test_the_published_sst2_student_has_963_002_parameters_without_its_tables():
    model = BiLstmClassifier(BiLstmConfig(vocab_size=100), 2)
    total, without_tables = count_parameters(model)
    assert without_tables == 963_002
    assert total - without_tables == 2 * 300 * 100


@pytest.mark.parametrize("channels", ["both", "trained", "static"])
def test_channels_are_the_tables_side_by_side_and_only_one_learns(channels):
    model = tiny(channels=channels)
    assert [table.weight.requires_grad for table in model.tables()] == {
        "both": [False, True], "trained": [True], "static": [False],
    }[channels]  # fmt: skip
    assert model.lstm.input_size == 6 * len(model.tables())


def test_another_channel_is_refused_with_those_that_there_are():
    with pytest.raises(TrainingError, match="'all': give one of both, trained, static"):
        BiLstmConfig(vocab_size=10, channels="all")


@pytest.mark.parametrize("shipped", [False, True])
def test_padding_changes_nothing_in_either_direction(shipped):
    """A backward LSTM over padded rows begins with the padding: each text must get what it gets alone."""
    model = tiny()
    run = ShippedBiLstm(model).eval() if shipped else model
    ids, mask, types = batch()
    together = run(ids, mask, types)
    for row, length in enumerate(LENGTHS):
        alone = run(ids[row : row + 1, :length], mask[row : row + 1, :length], types[row : row + 1, :length])
        assert torch.allclose(together[row], alone[0], atol=1e-6)


@pytest.mark.parametrize("shipped", [False, True])
def test_both_states_are_those_of_packed_sequences(shipped):
    model = tiny()
    run = ShippedBiLstm(model).eval() if shipped else model
    ids, mask, types = batch()
    states = reference_states(model, ids, LENGTHS)
    expected = model.classifier(torch.relu(model.hidden(states)))
    assert torch.allclose(run(ids, mask, types), expected, atol=1e-6)


def test_the_backward_end_is_the_first_word():
    """Reading the last place of both directions, as one published code does, gives a direction that saw one word."""
    model = tiny()
    ids, mask, _ = batch((6,))
    changed = ids.clone()
    changed[0, 0] = (changed[0, 0] + 5) % 29 + 1
    backward = model._states(ids, mask.sum(1))[:, 5:], model._states(changed, mask.sum(1))[:, 5:]
    assert (backward[0] - backward[1]).abs().max() > 1e-2


def test_siamese_features_are_both_their_distance_and_their_product():
    u, v = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 0.5]])
    assert features([u, v]).tolist() == [[1, -2, 3, 0.5, 2, 2.5, 3, -1]]
    assert features([u]) is u


def test_the_pair_is_read_from_the_token_types():
    _, mask, types = batch((6, 4), split=(2, 3))
    (start, first), (middle, second) = sentence_spans(mask, types, True)
    assert (start.tolist(), first.tolist(), middle.tolist(), second.tolist()) == ([0, 0], [2, 3], [2, 3], [4, 1])
    assert shifted(torch.tensor([[7, 8, 9, 0]]), torch.tensor([2])).tolist() == [[9, 0, 0, 0]]


@pytest.mark.parametrize("shipped", [False, True])
def test_a_siamese_student_reads_each_sentence_alone_with_the_same_weights(shipped):
    model = tiny(siamese=True)
    run = ShippedBiLstm(model).eval() if shipped else model
    ids, mask, types = batch((9, 5, 7), split=(4, 1, 6))
    logits = run(ids, mask, types)
    for row, (length, start) in enumerate(((9, 4), (5, 1), (7, 6))):
        u = reference_states(model, ids[row : row + 1, :start], [start])
        v = reference_states(model, ids[row : row + 1, start:length], [length - start])
        expected = model.classifier(torch.relu(model.hidden(features([u, v]))))
        assert torch.allclose(logits[row], expected[0], atol=1e-6)


@pytest.mark.parametrize("shipped", [False, True])
def test_a_text_without_words_has_states_of_zero(shipped):
    model = tiny()
    run = ShippedBiLstm(model).eval() if shipped else model
    nothing = torch.zeros(1, 4, dtype=torch.int64)
    expected = model.classifier(torch.relu(model.hidden(torch.zeros(1, 10))))
    assert torch.allclose(run(nothing, nothing, nothing), expected)


def test_dropout_is_between_the_last_layers_of_a_single_student_only():
    for siamese in (False, True):
        model = tiny(siamese=siamese).train()
        texts = batch((6, 6), split=(3, 3))
        assert torch.equal(model(*texts), model(*texts)) is siamese


def test_tables_begin_with_the_vectors_of_known_words():
    model = tiny()
    static, trained = model.tables()
    before = trained.weight.clone()
    known = torch.arange(30) % 2 == 0
    fill_tables(model, torch.arange(180.0).reshape(30, 6), known)
    assert trained.weight[4].tolist() == static.weight[4].tolist() == list(range(24, 30))
    assert torch.equal(trained.weight[5], before[5]) and not static.weight[5].any()
    assert not trained.weight[0].any() and not static.weight[0].any()  # padding


def test_the_static_table_stays_as_it_is_while_the_other_learns():
    model = tiny().train()
    static, trained = model.tables()
    before = static.weight.clone(), trained.weight.clone()
    step = torch.optim.SGD(model.parameters(), 0.1)
    model(*batch()).square().sum().backward()
    step.step()
    assert torch.equal(static.weight, before[0]) and not torch.equal(trained.weight, before[1])


def test_a_student_learns_in_half_precision():
    """As `train` runs it where the machine has bf16."""
    model = tiny().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(*batch()).float().square().mean()
    loss.backward()
    assert np.isfinite(loss.item()) and model.lstm.weight_ih_l0_reverse.grad.abs().max() > 0


def test_words_are_lowered_and_punctuation_stands_alone():
    assert split_words("It's GREAT, déjà-vu!") == ["it", "'", "s", "great", ",", "déjà", "-", "vu", "!"]
    assert split_words("電影 good") == ["電", "影", "good"]


def test_the_words_that_matter_are_frequent_or_known_and_at_most_so_many():
    train, corpus = Counter({"bad": 5, "film": 5, "rare": 1, "gem": 1, "[UNK]": 9}), Counter({"wine": 4, "xyz": 9})
    known = {"gem", "wine", "bad"}.__contains__
    assert choose_words(train, corpus, known, 10) == ["bad", "film", "gem", "wine"]
    assert choose_words(train, corpus, known, 2) == ["bad", "film"]
    with pytest.raises(DataError, match="no word of the training text"):
        choose_words(Counter({"rare": 1}), Counter(), known, 10)


@pytest.fixture
def tokenizer_folder(tmp_path):
    texts = ["a good film", "a bad film , really", "walk"]
    write_word_tokenizer(sorted(count_words(texts)), tmp_path)
    return tmp_path


def test_the_runtime_reads_the_word_tokenizer_as_it_is(tokenizer_folder):
    names = json.loads((tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    by_id = {i: word for word, i in names.items()}
    encoded = TextTokenizer(tokenizer_folder, 6).encode(["A GOOD film, walking", "bad", "a [MASK] film " * 3])
    words = [[by_id[i] for i in row] for row in encoded.input_ids.tolist()]
    assert words[0] == ["a", "good", "film", ",", "[UNK]", "[PAD]"]  # "walk" is no piece of "walking"
    assert words[1] == ["bad", *["[PAD]"] * 5] and encoded.attention_mask[1].tolist() == [1, 0, 0, 0, 0, 0]
    assert words[2] == ["a", "[MASK]", "film"] * 2 and encoded.truncated == (False, False, True)
    assert [names[word] for word in SPECIAL] == [0, 1, 2]


def test_no_text_is_left_without_a_token(tokenizer_folder):
    """Control characters and lone accents, which BERT's own cleaning drops; an empty batch has no last state."""
    texts = ["\x07", "\u0301", "\u200b", "\ufffd", "\x00", "x" * 500]
    assert TextTokenizer(tokenizer_folder, 8).encode(texts).attention_mask.sum(1).tolist() == [1] * len(texts)


def test_a_long_text_is_cut_without_reading_all_of_it(tokenizer_folder):
    assert TextTokenizer(tokenizer_folder, 8)._cut_at_spaces


def test_training_and_hugging_face_read_it_alike(tokenizer_folder):
    text = "A good, really good FILM!"
    own = TextTokenizer(tokenizer_folder, 16).encode([text]).input_ids[0].tolist()
    assert tokenize([text], tokenizer_folder, 16).ids.tolist() == own
    assert AutoTokenizer.from_pretrained(tokenizer_folder)(text)["input_ids"] == own
