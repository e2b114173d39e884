"""Tests of the firewall for MCP: its tables, and what it promises of any text."""
