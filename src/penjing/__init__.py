"""Penjing makes models fit phones and boards: a budget in, a proven bundle out."""

__version__ = "0.1.0"
