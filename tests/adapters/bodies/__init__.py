"""Bodies that take long, judged elsewhere."""
