"""The names of the splits, and the other names that people and data sets have for them."""

SPLIT_BY_NAME = {
    "training": "Training", "train": "Training",
    "publictest": "PublicTest", "public": "PublicTest",
    "privatetest": "PrivateTest", "private": "PrivateTest",
    "test": "Test", "testing": "Test",
    "validation": "Validation", "val": "Validation", "valid": "Validation",
}  # fmt: skip
"""FER-2013 as folders merges PublicTest and PrivateTest into test/, hence the separate name Test."""


def split_name(name: str) -> str:
    """The split that a folder, a CSV's column Usage or the option --split means; any other name as it is."""
    stripped = name.strip()
    return SPLIT_BY_NAME.get(stripped.lower(), stripped)
