"""The boards of this package: one TOML file each."""
