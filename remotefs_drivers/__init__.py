"""Cinder volume drivers that keep volumes as files on shared file systems."""
