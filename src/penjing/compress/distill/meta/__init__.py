"""Meta-KD (Pan et al. 2020, arXiv 2012.01266): a teacher that knows what carries over between domains, and what a
student learns from it. No public code trains this objective; each term stands here as a plain function."""
