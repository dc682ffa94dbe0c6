"""Controls the benchmark itself must pass (`pgbench selftest`)."""
