"""Stacks: the frozen pretrained models a run uses, by role."""
