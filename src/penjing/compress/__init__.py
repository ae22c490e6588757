"""The workshop: teachers, students, distillation, tasks."""
