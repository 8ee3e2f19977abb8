"""Training: from a recipe and labels to weights. Needs torch."""
