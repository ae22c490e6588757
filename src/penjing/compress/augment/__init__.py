"""New sentences out of old ones, for a teacher to label: as TinyBERT makes them, and as the BiLSTM's authors do."""
