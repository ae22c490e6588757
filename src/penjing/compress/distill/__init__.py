"""Distillation: losses as plain functions, the teacher's outputs on disk, and the two phases."""
