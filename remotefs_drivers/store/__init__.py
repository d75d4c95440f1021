"""What the library does to files on a share."""
