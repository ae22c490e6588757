"""An ARM core without ARM hardware: a Debian userland, a board's files, a user-mode emulator, a counting plugin."""
