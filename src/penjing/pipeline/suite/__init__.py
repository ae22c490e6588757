"""`penjing suite FILE`: a table of recipes and seeds, made, timed and compared with a baseline.

`run.py` is the table of contents. Left out: one recipe's own way (`../run.py`), and many data sets through many
detectors without bundles (`../detection/suite.py`).
"""
