"""Sentence embeddings: contrastive training (SimCSE), what vectors are judged by, students of a teacher's."""
