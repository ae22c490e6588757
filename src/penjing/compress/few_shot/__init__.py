"""Teachers that are made from a few labelled texts and, where there is any, plain text."""
