"""Labelled images: their value, their files, their audit, folds, synthetic fields and download."""
