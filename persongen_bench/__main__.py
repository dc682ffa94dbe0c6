"""`python -m persongen_bench` is `pgbench`."""

from persongen_bench.cli import main

main()
