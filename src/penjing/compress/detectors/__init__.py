"""Anomaly detectors, one a file: `fit_...(samples) -> module`, a torch module that maps samples to scores.

Samples are [n, window, channels], a score is [n] and higher where a sample is more anomalous. The module holds the
scaler. Fitting is scikit-learn's where it has the algorithm. Left out: thresholds, which are calibrated for each
exported file.
"""
