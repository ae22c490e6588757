"""Reaching a board over SSH: the connection, what is there, what is missing there, and a Python to run us."""
