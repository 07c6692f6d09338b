"""The expression model: its file and model card, the preprocessing of a crop, and the classifier that runs it."""
