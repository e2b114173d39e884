"""Tests of knowledge/auth."""
