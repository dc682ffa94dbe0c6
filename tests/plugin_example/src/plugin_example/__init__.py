"""An example of a method package for persongen-bench."""
