"""One architecture a file, plain torch."""
