"""Long tests: real applications, large bodies, thousands of failures (`make soak`)."""
