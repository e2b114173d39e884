"""Tests of a policy, as a file: callers, requests and what is expected of them."""
