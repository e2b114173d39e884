"""What the pages say, tried out: policies are loaded, commands run, names and links exist."""
