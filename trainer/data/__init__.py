"""Training and test data: datasets, splits, targets, batches and augmentation."""
