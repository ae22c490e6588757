"""Published experiments that are no recipe: modules with a command line that write claims to docs/results."""
