"""The wall: a method lives in a process with a training view and a stack, and nothing else."""
