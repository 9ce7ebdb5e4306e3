"""The menu of datasets: each file is one; it names its source, licence and checksums, and loads itself."""
