"""The release number, which the agent and the collector report to each other."""

VERSION = "0.1.0"
