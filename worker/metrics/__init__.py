"""The menu of metrics: each file is one, computed from the model's answers; series are named `<split>_<metric>`."""
