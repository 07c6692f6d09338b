"""Training runs: from a recipe and data to a calibrated network in its folder."""
