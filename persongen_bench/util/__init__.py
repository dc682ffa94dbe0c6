"""Tools that know none of the nouns: files, batching, progress, provenance, execution."""
