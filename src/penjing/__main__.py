"""`python -m penjing`: the command `penjing`. `accelerate launch -m penjing run ...` trains with several processes."""

from .pipeline.cli import main

main()
