"""How good a model is: scores, calibration, statistical significance."""
