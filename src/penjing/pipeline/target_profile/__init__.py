"""Latency prediction from a device's own measurements: a table of small models, linear fits, students foretold."""
