"""Bodies that take long to judge, judged in processes of their own."""
