"""The only room that runs programs, and the only one that knows qemu-img."""
