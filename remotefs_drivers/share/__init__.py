"""Shares: which there are, how they are mounted, how they fare."""
