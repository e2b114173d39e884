"""The adapters: real files, real stalls, real parsers."""
