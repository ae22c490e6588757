"""The judge: runs bundles on a target and says what they cost. Light to import: cold starts are timed through it."""
