"""Deploys mien to servers and Raspberry Pis."""
