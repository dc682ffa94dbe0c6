"""An example of a package for persongen-bench, with one thing of every kind."""
