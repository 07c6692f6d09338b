"""Builds, trains, evaluates and exports the expression networks."""
