"""What datasets are loaded with: sources of their files, a file format, and the splits that become of them."""
