"""The boards that ship, one TOML file each; `persongen_bench.leaderboards.board` reads them."""
