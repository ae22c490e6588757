"""The line of sentence encoders: texts and a teacher in, a bundle that gives vectors out."""
