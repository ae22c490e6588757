"""Pruning: choose what a model can do without, show it as a plan, cut it out."""
