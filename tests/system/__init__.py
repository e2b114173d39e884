"""Tests that need the Debian packages of ci/apt.txt (`make test-system`)."""
