"""The menu of architectures: each file is one; it receives the input's shape, the classes and a norm factory."""
