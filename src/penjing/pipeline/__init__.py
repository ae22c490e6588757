"""The foreman: recipe, stages, resume, command line, report."""
