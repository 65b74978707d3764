"""The command line as a stranger uses it: real processes, real files, what is on the screen and on the disk."""
