"""The release's number, which the agent and the collector tell each other."""

VERSION = "0.1.0"
