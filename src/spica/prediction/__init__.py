"""Prediction: many photos through one detector into a result folder or a submission."""
